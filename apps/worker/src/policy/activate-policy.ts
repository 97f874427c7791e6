/** Puts a policy version in force (rule B1): files only propose, the active row decides. */
import { createHash } from "node:crypto";
import { canonicalPolicy, ConfigurationError, parsePolicy, policyReferences } from "@branchward/core";
import type { Queues } from "@branchward/queue";
import {
  type ActivePolicyVersion,
  bindReferences,
  type Database,
  ensurePolicyScopes,
  findActivePolicyVersion,
  insertActivePolicyVersion,
  listLiveBranches,
  lockPolicy,
  notify,
  type Queryable,
  type RequestedScope,
  requestScopesOf,
} from "@branchward/store";

export interface ActivateDeps {
  readonly db: Database;
  readonly queues: Queues;
  /** Names of all configured endpoints. */
  readonly endpoints: readonly string[];
}

export interface ProposedPolicy {
  readonly text: string;
  readonly file: string;
  readonly author: string;
}

/** Activates a proposed policy unless it is the one in force; wakes the scopes of every live branch. @returns whether it is new. */
export async function activatePolicy(deps: ActivateDeps, proposed: ProposedPolicy): Promise<boolean> {
  const parsed = parsePolicy(proposed.text, proposed.file);
  if (!("policy" in parsed)) {
    throw new ConfigurationError(`the policy in ${proposed.file} is broken`, {
      details: { problems: parsed.problems },
    });
  }
  const { policy } = parsed;
  const digest = createHash("sha256").update(canonicalPolicy(policy)).digest("hex");
  const woken = await deps.db.transaction().execute(async (trx) => {
    await lockPolicy(trx);
    const active = await findActivePolicyVersion(trx);
    if (active?.digest === digest) return undefined;
    const version = await insertActivePolicyVersion(trx, { ...proposed, digest });
    await bindReferences(trx, policyReferences(policy).groups);
    return wakeBranches(trx, deps, { version, policy });
  });
  for (const scope of woken ?? []) {
    await deps.queues.enqueueReconcile({ scopeId: scope.id, endpoint: scope.endpoint, lane: "event" });
  }
  return woken !== undefined;
}

async function wakeBranches(
  trx: Queryable,
  { endpoints }: ActivateDeps,
  active: ActivePolicyVersion,
): Promise<readonly RequestedScope[]> {
  const branches = await listLiveBranches(trx);
  for (const branch of branches) {
    await ensurePolicyScopes(trx, active, { repository: branch.repository, incarnation: branch, endpoints });
  }
  const woken = await requestScopesOf(trx, new Map(branches.map((branch) => [branch.id, "policy"])));
  await notify(trx, "registry", "");
  return woken;
}
