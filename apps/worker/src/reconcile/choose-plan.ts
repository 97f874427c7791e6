/** From what is and what ought to be to the writes that a run may make: plan → guards → hold, drift. */
import {
  type ActualGroup,
  type Drift,
  type IncarnationId,
  leaveDrift,
  type Plan,
  planSync,
  removalKey,
  suspendPlan,
  type UserId,
} from "@branchward/core";
import { countDriftSince, listOpenEntries } from "@branchward/store";
import { type GuardedRun, guardPlan } from "./guard-plan.ts";
import type { Collision } from "./resolve-intents.ts";
import type { SyncRun } from "./sync-run.ts";

export interface ChosenPlan {
  readonly plan: Plan;
  readonly guarded: GuardedRun;
  /** Why repair is suspended: a hold, or drift that comes back as often as it is repaired. */
  readonly suspended: "hold" | "flapping" | null;
  /** True while drift is left where it is, since the endpoint only reports it. */
  readonly isDriftLeft: boolean;
}

/** More repairs of drift than this within the window park a scope: somebody undoes what we do. */
const FLAPPING = { maxRepairs: 3, windowMs: 10 * 60_000 };
/** How long a parked scope rests before the next try. */
export const PARKED_MS = FLAPPING.windowMs;

interface Found {
  readonly actual: readonly ActualGroup[];
  readonly collisions?: readonly Collision[];
  readonly accountOf: (userId: UserId) => string | undefined;
  readonly isClosed: (userId: UserId) => boolean;
}

/** Chooses what a run writes; whatever it leaves is in the plan's effective set. */
export async function choosePlan(
  run: SyncRun,
  { actual, accountOf, isClosed, collisions = [] }: Found,
): Promise<ChosenPlan> {
  const { scope, endpoint, db, lease } = run;
  const input = {
    branch: scope.branch,
    desired: scope.desired,
    actual,
    bindings: scope.knownGroups,
    displayNameTemplate: endpoint.displayName,
    now: scope.now,
    pairingWindowMs: run.pairingWindowMs,
    accountOf,
    isClosed,
    isRenaming: scope.strictNames.length > 0,
    isRetired: scope.isRetired,
    collisions: new Set(listOwn(collisions, scope.branch.incarnation)),
  };
  const whole = planSync(input);
  const guardRun = { db, scopeId: lease.scopeId, guards: scope.guards, bound: scope.knownGroups };
  const guarded = await guardPlan(guardRun, whole);
  const plan = guarded.keptBack.size === 0 ? whole : planSync({ ...input, keptBack: guarded.keptBack });
  const isDriftLeft = endpoint.drift === "report" && countDrift(guarded.drift) > 0;
  const allowed = isDriftLeft ? leaveDrift(plan, guarded.drift) : plan;
  const suspended = await findSuspension(run, { guarded, isDriftLeft });
  if (suspended === null) return { plan: allowed, guarded, suspended, isDriftLeft };
  return { plan: suspendPlan(allowed, actual), guarded, suspended, isDriftLeft };
}

function listOwn(collisions: readonly Collision[], incarnation: IncarnationId): readonly string[] {
  return collisions.filter(({ intent }) => intent.incarnation === incarnation).map(({ intent }) => intent.entitlement);
}

/** Members that came or went without Branchward. */
export function countDrift({ extra, missing }: Drift): number {
  return extra.size + missing.size;
}

async function findSuspension(
  { scope, db, lease }: SyncRun,
  { guarded, isDriftLeft }: Pick<ChosenPlan, "guarded" | "isDriftLeft">,
): Promise<ChosenPlan["suspended"]> {
  if (scope.isHeld) return "hold";
  if (isDriftLeft || countDrift(guarded.drift) === 0) return null;
  const repairs = await countDriftSince(db, { scopeId: lease.scopeId, windowMs: FLAPPING.windowMs });
  return repairs >= FLAPPING.maxRepairs ? "flapping" : null;
}

/**
 * The groups with the members that the ledger ever added and nobody wants any more: a revocation removes them even if a
 * stale read does not show them (rule C3).
 */
export async function addLedgerMembers(
  { db, lease, scope }: SyncRun,
  { actual, accountOf }: Pick<Found, "actual" | "accountOf">,
): Promise<readonly ActualGroup[]> {
  const wanted = new Set(
    scope.desired.entitlements.flatMap(({ entitlement, members }) =>
      members.map(({ userId }) => removalKey(entitlement, accountOf(userId) ?? "")),
    ),
  );
  const entries = await listOpenEntries(db, lease.scopeId);
  const ids = new Map(scope.knownGroups.map(({ entitlement, groupId }) => [entitlement, groupId]));
  const given = Map.groupBy(
    entries.filter(({ entitlement, member }) => !wanted.has(removalKey(entitlement, member))),
    ({ entitlement }) => ids.get(entitlement),
  );
  return actual.map((group) => {
    const members = given.get(group.id)?.map(({ member }) => member) ?? [];
    return { ...group, members: [...new Set([...group.members, ...members])] };
  });
}
