/** Makes the plan of a proposed policy version from one snapshot of the record. */
import { createHash } from "node:crypto";
import {
  canonicalPolicy,
  canonicalRemovals,
  createPolicyPlanner,
  type IncarnationId,
  type Policy,
  type PolicyPlan,
} from "@branchward/core";
import { createActivePolicy } from "../policy/active-policy.ts";
import type { Database } from "../connection/database.ts";
import { findActivePolicyVersion, type PolicyVersion } from "../policy/policy-versions.ts";
import { loadPlanDirectory, type PlanDirectory } from "./load-plan-facts.ts";
import { streamPlannedBranches } from "./stream-branches.ts";

export interface MadePolicyPlan extends PlanDirectory {
  /** The version in force that it was compared with; undefined when there is none. */
  readonly base: PolicyVersion | undefined;
  readonly plan: PolicyPlan;
  /** Of the proposed policy and what it takes away: what an approval names. */
  readonly digest: string;
  /** By what each branch was known when it was looked at (`nameOf`). */
  readonly seen: ReadonlyMap<IncarnationId, string>;
}

/** SHA-256 of what a policy means, wherever its lines stand (rule B1). */
export function digestPolicy(policy: Policy): string {
  return createHash("sha256").update(canonicalPolicy(policy)).digest("hex");
}

/** A branch by all that patterns look at, and its state. */
export function nameOf(branch: { readonly repository: string; readonly name: string; readonly state: string }): string {
  return `${branch.state}\0${branch.repository}\0${branch.name}`;
}

/** What the policy would do, against the version in force. Nothing is changed. */
export async function makePolicyPlan(
  db: Database,
  { policy, endpoints }: { readonly policy: Policy; readonly endpoints: readonly string[] },
): Promise<MadePolicyPlan> {
  const snapshot = db.transaction().setIsolationLevel("repeatable read").setAccessMode("read only");
  const planned = await snapshot.execute(async (trx) => {
    const base = await findActivePolicyVersion(trx);
    const before = (await createActivePolicy().find(trx))?.policy ?? null;
    const directory = await loadPlanDirectory(trx, { before, after: policy, endpoints });
    const planner = createPolicyPlanner(directory.facts);
    const seen = new Map<IncarnationId, string>();
    for await (const batch of streamPlannedBranches(trx)) {
      for (const branch of batch) {
        planner.add(branch);
        seen.set(branch.incarnation, nameOf(branch));
      }
    }
    return { ...directory, base, planner, seen };
  });
  const { planner, ...rest } = planned;
  const plan = planner.finish();
  const digest = createHash("sha256").update(digestPolicy(policy)).update(canonicalRemovals(plan)).digest("hex");
  return { ...rest, plan, digest };
}
