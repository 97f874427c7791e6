/** Looks at a plan's removals before anything is written: which are drift, which wait for a person (rules C1, C2). */
import { createHash } from "node:crypto";
import {
  type Drift,
  type GroupOverLimit,
  type Guards,
  isRevocationCause,
  judgeRemovals,
  type Plan,
  type Reason,
  type Removal,
  removalKey,
  type UserId,
} from "@branchward/core";
import {
  type ApprovedRemoval,
  countDirectoryGroups,
  countEntitlementGroups,
  type Database,
  findMemberships,
  type KnownMembership,
  listApprovedRemovals,
  listMassDeactivations,
  listUsersById,
  lockGuards,
  markEnding,
  type OverLimit,
  type Queryable,
} from "@branchward/store";

export interface GuardRun {
  readonly db: Database;
  readonly scopeId: string;
  readonly guards: Guards;
  /** Entitlements that had a group here. */
  readonly bound: readonly { readonly entitlement: string }[];
}

/** What guards and the ledger say of a plan. */
export interface GuardedRun {
  /** Keys of the removals that wait. */
  readonly keptBack: ReadonlySet<string>;
  readonly overLimit: readonly OverLimit[];
  /** Clients that deactivated too many. */
  readonly clients: readonly string[];
  readonly drift: Drift;
  /** What the ledger knows of whom the plan touches, by `removalKey`. */
  readonly known: ReadonlyMap<string, KnownMembership>;
}

type PlannedRemoval = Removal & { readonly entitlement: string };

export const NOTHING_GUARDED: GuardedRun = {
  keptBack: new Set(),
  overLimit: [],
  clients: [],
  drift: { extra: new Set(), missing: new Set() },
  known: new Map(),
};

/** Judges the removals of a plan and notes those that may be made; what they take counts for the next plan. */
export async function guardPlan({ db, scopeId, guards, bound }: GuardRun, plan: Plan): Promise<GuardedRun> {
  const removals = listRemovals(plan);
  const hadGroup = new Set(bound.map(({ entitlement }) => entitlement));
  const additions = plan.operations.flatMap((operation) =>
    "additions" in operation && hadGroup.has(operation.entitlement)
      ? operation.additions.map(({ member }) => pairOf(operation, member))
      : [],
  );
  if (removals.length + additions.length === 0) return NOTHING_GUARDED;
  const memberships = await findMemberships(db, scopeId, [...removals, ...additions]);
  const known = new Map(memberships.map((each) => [keyOf(each), each]));
  const drift = findDrift({ removals, additions, known });
  if (removals.length === 0) return { ...NOTHING_GUARDED, drift, known };
  const judged = await db.transaction().execute((trx) => judge(trx, { scopeId, guards, plan }, { removals, known }));
  return { ...judged, drift, known };
}

function listRemovals({ operations }: Plan): readonly PlannedRemoval[] {
  return operations.flatMap((operation) =>
    operation.kind === "removeMembers"
      ? operation.removals.map((removal) => ({ ...removal, entitlement: operation.entitlement }))
      : [],
  );
}

interface Pair {
  readonly entitlement: string;
  readonly member: string;
}

function pairOf({ entitlement }: { readonly entitlement: string }, member: string): Pair {
  return { entitlement, member };
}

function keyOf({ entitlement, member }: Pair): string {
  return removalKey(entitlement, member);
}

interface Differences {
  readonly removals: readonly PlannedRemoval[];
  readonly additions: readonly Pair[];
  readonly known: ReadonlyMap<string, KnownMembership>;
}

/** Nothing ever gave what is there, or it was verified and is gone: somebody else's doing. */
function findDrift({ removals, additions, known }: Differences): Drift {
  const extra = removals.filter(
    (removal) => !isRevocationCause(removal.cause) && known.get(keyOf(removal))?.isGranted !== true,
  );
  const missing = additions.filter((pair) => known.get(keyOf(pair))?.isVerified === true);
  return { extra: new Set(extra.map(keyOf)), missing: new Set(missing.map(keyOf)) };
}

interface Judged {
  readonly keptBack: ReadonlySet<string>;
  readonly overLimit: readonly OverLimit[];
  readonly clients: readonly string[];
}

type Question = Pick<GuardRun, "scopeId" | "guards"> & { readonly plan: Plan };

async function judge(
  trx: Queryable,
  question: Question,
  { removals, known }: Pick<Differences, "removals" | "known">,
): Promise<Judged> {
  const userOf = (removal: PlannedRemoval) => known.get(keyOf(removal))?.userId ?? removal.userId;
  const users = removals.flatMap((removal) => userOf(removal) ?? []);
  const approved = await listApprovedRemovals(trx, { scopeId: question.scopeId, userIds: users });
  const active = new Set((await listUsersById(trx, users)).flatMap((user) => (user.active ? [user.id] : [])));
  // Whoever is deactivated, or deleted, goes by that, even where policy would not grant it either (rules C1, C2).
  const judged = removals.map((removal) => {
    const userId = userOf(removal);
    const isInactive = userId !== null && !active.has(userId) && !isRevocationCause(removal.cause);
    return isInactive ? { ...removal, userId, cause: "inactive" as const } : removal;
  });
  const guarded = judged.flatMap((removal) => toGuarded(removal, known.get(keyOf(removal)), approved));
  const mass = await judgeDeactivations(trx, question, { removals: judged, approved });
  if (guarded.length === 0) return mass;
  await lockGuards(trx);
  const judgement = await judgeGuarded(trx, question, guarded);
  const withheld = new Set(judgement.withheld);
  await markEnding(
    trx,
    question.scopeId,
    guarded.filter((each) => !withheld.has(each)).map((each) => pairOf(each, each.member)),
  );
  return {
    keptBack: mass.keptBack.union(new Set([...withheld].map(keyOf))),
    overLimit: [...mass.overLimit, ...judgement.overLimit],
    clients: mass.clients,
  };
}

