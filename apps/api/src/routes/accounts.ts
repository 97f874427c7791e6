/** `/v1/endpoints/{name}/accounts`: who is whom there, and the approval of accounts found by their name (rule C5). */
import { type EndpointConfiguration, NotFoundError } from "@branchward/core";
import { accountDecisionBody, accountItem, accountQuery, page, problem } from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import { type Database, decideAdoption, listAccounts } from "@branchward/store";
import { z } from "zod";
import type { FollowUp } from "../follow-up.ts";

export interface AccountDeps {
  readonly db: Database;
  readonly followUp: FollowUp;
  readonly endpoints: readonly EndpointConfiguration[];
}

const params = z.object({ name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/u) });
const unknownEndpoint = { description: "there is no such endpoint", body: problem };

export function createAccountRoutes(deps: AccountDeps): readonly Route[] {
  return [listRoute(deps), decideRoute(deps)];
}

function listRoute({ db, endpoints }: AccountDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/endpoints/:name/accounts",
    summary: "Which account each directory user is at an endpoint, newest users first",
    scope: "read",
    params,
    query: accountQuery,
    responses: { 200: { description: "a page", body: page(accountItem) }, 404: unknownEndpoint },
    async handle({ params: { name }, query: { limit, state, cursor } }) {
      requireEndpoint(endpoints, name);
      const items = await listAccounts(db, { endpoint: name, limit, state, before: cursor });
      const nextCursor = items.length < limit ? null : (items.at(-1)?.userId ?? null);
      return answer(200, { items: [...items], nextCursor });
    },
  });
}

function decideRoute({ db, followUp, endpoints }: AccountDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/endpoints/:name/accounts",
    summary: "Approve or reject the account that was found by a user's name",
    scope: "admin",
    params,
    body: accountDecisionBody,
    responses: {
      202: { description: "decided; an approved account is brought to the directory's user next", body: decided },
      404: { description: "no such endpoint, or no account of this user waits there", body: problem },
    },
    async handle({ params: { name }, body: { user, decision }, principal }) {
      requireEndpoint(endpoints, name);
      const decidedBy = principal?.client ?? "";
      const account = await decideAdoption(db, { endpoint: name, user, decision, decidedBy });
      if (account === undefined) {
        throw new NotFoundError(`no account of ${user} waits for approval at ${name}`, { code: "no_candidate" });
      }
      followUp.bringAccount(account);
      return answer(202, { userId: account.userId, decision });
    },
  });
}

const decided = z.object({ userId: z.uuid(), decision: z.enum(["approve", "reject"]) });

function requireEndpoint(endpoints: readonly EndpointConfiguration[], name: string): void {
  if (endpoints.every((endpoint) => endpoint.name !== name))
    throw new NotFoundError(`there is no endpoint ${name}`, { code: "unknown_endpoint" });
}
