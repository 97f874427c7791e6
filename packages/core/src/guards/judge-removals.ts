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
  /** Who was removed within the window, whatever the scope. */
  readonly removed: ReadonlySet<UserId>;
  /** Members that stay once the plan is applied. */
  readonly remaining: number;
}

export interface GuardInput {
  readonly guards: Pick<Guards, "maxRemovals" | "maxRemovalShare">;
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
    const { baseline, removed: before, remaining } = groups.get(group) ?? nothingKnown;
    const counts = { removed: users.union(before).size, baseline, remaining };
    const { isOver, isEmptied } = judgeCounts(guards, counts);
    return isOver ? [{ kind, group, removed: counts.removed, baseline, isEmptied }] : [];
  });
}

/** Whether so many removals are over the limit of a group, and whether they empty it. */
export function judgeCounts(
  { maxRemovals, maxRemovalShare }: GuardInput["guards"],
  { removed, baseline, remaining }: Record<"removed" | "baseline" | "remaining", number>,
): { readonly isOver: boolean; readonly isEmptied: boolean } {
  const isEmptied = remaining === 0 && Math.max(baseline, removed) > 1;
  return { isOver: isEmptied || (removed > maxRemovals && removed > maxRemovalShare * baseline), isEmptied };
}

const nothingKnown: GuardedGroup = { baseline: 0, removed: new Set(), remaining: 1 };

function collect(pairs: readonly (readonly [string, UserId])[]): ReadonlyMap<string, Set<UserId>> {
  const sets = new Map<string, Set<UserId>>();
  for (const [key, userId] of pairs) {
    const set = sets.get(key) ?? new Set();
    sets.set(key, set.add(userId));
  }
  return sets;
}