interface Guarded extends Pair {
  readonly userId: UserId;
  readonly entitlementGroup: string;
  readonly directoryGroups: readonly string[];
}

/** A removal that guards look at: of what was given, for no cause that C1 exempts, and not approved. */
function toGuarded(
  removal: PlannedRemoval,
  membership: KnownMembership | undefined,
  approved: readonly ApprovedRemoval[],
): readonly Guarded[] {
  const { entitlement, member, cause } = removal;
  const userId = membership?.userId ?? removal.userId;
  if (membership === undefined || userId === null || !membership.isGranted) return [];
  // Whoever also left a working copy lately loses a standing grant all the same: nothing of that expired.
  const isExpiry = cause === "expired" && !membership.reasons.some(({ kind, until }) => kind === "standing" && !until);
  if (isExpiry || (isRevocationCause(cause) && cause !== "expired")) return [];
  if (membership.reasons.length > 0 && membership.reasons.every(isTemporary)) return [];
  const own = approved.filter((each) => each.userId === userId);
  if (own.some((each) => each.entitlement === entitlement)) return [];
  const references = [...new Set(membership.reasons.map(({ reference }) => reference))];
  const waiting = references.filter((reference) => !own.some((each) => each.reference === reference));
  if (references.length > 0 && waiting.length === 0) return [];
  const directoryGroups = waiting.filter((reference) => reference.startsWith("group:"));
  return [{ entitlement, member, userId, entitlementGroup: entitlement, directoryGroups }];
}

/** What was given for a time ends by itself: a working copy that moves on is no mass removal. */
function isTemporary({ kind }: Reason): boolean {
  return kind !== "standing";
}

async function judgeGuarded(
  trx: Queryable,
  { scopeId, guards, plan }: Question,
  removals: readonly Guarded[],
): Promise<{ readonly withheld: readonly Guarded[]; readonly overLimit: readonly OverLimit[] }> {
  const { windowMs } = guards;
  const counted = await countEntitlementGroups(trx, { scopeId, windowMs });
  const entitlementGroups = new Map(
    [...counted].map(([entitlement, group]) => {
      const members = plan.effective.find((each) => each.entitlement === entitlement)?.members ?? [];
      return [entitlement, { ...group, remaining: members.length }];
    }),
  );
  const through = removals.flatMap(({ directoryGroups: groups, userId }) => groups.map((group) => ({ group, userId })));
  const planned = new Map(
    [...Map.groupBy(through, ({ group }) => group)].map(([group, each]) => [group, each.map(({ userId }) => userId)]),
  );
  const directoryGroups = await countDirectoryGroups(trx, { planned, windowMs });
  const { withheld, over } = judgeRemovals({ guards, removals, entitlementGroups, directoryGroups });
  const keys = new Set(withheld.map((each) => removalKey(each.entitlementGroup, each.userId)));
  return {
    withheld: removals.filter((each) => keys.has(removalKey(each.entitlement, each.userId))),
    overLimit: over.map(toOverLimit),
  };
}

function toOverLimit({ kind, group, removed, baseline, freeAt }: GroupOverLimit): OverLimit {
  return { kind, group, removed, baseline, ...(freeAt === null ? {} : { freeAt: freeAt.toISOString() }) };
}

interface Deactivations {
  readonly removals: readonly PlannedRemoval[];
  readonly approved: readonly ApprovedRemoval[];
}

/** Too many deactivated by one client: writes wait, while decisions deny them at once (rule C2). */
async function judgeDeactivations(
  trx: Queryable,
  { guards }: Question,
  { removals, approved }: Deactivations,
): Promise<Judged> {
  const inactive = removals.filter(({ cause }) => cause === "inactive");
  if (inactive.length === 0) return { keptBack: new Set(), overLimit: [], clients: [] };
  const mass = await listMassDeactivations(trx, guards);
  const waiting = new Set(mass.flatMap(({ userIds }) => userIds));
  const released = new Set(
    approved.filter((each) => each.entitlement === null && each.reference === null).map(({ userId }) => userId),
  );
  const kept = inactive.filter(({ userId }) => userId !== null && waiting.has(userId) && !released.has(userId));
  if (kept.length === 0) return { keptBack: new Set(), overLimit: [], clients: [] };
  return {
    keptBack: new Set(kept.map(keyOf)),
    overLimit: mass.map(({ client, userIds }) => ({
      kind: "deactivations",
      group: client,
      removed: userIds.length,
      baseline: userIds.length,
    })),
    clients: mass.map(({ client }) => client),
  };
}

/** Names the removals that a plan keeps back; an approval is of these and no others. */
export function digestOf(plan: Pick<Plan, "keptBack">): string | null {
  if (plan.keptBack.length === 0) return null;
  const keys = plan.keptBack.map(keyOf).toSorted();
  return createHash("sha256").update(JSON.stringify(keys)).digest("hex");
}
