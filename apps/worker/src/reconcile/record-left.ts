/** Forgets what a scope has at an endpoint that is left as it is (rule B8): nothing is asked there and nothing written. */
import {
  type Database,
  endLedgerOf,
  insertSync,
  notify,
  resolveFinding,
  saveGroupBindings,
  settleScope,
} from "@branchward/store";
import { describeRun, type Ended, FAILING_FINDING, type Reached } from "./record-sync.ts";

const NO_GROUPS = { groups: [], undecided: [] };

/** @returns undefined when the lease was lost */
export async function recordLeft(db: Database, ended: Ended): Promise<Reached | undefined> {
  const { lease, timeline } = ended;
  timeline.enter("record");
  return db.transaction().execute(async (trx) => {
    const outcome = { verdict: "verified", mismatches: [], due: [], failures: 0, settledNames: [] } as const;
    const settled = await settleScope(trx, lease, outcome);
    if (settled === undefined) return undefined;
    await saveGroupBindings(trx, lease.scopeId, NO_GROUPS);
    await endLedgerOf(trx, lease.scopeId, "left");
    await insertSync(trx, {
      ...describeRun(ended),
      policyVersionId: null,
      verdict: "verified",
      mismatches: [],
      changes: [],
      unchanged: [],
      error: null,
    });
    await resolveFinding(trx, FAILING_FINDING, lease.endpoint);
    await notify(trx, "scopes", lease.incarnationId);
    return { requested: settled.requested, isMade: true };
  });
}
