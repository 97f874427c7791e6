/** `/v1/grants`: emergency grants (rule B9), asked for by one and approved by another. */
import {
  ConflictError,
  explainAccess,
  ForbiddenError,
  type GrantConfiguration,
  InvalidInputError,
  NotFoundError,
  formatDuration,
  parseDuration,
  UnavailableError,
  type UserId,
} from "@branchward/core";
import { grantBody, grantItem, grantQuery, idParams, page, problem } from "@branchward/core/api";
import { answer, defineRoute, type Principal, type Route } from "@branchward/runtime";
import {
  type ActivePolicy,
  approveGrant,
  type BranchRow,
  type Database,
  findGrant,
  findUserByUserName,
  type GrantRow,
  insertGrant,
  listGrants,
  listStrictNames,
  loadAccessFacts,
  lockGrant,
  type Queryable,
  rejectGrant,
  requestScopesOf,
  revokeGrant,
} from "@branchward/store";
import { getBranchNamed } from "../branch-question.ts";
import { toGrantItem } from "../items.ts";
import type { FollowUp } from "../follow-up.ts";
import { requestEnded } from "../request-ended.ts";
import { toFilter, toPage } from "./page.ts";

export interface GrantDeps {
  readonly db: Database;
  readonly followUp: FollowUp;
  readonly activePolicy: ActivePolicy;
  readonly grants: GrantConfiguration;
}

export function createGrantRoutes(deps: GrantDeps): readonly Route[] {
  return [listRoute(deps), requestRoute(deps), ...DECISIONS.map((decision) => decideRoute(deps, decision))];
}

function listRoute({ db }: GrantDeps): Route {
  return defineRoute({
    method: "get",
    path: "/v1/grants",
    summary: "Emergency grants, newest first",
    scope: "read",
    query: grantQuery,
    responses: { 200: { description: "a page", body: page(grantItem) } },
    async handle({ query }) {
      return answer(200, toPage(await listGrants(db, toFilter(query)), query.limit, toGrantItem));
    },
  });
}

function requestRoute(deps: GrantDeps): Route {
  return defineRoute({
    method: "post",
    path: "/v1/grants",
    summary: "Ask for an emergency grant; another approves it, where the configuration does not say otherwise",
    scope: "read",
    body: grantBody,
    responses: {
      201: { description: "asked for, or approved where no approval is required", body: grantItem },
      400: { description: "too long, or several branches match", body: problem },
      404: { description: "no such branch or user", body: problem },
      409: { description: "it would give nothing: a deny, a ceiling, or no grant of the policy", body: problem },
    },
    async handle({ body, principal }) {
      const by = toAsker(deps, principal);
      const forMs = parseDuration(body.for);
      if (forMs < 1_000 || forMs > deps.grants.maxMs) {
        throw new InvalidInputError(`an emergency grant lasts from 1s to ${formatDuration(deps.grants.maxMs)}`);
      }
      const branch = await getBranchNamed(deps.db, body);
      const user = await getActiveUser(deps.db, body.user);
      await checkEffect(deps, { branch, userId: user.id, entitlement: body.entitlement });
      const { entitlement, reason } = body;
      const asked = { userId: user.id, entitlement, incarnationId: branch.id, forMs, reason, requestedBy: by };
      return answer(201, toGrantItem(await request(deps, asked)));
    },
  });
}

async function request(deps: GrantDeps, asked: Parameters<typeof insertGrant>[1]): Promise<GrantRow> {
  const { id, requested } = await deps.db.transaction().execute(async (trx) => {
    const made = await insertGrant(trx, asked);
    if (deps.grants.approval === "required") return { id: made, requested: [] };
    await approveGrant(trx, made, asked.requestedBy);
    return { id: made, requested: await wake(trx, asked.incarnationId) };
  });
  deps.followUp.reconcile(requested, "ci");
  return getGrant(deps.db, id);
}

/** Without an approval the asking alone gives access, which a token that reads must not. */
function toAsker({ grants }: GrantDeps, principal: Principal | null): string {
  if (principal === null) throw new ForbiddenError("nobody asks");
  if (grants.approval === "none" && principal.scope !== "admin") {
    throw new ForbiddenError("no approval is required here, so that asking needs a token of scope admin", {
      code: "missing_scope",
    });
  }
  return principal.client;
}

async function getActiveUser(db: Database, userName: string) {
  const user = await findUserByUserName(db, userName);
  if (user === undefined) throw new NotFoundError(`the directory has no user ${userName}`, { code: "unknown_user" });
  if (!user.active) throw new ConflictError(`${user.userName} is deactivated`, { code: "user_inactive" });
  return user;
}

interface Asked {
  readonly branch: BranchRow;
  readonly userId: UserId;
  readonly entitlement: string;
}

