/** Writes what a run reached, guarded by the lease's token: a run that lost its lease records nothing (rule C4). */
import { AppError, removalKey } from "@branchward/core";
import type { Queues } from "@branchward/queue";
import type { Logger } from "@branchward/runtime";
import {
  type Database,
  type Due,
  endLedgerOf,
  insertSync,
  type Lease,
  listOpenEntries,
  notify,
  openLedgerEntries,
  type Queryable,
  raiseFinding,
  releaseLease,
  requestExpiredRevocation,
  requestNamesakes,
  requestScopes,
  resolveFinding,
  saveGroupBindings,
  saveWithheldRemovals,
  saveScopeFindings,
  type ScopeOutcome,
  settleLedgerEntries,
  settleScope,
} from "@branchward/store";
import { uuidv7 } from "uuidv7";
import { PARKED_MS } from "./choose-plan.ts";
import { describeChanges } from "./describe-changes.ts";
import type { LoadedScope } from "./load-scope.ts";
import { VERIFY_AGAIN_MS } from "./lease-times.ts";
import { digestLedger, planLedger } from "./plan-ledger.ts";
import { raiseRunFindings } from "./raise-run-findings.ts";
import { listOwn, type SyncResult } from "./run-sync.ts";
import type { Timeline } from "./timeline.ts";

export interface RecordDeps {
  readonly db: Database;
  readonly queues: Queues;
  readonly log: Logger;
}

/** Unequal read-backs in a row after which a verdict stands until the next event or audit (rule C8). */
const MAX_ROUNDS = 5;
/** First pause after a run that failed or diverged; doubles up to the cap. */
const RETRY_FIRST_MS = 1_000;
const RETRY_CAP_MS = 5 * 60_000;
/** About an endpoint at which runs fail for another reason than that its calls do, which `endpoint-open` tells. */
export const FAILING_FINDING = "endpoint-failing";

/** One run of a scope, however it ended. */
export interface Ended {
  readonly lease: Lease;
  /** Attempt of the job; 1 for the first. */
  readonly attempt: number;
  readonly timeline: Timeline;
}

interface Finished extends Ended {
  /** Leases of incarnations merged into this one, whose groups this run removed. */
  readonly merged: readonly Lease[];
  readonly scope: LoadedScope;
  readonly result: SyncResult;
}

/** What a run left. */
export interface Reached {
  /** The scope's, after recording. */
  readonly requested: number;
  /** True when a read showed all that the run wrote, so that nothing revoked is left; drift may stay, or wait for a hold. */
  readonly isMade: boolean;
}

/** @returns undefined when the lease was lost. */
export async function recordSync(deps: RecordDeps, finished: Finished): Promise<Reached | undefined> {
  const { lease, merged, scope, result, timeline } = finished;
  timeline.enter("record");
  const { verdict, judgement } = result;
  const { mismatches } = judgement;
  const isEqual = verdict === "verified" || verdict === "held";
  const failures = isEqual ? 0 : lease.failures + 1;
  // Rename narrowing ends with the first verified run; the wider state of the new name alone comes with the next.
  const settledNames = isEqual ? scope.strictNames : [];
  const ledgerDigest = digestLedger(result.ledger);
  const due = listDue(finished, failures);
  const outcome: ScopeOutcome = { verdict, mismatches, failures, due, settledNames, ledgerDigest };
  const described = await describeChanges(deps.db, finished);
  await lookAtNamesakes(deps, finished);
  const recorded = await deps.db.transaction().execute(async (trx) => {
    const settled = await settleScope(trx, lease, outcome);
    if (settled === undefined) return undefined;
    const undecided = [...result.undecided, ...listOwn({ lease }, result.unseen)];
    await saveGroupBindings(trx, lease.scopeId, { groups: result.groups, undecided });
    await recordLedger(trx, finished, ledgerDigest);
    await settleMerged(trx, merged, { lease, result });
    const run = describeRun(finished);
    await recordGuards(trx, { lease, result, syncId: run.id });
    await saveScopeFindings(trx, lease.scopeId, scope.desired.findings);
    await insertSync(trx, {
      ...run,
      ...described,
      policyVersionId: scope.policyVersion,
      verdict,
      mismatches,
      error: null,
    });
    await raiseRunFindings(trx, finished);
    if (lease.verdict === "failed") await resolveFinding(trx, FAILING_FINDING, lease.endpoint);
    await notify(trx, "scopes", lease.incarnationId);
    if (settledNames.length === 0) return settled;
    const [again] = await requestScopes(trx, [lease.scopeId], "rename");
    return { ...settled, requested: again?.requested ?? settled.requested };
  });
  if (recorded === undefined) for (const one of merged) await releaseLease(deps.db, one);
  if (recorded === undefined) deps.log.warn({ scopeId: lease.scopeId }, "lease lost; nothing recorded");
  else await wakeIn(deps, lease.scopeId, recorded.dueInMs);
  return recorded === undefined
    ? undefined
    : { requested: recorded.requested, isMade: judgement.verdict === "verified" };
}

