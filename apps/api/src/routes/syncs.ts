import { NotFoundError } from "@branchward/core";
import {
  approveAnswer,
  approveBody,
  idParams,
  page,
  problem,
  recheckAnswer,
  recheckBody,
  syncDetails,
  syncItem,
  syncQuery,
} from "@branchward/core/api";
import { answer, defineRoute, type Route } from "@branchward/runtime";
import {
  type ActivePolicy,
  type Database,
  findSync,
  listSyncs,
  requestAwaitedAccounts,
  type RequestedAccount,
  type RequestedScope,
  requestScopesOf,
} from "@branchward/store";
import type { FollowUp } from "../follow-up.ts";
import { approveSync } from "../approve-sync.ts";
import { type BranchQuestion, getBranchNamed } from "../branch-question.ts";
import { toSyncItem } from "../items.ts";
import { toSyncDetails } from "../sync-details.ts";
import { toDate, toFilter, toPage } from "./page.ts";

export interface SyncRouteDeps {
  readonly db: Database;
  readonly followUp: FollowUp;
  readonly activePolicy: ActivePolicy;
}

export function createSyncRoutes(deps: SyncRouteDeps): readonly Route[] {
  return [listRoute(deps), showRoute(deps), recheckRoute(deps), approveRoute(deps)];
}

function approveRoute(deps: SyncRouteDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/syncs/:id/approve",
    summary: "Let go what guards withhold: the plan as shown, for 24 hours, not by who caused it",
    scope: "admin",
    params: idParams,
    body: approveBody,
    responses: {
      202: { description: "approved; the scopes that are looked at again", body: approveAnswer },
      403: { description: "who asks caused the removals", body: problem },
      404: { description: "no such sync", body: problem },
      409: { description: "nothing is withheld, or the plan has changed", body: problem },
    },
    async handle({ params, body, principal }) {
      const approval = { syncId: params.id, digest: body.digest, by: principal?.client ?? "" };
      const { scopes, users } = await approveSync(deps, approval);
      deps.followUp.reconcile(scopes, "ci");
      deps.followUp.revoke("user", users);
      return answer(202, { scopes: scopes.length });
    },
  });
}

function listRoute({ db }: SyncRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/syncs",
    summary: "Runs, newest first",
    scope: "read",
    query: syncQuery,
    responses: { 200: { description: "a page", body: page(syncItem) } },
    async handle({ query }) {
      const { since, until, q, ...rest } = query;
      const filter = { ...rest, since: toDate(since), until: toDate(until), text: q };
      const rows = await listSyncs(db, toFilter(filter));
      return answer(200, toPage(rows, rest.limit, toSyncItem));
    },
  });
}

function showRoute({ db }: SyncRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/syncs/:id",
    summary: "A run with its timeline, each call, and desired against actual",
    scope: "read",
    params: idParams,
    responses: {
      200: { description: "the sync", body: syncDetails },
      404: { description: "no such sync", body: problem },
    },
    async handle({ params }) {
      const sync = await findSync(db, params.id);
      if (sync === undefined) throw new NotFoundError(`no sync has the id ${params.id}`);
      return answer(200, toSyncDetails(sync));
    },
  });
}

function recheckRoute({ db, followUp }: SyncRouteDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/syncs",
    summary: "Look at a branch again now",
    scope: "admin",
    body: recheckBody,
    responses: {
      202: { description: "asked for; the number of endpoints to be looked at", body: recheckAnswer },
      400: { description: "several branches match", body: problem },
      404: { description: "no such branch", body: problem },
    },
    async handle({ body }) {
      const { scopes, accounts } = await recheck(db, body);
      for (const account of accounts) followUp.bringAccount(account);
      followUp.reconcile(scopes, "ci");
      return answer(202, { scopes: scopes.length });
    },
  });
}

interface Recheck {
  readonly scopes: readonly RequestedScope[];
  readonly accounts: readonly RequestedAccount[];
}

async function recheck(db: Database, question: BranchQuestion): Promise<Recheck> {
  const branch = await getBranchNamed(db, question);
  return db.transaction().execute(async (trx) => {
    const accounts = await requestAwaitedAccounts(trx, branch.id);
    return { accounts, scopes: await requestScopesOf(trx, new Map([[branch.id, "recheck"]])) };
  });
}
