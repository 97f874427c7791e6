import type { Entitlement, UserId } from "../words.ts";
import type { PolicyPlan } from "./types.ts";

/** A removal that needs approval: what a user holds through a reference of the version in force. */
export interface GuardedLoss {
  readonly entitlement: Entitlement;
  readonly reference: string;
  readonly userId: UserId;
}

/** Every removal of the plan that guards would withhold, whatever the scope, each once. */
export function listGuardedLosses({ changes }: PolicyPlan): readonly GuardedLoss[] {
  const losses = new Map<string, GuardedLoss>();
  for (const each of changes.flatMap(({ entitlements }) => entitlements)) {
    const { entitlement } = each;
    for (const { was, users } of each.losses.filter(({ isOverGuard }) => isOverGuard)) {
      const { reference } = was;
      for (const userId of users)
        losses.set(`${entitlement} ${userId} ${reference}`, { entitlement, reference, userId });
    }
  }
  return [...losses].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, loss]) => loss);
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
