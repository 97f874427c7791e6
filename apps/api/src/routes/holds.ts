/** `/v1/holds`: repair suspended for a while, by whom and why. */
import { ConflictError, formatDuration, InvalidInputError, NotFoundError, parseDuration } from "@branchward/core";
import { holdBody, holdItem, holdQuery, idParams, page, problem } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import {
  type Database,
  endHold,
  getHold,
  type HoldRow,
  insertHold,
  listHolds,
  listRepositoriesByName,
} from "@branchward/store";
import type { z } from "zod";
import { getBranchNamed } from "../branch-question.ts";
import { toHoldItem } from "../items.ts";
import type { FollowUp } from "../follow-up.ts";
import { toFilter, toPage } from "./page.ts";

export interface HoldDeps {
  readonly db: Database;
  readonly followUp: FollowUp;
  /** Names of all configured endpoints. */
  readonly endpoints: readonly string[];
  readonly maxMs: number;
}

export function createHoldRoutes(deps: HoldDeps): readonly Route[] {
  return [listRoute(deps), makeRoute(deps), endRoute(deps)];
}

function listRoute({ db }: HoldDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/holds",
    summary: "Holds on repair, newest first",
    scope: "read",
    query: holdQuery,
    responses: { 200: { description: "a page", body: page(holdItem) } },
    async handle({ query }) {
      return answer(200, toPage(await listHolds(db, toFilter(query)), query.limit, toHoldItem));
    },
  });
}

function makeRoute(deps: HoldDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/holds",
    summary: "Suspend repair for a while; revocations go on",
    scope: "admin",
    body: holdBody,
    responses: {
      201: { description: "it stands", body: holdItem },
      400: { description: "too long, or several branches or repositories match", body: problem },
      404: { description: "no such repository, branch or endpoint", body: problem },
    },
    async handle({ body, principal }) {
      const forMs = parseDuration(body.for);
      if (forMs < 1_000 || forMs > deps.maxMs) {
        throw new InvalidInputError(`a hold lasts from 1s to ${formatDuration(deps.maxMs)}`);
      }
      const { endpoint = null, reason } = body;
      if (endpoint !== null && !deps.endpoints.includes(endpoint)) {
        throw new NotFoundError(`no endpoint is named ${endpoint}`, { code: "unknown_endpoint" });
      }
      const held = await findHeld(deps.db, body);
      const hold = { ...held, endpoint, forMs, reason, madeBy: principal?.client ?? "" };
      const { id, requested } = await deps.db.transaction().execute((trx) => insertHold(trx, hold));
      deps.followUp.reconcile(requested);
      return answer(201, toHoldItem(await findOrThrow(deps.db, id)));
    },
  });
}

function endRoute(deps: HoldDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/holds/:id/end",
    summary: "End a hold before its time; what it covered is looked at again",
    scope: "admin",
    params: idParams,
    responses: {
      200: { description: "ended", body: holdItem },
      404: { description: "no such hold", body: problem },
      409: { description: "it stands no more", body: problem },
    },
    async handle({ params, principal }) {
      const { state } = await findOrThrow(deps.db, params.id);
      const requested = await deps.db.transaction().execute((trx) => endHold(trx, params.id, principal?.client ?? ""));
      if (requested === undefined) {
        throw new ConflictError(`the hold stands no more: ${state === "standing" ? "ended" : state}`, {
          code: "hold_over",
        });
      }
      deps.followUp.reconcile(requested);
      return answer(200, toHoldItem(await findOrThrow(deps.db, params.id)));
    },
  });
}

async function findHeld(db: Database, { repository, branch, refType }: z.output<typeof holdBody>) {
  if (branch !== undefined) {
    const { repositoryId, id } = await getBranchNamed(db, { repository, branch, refType });
    return { repositoryId, incarnationId: id };
  }
  const [only, second] = await listRepositoriesByName(db, repository);
  if (only === undefined)
    throw new NotFoundError(`no repository is named ${repository}`, { code: "unknown_repository" });
  if (second !== undefined) {
    throw new InvalidInputError(`several sources have a repository named ${repository}; name a branch`, {
      code: "ambiguous_repository",
    });
  }
  return { repositoryId: only.id, incarnationId: null };
}

async function findOrThrow(db: Database, id: string): Promise<HoldRow> {
  const hold = await getHold(db, id);
  if (hold === undefined) throw new NotFoundError(`no hold has the id ${id}`);
  return hold;
}
