/** What ought to hold for a branch at each endpoint, and why: the same computation that the worker makes. */
import { computeDesired, type Desired, type Reason, type UserId } from "@branchward/core";
import {
  type ActivePolicy,
  type BranchRow,
  type Database,
  type GroupBinding,
  listBranchHistory,
  listGrants,
  listGroupBindings,
  listHolds,
  listIncarnationsOf,
  listRetiredEndpoints,
  listScopesOf,
  listStandingCheckouts,
  listStrictNames,
  listUsersById,
  loadAccessFacts,
  type ScopeState,
  type StandingCheckout,
} from "@branchward/store";
import { toBranchItem, toGrantItem, toHoldItem } from "./items.ts";

export interface BranchDetailDeps {
  readonly db: Database;
  readonly activePolicy: ActivePolicy;
}

const MAX_EVENTS = 100;
const MAX_GRANTS = 20;

/** Names of users by their directory id. */
type UserNames = ReadonlyMap<string, string>;

/** One scope with what policy wants of it now; null while no policy version is in force. */
interface DesiredScope {
  readonly scope: ScopeState;
  /** True where the endpoint is retired: nothing is desired there (rule B8). */
  readonly isRetired: boolean;
  readonly bindings: readonly GroupBinding[];
  readonly desired: Desired | null;
  /** Of what is desired, what nobody had when a group of the policy was lost: nobody is added then (rule B4). */
  readonly isWithheld: (entitlement: string, userId: UserId) => boolean;
}

/** All that is known of a branch. */
export async function findBranchDetails(deps: BranchDetailDeps, branch: BranchRow) {
  const { db } = deps;
  const [incarnations, events, checkouts, grants, holds, { scopes, userNames }] = await Promise.all([
    listIncarnationsOf(db, branch),
    listBranchHistory(db, branch.id, MAX_EVENTS),
    listStandingCheckouts(db, branch.id),
    listGrants(db, { limit: MAX_GRANTS, incarnation: branch.id }),
    listHolds(db, {
      limit: MAX_GRANTS,
      state: "standing",
      of: { repositoryId: branch.repositoryId, incarnationId: branch.id },
    }),
    listDesiredScopes(deps, branch),
  ]);
  const visitors = await nameUsers(db, checkouts);
  return {
    ...toBranchItem(branch),
    incarnations: incarnations.map(toBranchItem),
    events: [...events],
    checkouts: checkouts.map((checkout) => toCheckout(checkout, scopes, visitors)),
    grants: grants.map(toGrantItem),
    holds: holds.map(toHoldItem),
    scopes: scopes.map((each) => toScope(each, userNames)),
  };
}

async function listDesiredScopes(
  { db, activePolicy }: BranchDetailDeps,
  branch: BranchRow,
): Promise<{ readonly scopes: readonly DesiredScope[]; readonly userNames: UserNames }> {
  const states = await listScopesOf(db, branch.id);
  const retired = await listRetiredEndpoints(
    db,
    states.map(({ endpoint }) => endpoint),
  );
  const active = await activePolicy.find(db);
  const strictNames = await listStrictNames(db, branch.id);
  const facts = active === undefined ? null : await loadAccessFacts(db, { policy: active.policy, branch, strictNames });
  const scopes = await Promise.all(
    states.map(async (scope) => {
      // A rename narrows at each endpoint until it is verified there (rule A5).
      const names = [branch.name, ...(await listStrictNames(db, branch.id, scope.endpoint))] as const;
      const isRetired = retired.includes(scope.endpoint);
      const state = isRetired ? "deleted" : branch.state;
      const incarnation = facts && { ...facts.incarnation, id: branch.id, names, state };
      const desired =
        facts && incarnation && computeDesired({ ...facts, incarnation, endpoint: { name: scope.endpoint } });
      const isLost = (desired?.lostReferences.length ?? 0) > 0;
      const isWithheld = (entitlement: string, userId: UserId) =>
        isLost && !(facts?.held?.get(entitlement)?.has(userId) ?? false);
      return { scope, isRetired, bindings: await listGroupBindings(db, scope.id), desired, isWithheld };
    }),
  );
  const users = [...(facts?.users.byId.values() ?? [])];
  return { scopes, userNames: new Map(users.map(({ id, userName }) => [id, userName])) };
}

