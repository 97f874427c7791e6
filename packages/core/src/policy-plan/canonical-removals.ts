import type { UserId } from "../words.ts";
import type { PolicyPlan } from "./types.ts";

/** A removal that needs approval: what a user holds through a reference of the version in force. */
export interface GuardedLoss {
  readonly reference: string;
  readonly userId: UserId;
}

/** Every removal of the plan that guards would withhold, each reference and user once. */
export function listGuardedLosses({ changes }: PolicyPlan): readonly GuardedLoss[] {
  const losses = changes.flatMap(({ entitlements }) => entitlements.flatMap((each) => each.losses));
  const byReference = new Map<string, Set<UserId>>();
  for (const { was, users, isOverGuard } of losses) {
    if (!isOverGuard) continue;
    const known = byReference.get(was.reference) ?? new Set();
    byReference.set(was.reference, new Set([...known, ...users]));
  }
  return [...byReference]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([reference, users]) => [...users].toSorted().map((userId) => ({ reference, userId })));
}

/**
 * What an approval of the plan is of, as text: who would lose what through which reference, and what would match no
 * more. It stays the same while branches come and go that the same rules match.
 */
export function canonicalRemovals(plan: PolicyPlan): string {
  const holds = plan.holds.map(({ kind, subject }) => `${kind} ${subject}`).toSorted();
  const lost = plan.changes.flatMap(({ entitlements }) =>
    entitlements.flatMap(({ entitlement, losses }) =>
      losses.flatMap(({ was, users }) => users.map((userId) => `${entitlement} ${was.reference} ${userId}`)),
    ),
  );
  return JSON.stringify({ holds, lost: [...new Set(lost)].toSorted() });
}
