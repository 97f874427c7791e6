/** Changes while a plan is made: the same change of many scopes is kept once. */
import type { Entitlement, UserId } from "../words.ts";
import type { Delta, ScopeComparison } from "./compare-scope.ts";
import type { EntitlementChange, Gain, Loss, PlannedScope, RuleReason } from "./types.ts";

export interface ChangeDraft {
  readonly groups: ScopeComparison["groups"];
  readonly deltas: ReadonlyMap<UserId, readonly Delta[]>;
  readonly scopes: PlannedScope[];
  /** How many lose each entitlement, but for those excepted. */
  readonly lossCounts: ReadonlyMap<Entitlement, number>;
  /** Entitlements whose group would lose more than guards let go, in some scope. */
  readonly over: Set<Entitlement>;
}

export function createDraft(groups: ScopeComparison["groups"], deltas: ChangeDraft["deltas"]): ChangeDraft {
  const lossCounts = new Map<Entitlement, number>();
  for (const { kind, entitlement } of [...deltas.values()].flat()) {
    if (kind === "loss") lossCounts.set(entitlement, (lossCounts.get(entitlement) ?? 0) + 1);
  }
  return { groups, deltas, scopes: [], lossCounts, over: new Set() };
}

type Losing = Extract<Delta, { kind: "loss" }>;

/** The draft as it is told. `isOverReference` says which references lose more users than guards let go. */
export function tellDraft(
  draft: ChangeDraft,
  isOverReference: (reference: string) => boolean,
): readonly EntitlementChange[] {
  const isOver = ({ entitlement, was }: Losing) => draft.over.has(entitlement) || isOverReference(was.reference);
  const byEntitlement = new Map<Entitlement, { gains: Map<string, Gains>; losses: Map<string, Losses> }>();
  const slotOf = (entitlement: Entitlement) => {
    const slot = byEntitlement.get(entitlement) ?? { gains: new Map(), losses: new Map() };
    byEntitlement.set(entitlement, slot);
    return slot;
  };
  for (const [entitlement, group] of draft.groups) if (group !== "stays") slotOf(entitlement);
  for (const [userId, deltas] of draft.deltas) {
    for (const delta of deltas) {
      const { gains, losses } = slotOf(delta.entitlement);
      if (delta.kind === "gain") addGain(gains, delta, userId);
      else addLoss(losses, { delta, isOver: isOver(delta) }, userId);
    }
  }
  return [...byEntitlement].toSorted(byName).map(([entitlement, { gains, losses }]) => ({
    entitlement,
    group: draft.groups.get(entitlement) ?? "stays",
    gains: [...gains.values()],
    losses: [...losses.values()],
  }));
}

type Gains = Omit<Gain, "users"> & { readonly users: UserId[] };
type Losses = Omit<Loss, "users"> & { readonly users: UserId[] };

function addGain(gains: Map<string, Gains>, { reason, withheld }: Extract<Delta, { kind: "gain" }>, userId: UserId) {
  const key = keyOf(reason);
  const gain = gains.get(key) ?? { ...reason, withheld, users: [] };
  gain.users.push(userId);
  gains.set(key, gain);
}

function addLoss(
  losses: Map<string, Losses>,
  { delta: { cause, was, by }, isOver }: { readonly delta: Losing; readonly isOver: boolean },
  userId: UserId,
) {
  const key = `${cause} ${keyOf(was)} ${by === null ? "" : keyOf(by)} ${isOver}`;
  const loss = losses.get(key) ?? { cause, was, by, isOverGuard: isOver, users: [] };
  loss.users.push(userId);
  losses.set(key, loss);
}

function keyOf({ rule, reference, path }: RuleReason): string {
  return `${rule} ${reference} ${path.join("\0")}`;
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
