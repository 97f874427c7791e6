/** Guards (rule C1): which removals of a plan wait for a person, because a group would lose too many at once. Pure. */
import type { Guards } from "../policy/types.ts";
import type { UserId } from "../words.ts";

/** A planned removal that guards look at: none that rule C1 exempts. */
export interface GuardedRemoval {
  /** Key of the entitlement group that loses the member. */
  readonly entitlementGroup: string;
  readonly userId: UserId;
  /** Directory groups through which the user held it. */
  readonly directoryGroups: readonly string[];
}

/** How a group stands over `guards.window`. */
export interface GuardedGroup {
  /** Members at the start of the window. */
  readonly baseline: number;
  /** Who was removed within the window, whatever the scope, and when. */
  readonly removed: ReadonlyMap<UserId, Date>;
  /** Members that stay once the plan is applied. */
  readonly remaining: number;
}

export interface GuardInput {
  readonly guards: Pick<Guards, "maxRemovals" | "maxRemovalShare" | "windowMs">;
  readonly removals: readonly GuardedRemoval[];
  /** By the keys that the removals name. */
  readonly entitlementGroups: ReadonlyMap<string, GuardedGroup>;
  readonly directoryGroups: ReadonlyMap<string, GuardedGroup>;
}

/** A group over its limit. */
export interface GroupOverLimit {
  readonly kind: "entitlement-group" | "directory-group";
  readonly group: string;
  /** Removed within the window and planned now. */
  readonly removed: number;
  readonly baseline: number;
  /** True when the group had more than one member and would have none. */
  readonly isEmptied: boolean;
  /** When the window no longer counts so many before these that they are over; null where they are by themselves. */
  readonly freeAt: Date | null;
}

export interface GuardJudgement {
  /** Those of the removals that are withheld. */
  readonly withheld: readonly GuardedRemoval[];
  readonly over: readonly GroupOverLimit[];
}

/**
 * A group is over its limit when more than `maxRemovals` members and more than `maxRemovalShare` of its baseline go
 * within the window, or when it would be emptied. Every guarded removal of such a group is withheld, and no other.
 */
export function judgeRemovals({ guards, removals, entitlementGroups, directoryGroups }: GuardInput): GuardJudgement {
  const byEntitlement = collect(removals.map((removal) => [removal.entitlementGroup, removal.userId]));
  const byDirectory = collect(
    removals.flatMap(({ directoryGroups: groups, userId }) => groups.map((group) => [group, userId] as const)),
  );
  const over = [
    ...listOver(guards, "entitlement-group", { planned: byEntitlement, groups: entitlementGroups }),
    ...listOver(guards, "directory-group", { planned: byDirectory, groups: directoryGroups }),
  ];
  const overGroups = (kind: GroupOverLimit["kind"]) =>
    new Set(over.filter((each) => each.kind === kind).map(({ group }) => group));
  const [entitlement, directory] = [overGroups("entitlement-group"), overGroups("directory-group")];
  const withheld = removals.filter(
    (removal) =>
      entitlement.has(removal.entitlementGroup) || removal.directoryGroups.some((group) => directory.has(group)),
  );
  return { withheld, over };
}

interface Counted {
  readonly planned: ReadonlyMap<string, ReadonlySet<UserId>>;
  readonly groups: ReadonlyMap<string, GuardedGroup>;
}

function listOver(
  guards: GuardInput["guards"],
  kind: GroupOverLimit["kind"],
  { planned, groups }: Counted,
): readonly GroupOverLimit[] {
  return [...planned].flatMap(([group, users]) => {
    const known = groups.get(group) ?? nothingKnown;
    const [now, ...later] = listOutlooks(known, users, guards.windowMs);
    const { isOver, isEmptied } = judgeCounts(guards, now);
    if (!isOver) return [];
    const free = later.find((counts) => !judgeCounts(guards, counts).isOver);
    const { removed, baseline } = now;
    return [{ kind, group, removed, baseline, isEmptied, freeAt: free?.at ?? null }];
  });
}

interface Outlook extends Counts {
  readonly at: Date | null;
}

/** How the plan counts now, and each time that the window leaves one more behind who was removed before. */
function listOutlooks(
  { baseline, removed, remaining }: GuardedGroup,
  planned: ReadonlySet<UserId>,
  windowMs: number,
): readonly [Outlook, ...Outlook[]] {
  const before = [...removed].filter(([userId]) => !planned.has(userId)).map(([, at]) => at.getTime());
  const total = planned.size + before.length;
  const later = before
    .toSorted((a, b) => a - b)
    .map((at, index) => ({
      removed: total - index - 1,
      baseline: Math.max(0, baseline - index - 1),
      remaining,
      at: new Date(at + windowMs),
    }));
  return [{ removed: total, baseline, remaining, at: null }, ...later];
}

type Counts = Readonly<Record<"removed" | "baseline" | "remaining", number>>;

/** Whether so many removals are over the limit of a group, and whether they empty it. */
export function judgeCounts(
  { maxRemovals, maxRemovalShare }: Pick<Guards, "maxRemovals" | "maxRemovalShare">,
  { removed, baseline, remaining }: Counts,
): { readonly isOver: boolean; readonly isEmptied: boolean } {
  const isEmptied = remaining === 0 && Math.max(baseline, removed) > 1;
  return { isOver: isEmptied || (removed > maxRemovals && removed > maxRemovalShare * baseline), isEmptied };
}

const nothingKnown: GuardedGroup = { baseline: 0, removed: new Map(), remaining: 1 };

function collect(pairs: readonly (readonly [string, UserId])[]): ReadonlyMap<string, Set<UserId>> {
  const sets = new Map<string, Set<UserId>>();
  for (const [key, userId] of pairs) {
    const set = sets.get(key) ?? new Set();
    sets.set(key, set.add(userId));
  }
  return sets;
}