/**
 * Whoever took a suffix for want of a name takes the name now that it is free (rule A8). Their rows are locked alone, and
 * before the run is recorded: once it is, nobody sees any more that the name was given up.
 */
async function lookAtNamesakes({ db, queues, log }: RecordDeps, { lease, result }: Finished): Promise<void> {
  for (const { id, endpoint } of await requestNamesakes(db, lease.endpoint, result.freedNames)) {
    await queues
      .enqueueReconcile({ scopeId: id, endpoint, lane: "event" })
      .catch((error: unknown) => log.warn({ err: error, scopeId: id }, "enqueue failed; the sweeper will"));
  }
}

/** The ledger is written where the run wrote, or found anything else than the run before it. */
async function recordLedger(trx: Queryable, { lease, scope, result }: Finished, digest: Buffer): Promise<void> {
  const isSame = lease.ledgerDigest !== null && digest.equals(lease.ledgerDigest);
  if (isSame && lease.failures === 0 && result.plan.operations.length === 0) return;
  const changes = planLedger(result.ledger, await listOpenEntries(trx, lease.scopeId));
  await settleLedgerEntries(trx, changes);
  await openLedgerEntries(trx, { lease, policyVersion: scope.policyVersion }, changes.openings);
}

interface RecordedGuards {
  readonly lease: Lease;
  readonly result: SyncResult;
  readonly syncId: string;
}

async function recordGuards(trx: Queryable, { lease, result, syncId }: RecordedGuards): Promise<void> {
  const { keptBack } = result.plan;
  if (keptBack.length === 0 && lease.verdict !== "held") return;
  const removals = keptBack.map((removal) => ({
    ...removal,
    userId: result.guarded.known.get(removalKey(removal.entitlement, removal.member))?.userId ?? removal.userId,
  }));
  await saveWithheldRemovals(trx, { scopeId: lease.scopeId, syncId }, removals);
}

/** When the scope is to be looked at again without an event, and why; the first of them counts. */
function listDue({ lease, scope, result }: Finished, failures: number): readonly Due[] {
  const { dueAt } = result.plan;
  const planned = scope.branch.state === "deleted" ? "window" : "expiry";
  const isFlapping = result.suspended === "flapping";
  const isTried = failures > 0 && failures < MAX_ROUNDS;
  // A write of whoever lost the lease may still arrive, where no fence holds it back; and what reads right after it did not
  // may be what was so before a write that is not shown yet (rule C4).
  const wasLagging = failures === 0 && lease.failures > 0 && (lease.verdict === "diverged" || result.unseen.length > 0);
  const isExposed = !result.isFenced && (lease.isTakenOver || wasLagging);
  return [
    ...(dueAt === null ? [] : [{ at: dueAt, reason: planned } as const]),
    // What was removed before counts no longer then (rule C1).
    ...result.guarded.overLimit.flatMap(({ freeAt }) =>
      freeAt === undefined ? [] : [{ at: new Date(freeAt), reason: "window" } as const],
    ),
    ...(isFlapping ? [{ inMs: PARKED_MS, reason: "retry" } as const] : []),
    ...(isTried && !isFlapping ? [{ inMs: pauseAfter(failures), reason: "retry" } as const] : []),
    ...(isExposed ? [{ inMs: VERIFY_AGAIN_MS, reason: "verify" } as const] : []),
  ];
}

/**
 * What was merged has nothing left to reach once a whole plan reads as made: its groups are gone, whatever drift stays.
 * Until then the survivor's rounds see to it; by itself it would be asked for without a pause.
 */
