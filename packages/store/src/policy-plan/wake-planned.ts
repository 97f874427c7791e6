import { type Policy, scopesFor } from "@branchward/core";
import type { Queryable } from "../connection/database.ts";
import { ensureScopesOf, type RequestedScope, requestScopesOf } from "../scopes/scopes.ts";
import { type MadePolicyPlan, nameOf } from "./make-policy-plan.ts";
import { listLiveNames } from "./stream-branches.ts";

async function listHeldIncarnations(trx: Queryable): Promise<readonly string[]> {
  const rows = await trx
    .selectFrom("withheld_removals")
    .innerJoin("scopes", "scopes.id", "withheld_removals.scope_id")
    .select("incarnation_id as id")
    .distinct()
    .execute();
  return rows.map(({ id }) => id);
}

/**
 * Makes the scopes that the plan's branches now have, and asks for another look at each of them; likewise of branches
 * that came or changed their name since the plan was made. Needs `lockPolicy`, so that no branch comes meanwhile.
 */
export async function wakePlanned(
  trx: Queryable,
  { policy, endpoints }: { readonly policy: Policy; readonly endpoints: readonly string[] },
  { plan, seen }: Pick<MadePolicyPlan, "plan" | "seen">,
): Promise<readonly RequestedScope[]> {
  const live = await listLiveNames(trx);
  const wanted = new Map<string, readonly string[]>(
    plan.touched.map(({ incarnation, endpoints: names }) => [incarnation, names]),
  );
  for (const branch of live) {
    if (seen.get(branch.id) !== nameOf(branch)) wanted.set(branch.id, scopesFor(policy, branch, endpoints));
  }
  // Other guards may let go what these hold back.
  for (const incarnationId of await listHeldIncarnations(trx))
    wanted.set(incarnationId, wanted.get(incarnationId) ?? []);
  const alive = new Set<string>(live.map(({ id }) => id));
  const pairs = [...wanted].flatMap(([incarnationId, names]) =>
    alive.has(incarnationId) ? names.map((endpoint) => ({ incarnationId, endpoint })) : [],
  );
  await ensureScopesOf(trx, pairs, "policy");
  return requestScopesOf(trx, new Map([...wanted.keys()].map((id) => [id, "policy"])));
}
