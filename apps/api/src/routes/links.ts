/** `/v1/links`: who is behind an actor, said by hand (rule B5). */
import { ConflictError, NotFoundError, type SourceConfiguration } from "@branchward/core";
import { linkBody, linkItem, linkKey, linkQuery, problem } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import {
  assignCheckouts,
  type Database,
  deleteLink,
  findUserByUserName,
  type IdentityLink,
  listLinks,
  matchIdentity,
  noteActor,
  type Queryable,
  type RequestedScope,
  requestScopesOf,
  resolveActor,
  upsertLink,
} from "@branchward/store";
import { z } from "zod";
import type { FollowUp } from "../follow-up.ts";

export interface LinkDeps {
  readonly db: Database;
  readonly followUp: FollowUp;
  readonly sources: readonly SourceConfiguration[];
}

export function createLinkRoutes(deps: LinkDeps): readonly Route[] {
  return [listRoute(deps), setRoute(deps), removeRoute(deps)];
}

function listRoute({ db }: LinkDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/links",
    summary: "Actors of sources linked to users by hand",
    scope: "read",
    query: linkQuery,
    responses: { 200: { description: "all links", body: z.object({ items: z.array(linkItem) }) } },
    async handle({ query }) {
      return answer(200, { items: (await listLinks(db, query.source)).map(toItem) });
    },
  });
}

function setRoute(deps: LinkDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/links",
    summary: "Link an actor to a user; what stands by the actor's checkouts is the user's from now on",
    scope: "admin",
    body: linkBody,
    responses: {
      200: { description: "linked", body: linkItem },
      404: { description: "no such source or user", body: problem },
      409: { description: "the source's identity rule says that the actor is somebody else", body: problem },
    },
    async handle({ body, principal }) {
      const source = getSource(deps, body.source);
      const user = await findUserByUserName(deps.db, body.user);
      if (user === undefined)
        throw new NotFoundError(`the directory has no user ${body.user}`, { code: "unknown_user" });
      const actor = { key: body.actor, email: null };
      const matched = await matchIdentity(deps.db, source, actor);
      if (matched !== undefined && matched.id !== user.id) {
        throw new ConflictError(
          `${body.actor} is ${matched.userName} by the identity rule of ${source.name}; change identity: in the configuration`,
          { code: "actor_resolved" },
        );
      }
      const linkedBy = principal?.client ?? "";
      const requested = await deps.db.transaction().execute(async (trx) => {
        await upsertLink(trx, { source: source.name, actor: body.actor, userId: user.id, linkedBy });
        return resettle(trx, source, body.actor);
      });
      deps.followUp.reconcile(requested);
      const links = await listLinks(deps.db, source.name);
      const made = links.find((link) => link.actor === body.actor);
      if (made === undefined) throw new ConflictError("the link was removed again just now");
      return answer(200, toItem(made));
    },
  });
}

function removeRoute(deps: LinkDeps): Route {
  return defineRoute({
    method: "delete",
    path: "/v1/links",
    summary: "Remove a link; what stands by the actor's checkouts is the user's no more",
    scope: "admin",
    query: linkKey,
    responses: {
      200: { description: "removed", body: linkKey },
      404: { description: "no such link", body: problem },
    },
    async handle({ query: { source: name, actor } }) {
      // The source may have left the configuration; its links are removed all the same.
      const source = deps.sources.find((each) => each.name === name);
      const requested = await deps.db.transaction().execute(async (trx) => {
        if (!(await deleteLink(trx, name, actor))) {
          throw new NotFoundError(`${name} has no link of ${actor}`, { code: "unknown_link" });
        }
        return source === undefined ? [] : resettle(trx, source, actor);
      });
      deps.followUp.reconcile(requested);
      return answer(200, { source: name, actor });
    },
  });
}

/** What stands by an actor's claims becomes whose it is now. */
async function resettle(
  trx: Queryable,
  source: SourceConfiguration,
  actor: string,
): Promise<readonly RequestedScope[]> {
  const resolution = await resolveActor(trx, { source, actor: { key: actor, email: null } });
  const userId = resolution.state === "known" ? resolution.userId : null;
  const touched = await assignCheckouts(trx, { source: source.name, actor, userId });
  const requested = await requestScopesOf(trx, new Map(touched.map((id) => [id, "checkout"])));
  if (resolution.state === "known") await noteActor(trx, { source: source.name, actor, resolution });
  return requested;
}

function getSource({ sources }: LinkDeps, name: string): SourceConfiguration {
  const source = sources.find((each) => each.name === name);
  if (source !== undefined) return source;
  throw new NotFoundError(`no source is named ${name}`, { code: "unknown_source" });
}

function toItem({ source, actor, userId, userName, linkedBy, linkedAt }: IdentityLink) {
  return { source, actor, userId, user: userName, linkedBy, linkedAt };
}