async function nameUsers(db: Database, checkouts: readonly StandingCheckout[]): Promise<UserNames> {
  const ids = checkouts.flatMap(({ userId }) => (userId === null ? [] : [userId]));
  const users = await listUsersById(db, [...new Set(ids)]);
  return new Map(users.map(({ id, userName }) => [id, userName]));
}

function toCheckout(checkout: StandingCheckout, scopes: readonly DesiredScope[], userNames: UserNames) {
  const { userId, actor, trust, workingCopy, startedAt } = checkout;
  return {
    user: userId,
    userName: userId === null ? null : (userNames.get(userId) ?? null),
    actor,
    trust,
    workingCopy,
    startedAt,
    expiresAt: userId === null ? null : findExpiry(scopes, userId),
  };
}

/** When the last grant ends that the user holds by being here. */
function findExpiry(scopes: readonly DesiredScope[], userId: UserId): Date | null {
  const ends = scopes
    .flatMap(({ desired }) => desired?.entitlements ?? [])
    .flatMap(({ members }) => members.filter((member) => member.userId === userId))
    .flatMap(({ reasons }) => reasons.filter(({ kind }) => kind === "just-in-time"))
    .flatMap(({ until }) => (until === null ? [] : [until.getTime()]));
  return ends.length === 0 ? null : new Date(Math.max(...ends));
}

/** What a scope stands at; `pending` until what was asked for last is reached. */
function stateOf(scope: ScopeState) {
  return scope.reconciled >= scope.requested && scope.verdict !== null ? scope.verdict : ("pending" as const);
}

function toScope({ scope, isRetired, bindings, desired, isWithheld }: DesiredScope, userNames: UserNames) {
  const verdict = stateOf(scope);
  return {
    endpoint: scope.endpoint,
    verdict,
    retired: isRetired,
    checkedAt: scope.verdictAt,
    dueAt: scope.dueAt,
    mismatches: [...scope.mismatches],
    sync: scope.lastSync,
    entitlements: (desired?.entitlements ?? []).map(({ entitlement, members }) => ({
      entitlement,
      group: bindings.find((binding) => binding.entitlement === entitlement)?.displayName ?? null,
      state: stateOfGroup(scope, verdict, entitlement),
      members: members
        .filter(({ userId }) => !isWithheld(entitlement, userId))
        .map(({ userId, reasons }) => ({
          user: userId,
          userName: userNames.get(userId) ?? userId,
          reasons: reasons.map(toReason),
          until: lastEnd(reasons),
        })),
    })),
    exclusions: [...(desired?.exclusions ?? []), ...listWithheld({ desired, isWithheld })].map(
      ({ userId, entitlement, cause, rule, file, line }) => {
        return { user: userId, userName: userNames.get(userId) ?? null, entitlement, cause, rule, file, line };
      },
    ),
  };
}

function listWithheld({ desired, isWithheld }: Pick<DesiredScope, "desired" | "isWithheld">) {
  return (desired?.entitlements ?? []).flatMap(({ entitlement, members }) =>
    members
      .filter(({ userId }) => isWithheld(entitlement, userId))
      .flatMap(({ userId, reasons: [reason] }) => {
        return reason === undefined ? [] : [{ ...reason, userId, entitlement, cause: "group-lost" as const }];
      }),
  );
}

/** A scope that diverged did so in the groups that its mismatches name; the others read as they ought to. */
function stateOfGroup(scope: ScopeState, verdict: ReturnType<typeof stateOf>, entitlement: string) {
  if (verdict !== "diverged") return verdict;
  const isNamed = scope.mismatches.some(
    (mismatch) =>
      typeof mismatch === "object" &&
      mismatch !== null &&
      "entitlement" in mismatch &&
      mismatch.entitlement === entitlement,
  );
  return isNamed ? ("diverged" as const) : ("verified" as const);
}

function toReason({ rule, file, line, reference, path, kind, until, approvedBy }: Reason) {
  return { rule, file, line, reference, path: [...path], kind, until, ...(approvedBy && { approvedBy }) };
}

/** Null when one of the reasons never ends. */
function lastEnd(reasons: readonly Reason[]): Date | null {
  const ends = reasons.map(({ until }) => until?.getTime() ?? Number.POSITIVE_INFINITY);
  const last = Math.max(...ends);
  return Number.isFinite(last) ? new Date(last) : null;
}
