/** What a run leaves for a person: held removals, drift that stays, a scope that flaps. */
import { type OverLimit, type Queryable, raiseFinding, resolveFinding, resolveHeldFindings } from "@branchward/store";
import { countDrift } from "./choose-plan.ts";
import type { LoadedScope } from "./load-scope.ts";
import type { SyncResult } from "./run-sync.ts";

interface Run {
  readonly lease: { readonly endpoint: string; readonly verdict: string | null };
  readonly scope: LoadedScope;
  readonly result: SyncResult;
}

/** Raises and resolves the findings of a scope; nothing is written for a scope that was and is verified. */
export async function raiseRunFindings(trx: Queryable, { lease, scope, result }: Run): Promise<void> {
  const place = `${scope.branch.repository}:${scope.branch.branch} at ${lease.endpoint}`;
  if (result.verdict === "verified") {
    if (lease.verdict !== null && lease.verdict !== "verified") await resolveAll(trx, place);
    return;
  }
  if (lease.verdict === "held" && result.plan.keptBack.length === 0) await resolveHeldFindings(trx);
  for (const over of result.guarded.overLimit) {
    await raiseFinding(trx, {
      kind: "removals-held",
      subject: over.kind === "entitlement-group" ? `${over.group} of ${place}` : over.group,
      severity: "critical",
      message: tellOverLimit(over),
    });
  }
  for (const { displayName, mismatch } of result.collisions) {
    await raiseFinding(trx, {
      kind: "name-collision",
      subject: place,
      severity: "critical",
      message: `a group ${displayName} came up after a request to make it had no answer, with ${mismatch.extra.length} members that were not sent: it may be ours or somebody else's, so that it is left alone; rename or delete it there`,
    });
  }
  if (result.isDriftLeft) {
    await raiseFinding(trx, {
      kind: "drift",
      subject: place,
      severity: "warning",
      message: `${countDrift(result.guarded.drift)} members differ from policy and Branchward did not do it; the endpoint is set to drift: report, so it stays`,
    });
  }
  if (result.suspended === "flapping") {
    await raiseFinding(trx, {
      kind: "flapping",
      subject: place,
      severity: "critical",
      message:
        "drift came back more than three times in ten minutes: somebody else writes these groups; only revocations are made until it rests",
    });
  }
}

async function resolveAll(trx: Queryable, place: string): Promise<void> {
  await resolveFinding(trx, "drift", place);
  await resolveFinding(trx, "flapping", place);
  await resolveFinding(trx, "name-collision", place);
  await resolveHeldFindings(trx);
}

const APPROVING = "branchward syncs --verdict held tells their ids, branchward syncs approve ID lets them go";

function tellOverLimit({ kind, group, removed, baseline, freeAt }: OverLimit): string {
  if (kind === "deactivations")
    return `${group} deactivated ${removed} users within the window: decisions deny them, writes wait until a held sync is approved; ${APPROVING}`;
  const until =
    freeAt === undefined ? "" : `, or until ${freeAt}, when the window no longer counts so many who went before`;
  return `${removed} members would be removed within the window, which began with ${baseline}: they keep what they hold until a held sync is approved${until}; ${APPROVING}`;
}