/** Whoever asks learns at once that it would give nothing: policy stands above it. @throws {ConflictError} */
async function checkEffect(deps: GrantDeps, { branch, userId, entitlement }: Asked): Promise<void> {
  if (branch.state !== "active") {
    throw new ConflictError(`${branch.repository}:${branch.name} is ${branch.state}`, { code: "branch_ended" });
  }
  const active = await deps.activePolicy.find(deps.db);
  if (active === undefined) throw new UnavailableError("no policy version is in force yet");
  const strictNames = await listStrictNames(deps.db, branch.id);
  const facts = await loadAccessFacts(deps.db, { policy: active.policy, branch, strictNames, userIds: [userId] });
  const asked = { id: "asked", userId, entitlement, approvedBy: "", until: new Date(facts.now.getTime() + 1_000) };
  const { allowed, reasons } = explainAccess({ ...facts, emergencies: [asked], userId, entitlement });
  const against = reasons.find(({ decides, rule }) => decides && rule !== null && rule !== "emergency asked");
  if (!allowed && against !== undefined) {
    const { rule, file, line, text } = against;
    throw new ConflictError(`policy stands above an emergency grant: ${rule} ${text} (${file}:${line})`, {
      code: "grant_withheld",
    });
  }
  const lost = allowed ? undefined : reasons.find(({ decides, withheld }) => decides && withheld);
  if (lost !== undefined) throw new ConflictError(lost.text, { code: "grant_withheld" });
  if (reasons.some(({ rule }) => rule === "emergency asked")) return;
  throw new ConflictError(
    `no grant of the policy gives ${entitlement} on ${branch.repository}:${branch.name}, so that no group can carry it`,
    { code: "not_grantable" },
  );
}

interface Decision {
  readonly verb: "approve" | "reject" | "revoke";
  readonly path: string;
  readonly summary: string;
  readonly from: readonly GrantRow["state"][];
  readonly decide: (trx: Queryable, id: string, by: string) => Promise<void>;
}

const DECISIONS: readonly Decision[] = [
  {
    verb: "approve",
    path: "/v1/grants/:id/approve",
    summary: "Approve an emergency grant; its time begins now; not by who asked",
    from: ["requested"],
    decide: approveGrant,
  },
  {
    verb: "reject",
    path: "/v1/grants/:id/reject",
    summary: "Reject an emergency grant",
    from: ["requested"],
    decide: rejectGrant,
  },
  {
    verb: "revoke",
    path: "/v1/grants/:id/revoke",
    summary: "End an emergency grant before its time, or take a request back",
    from: ["requested", "approved"],
    decide: revokeGrant,
  },
];

function decideRoute(deps: GrantDeps, decision: Decision): Route {
  return defineRoute({
    method: "post",
    path: decision.path,
    summary: decision.summary,
    scope: "admin",
    params: idParams,
    responses: {
      200: { description: "the grant as it is now", body: grantItem },
      403: { description: "who asked cannot approve", body: problem },
      404: { description: "no such grant", body: problem },
      409: { description: "it is decided or over", body: problem },
    },
    async handle({ params, principal }) {
      const by = principal?.client ?? "";
      const requested = await deps.db.transaction().execute((trx) => decideIn(trx, decision, { id: params.id, by }));
      if (decision.verb === "revoke")
        deps.followUp.revoke(
          "scope",
          requested.map(({ id }) => id),
        );
      else deps.followUp.reconcile(requested, "ci");
      return answer(200, toGrantItem(await getGrant(deps.db, params.id)));
    },
  });
}

async function decideIn(
  trx: Queryable,
  { verb, from, decide }: Decision,
  { id, by }: { readonly id: string; readonly by: string },
) {
  const grant = await lockGrant(trx, id);
  if (grant === undefined) throw noGrant(id);
  if (!from.includes(grant.state)) throw new ConflictError(`it is ${grant.state}`, { code: "grant_decided" });
  const isOwn = [grant.requestedBy, grant.userName].some((name) => name?.toLowerCase() === by.toLowerCase());
  if (verb === "approve" && isOwn) {
    throw new ForbiddenError("an emergency grant is approved by another than who asks and than who gets it", {
      code: "own_request",
    });
  }
  await decide(trx, id, by);
  if (verb === "approve") return wake(trx, grant.incarnation);
  return grant.state === "approved" ? requestEnded(trx, [grant.incarnation], "grant") : [];
}

/** Exactly the scopes of that incarnation. */
function wake(trx: Queryable, incarnationId: string) {
  return requestScopesOf(trx, new Map([[incarnationId, "grant"]]));
}

async function getGrant(db: Queryable, id: string): Promise<GrantRow> {
  const grant = await findGrant(db, id);
  if (grant === undefined) throw noGrant(id);
  return grant;
}

function noGrant(id: string): NotFoundError {
  return new NotFoundError(`no emergency grant has the id ${id}`);
}
