import type { PolicyHold } from "@branchward/core";
import type { MadePolicyPlan } from "./make-policy-plan.ts";

/** A plan in numbers, without the changes one by one. */
export interface PolicyPlanSummary {
  readonly branches: number;
  readonly scopes: number;
  readonly gains: number;
  readonly losses: number;
  readonly groupsAppearing: number;
  readonly groupsVanishing: number;
  readonly holds: readonly PolicyHold[];
}

export function summarizePlan({ plan }: Pick<MadePolicyPlan, "plan">): PolicyPlanSummary {
  const { branches, scopes, gains, losses, groupsAppearing, groupsVanishing, holds } = plan;
  return { branches, scopes, gains, losses, groupsAppearing, groupsVanishing, holds };
}