async function settleMerged(
  trx: Queryable,
  merged: readonly Lease[],
  { lease, result }: Pick<Finished, "lease" | "result">,
): Promise<void> {
  const isUnseen = result.unseen.some(({ incarnation }) => incarnation !== lease.incarnationId);
  const isGone = result.judgement.verdict === "verified" && result.suspended === null && !isUnseen;
  const verdict = isGone ? "verified" : result.verdict;
  const outcome = { verdict, mismatches: [], due: [], failures: 0, settledNames: [] } as const;
  for (const one of merged) {
    if ((await settleScope(trx, one, outcome)) === undefined || !isGone) continue;
    await saveGroupBindings(trx, one.scopeId, { groups: [], undecided: [] });
    await endLedgerOf(trx, one.scopeId, "merged");
  }
}

/** Records that a run could not finish, and when it is tried again. */
export async function recordFailure(
  deps: RecordDeps,
  { error, ...ended }: Ended & { readonly error: unknown },
): Promise<Reached | undefined> {
  const { lease, timeline } = ended;
  timeline.enter("record");
  const askedMs = findAskedMs(error);
  // Being told when to come again says nothing against the scope: its own pauses grow no longer.
  const failures = askedMs === undefined ? lease.failures + 1 : lease.failures;
  const due = [{ inMs: askedMs ?? pauseAfter(failures), reason: "retry" as const }];
  const failed = await deps.db.transaction().execute(async (trx) => {
    const outcome = { verdict: "failed", mismatches: [], due, failures, settledNames: [] } as const;
    const reached = await settleScope(trx, lease, outcome);
    if (reached === undefined) return undefined;
    if (askedMs === undefined && failures >= MAX_ROUNDS) await raiseFailing(trx, lease, error);
    // The timer of an expiry gave way to that of the next try; what ended meanwhile stands as outstanding (rule C3).
    const hasExpired = await requestExpiredRevocation(trx, lease.scopeId);
    const result = { ...reached, hasExpired };
    // A scope that stands as failed and was refused again unasked has nothing new to tell.
    if (askedMs !== undefined && lease.verdict === "failed" && timeline.read().calls.length === 0) return result;
    await insertSync(trx, {
      ...describeRun(ended),
      policyVersionId: null,
      verdict: "failed",
      mismatches: [],
      changes: [],
      unchanged: [],
      error: describeError(error),
    });
    await notify(trx, "scopes", lease.incarnationId);
    return result;
  });
  if (failed === undefined) return undefined;
  if (failed.hasExpired) await revokeSoon(deps, lease.scopeId);
  await wakeIn(deps, lease.scopeId, failed.dueInMs);
  return { requested: failed.requested, isMade: false };
}

/** What every record of a run has. */
export function describeRun({ lease, attempt, timeline }: Ended) {
  return {
    ...timeline.read(),
    id: uuidv7(),
    scopeId: lease.scopeId,
    reason: lease.reason,
    requested: lease.requested,
    requestedAt: lease.requestedAt,
    leaseToken: lease.token,
    attempt,
  };
}

function describeError(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof AppError) return { code: error.code, message: error.message };
  return { code: "internal", message: "the run failed here; the log has the cause" };
}

function pauseAfter(failures: number): number {
  return Math.min(RETRY_FIRST_MS * 2 ** (failures - 1), RETRY_CAP_MS);
}

/** How long the endpoint, or its gate, asked to wait. */
function findAskedMs(error: unknown): number | undefined {
  return error instanceof AppError && typeof error.retry === "object" ? error.retry.afterMs : undefined;
}

async function wakeIn({ queues, log }: RecordDeps, scopeId: string, dueInMs: number | null): Promise<void> {
  if (dueInMs === null) return;
  // The timer is the row; this job only makes it punctual.
  await queues
    .enqueueWake(scopeId, dueInMs)
    .catch((error: unknown) => log.warn({ err: error, scopeId }, "wake not enqueued"));
}

/** An endpoint whose calls fail has its breaker; one that answers what is of no use is told of here. */
async function raiseFailing(trx: Queryable, { endpoint }: Lease, error: unknown): Promise<void> {
  await raiseFinding(trx, {
    kind: FAILING_FINDING,
    subject: endpoint,
    severity: "warning",
    message: `runs there fail again and again (last: ${describeError(error).message}): access there stays as it is; branchward doctor --endpoint ${endpoint} tells what it does`,
  });
}

/** As for timers, the row is what counts. */
async function revokeSoon({ queues, log }: RecordDeps, scopeId: string): Promise<void> {
  await queues
    .enqueueRevocation({ kind: "scope", id: scopeId })
    .catch((error: unknown) => log.warn({ err: error, scopeId }, "revocation not enqueued"));
}
