import { type Incarnation, scopesFor } from "@branchward/core";
import type { ActivePolicyVersion } from "./active-policy.ts";
import type { Queryable } from "../connection/database.ts";
import { ensureScopes } from "../scopes/scopes.ts";

export interface ScopeMaking {
  readonly repository: string;
  readonly incarnation: Pick<Incarnation, "id" | "name" | "state">;
  /** Names of all configured endpoints. */
  readonly endpoints: readonly string[];
}

/** The endpoints at which policy gives a live incarnation a scope (rule B2). */
export function listPolicyEndpoints(
  active: ActivePolicyVersion | undefined,
  { repository, incarnation, endpoints }: ScopeMaking,
): readonly string[] {
  if (active === undefined || incarnation.state === "deleted") return [];
  return scopesFor(active.policy, { repository, name: incarnation.name }, endpoints);
}

/** Makes the scopes that policy gives a live incarnation (rule B2). Needs the policy lock of `lockPolicyShared`. */
export async function ensurePolicyScopes(
  trx: Queryable,
  active: ActivePolicyVersion | undefined,
  making: ScopeMaking,
): Promise<void> {
  await ensureScopes(trx, making.incarnation.id, listPolicyEndpoints(active, making), "create");
}
