/** Writes what a run reached, guarded by the lease's token: a run that lost its lease records nothing (rule C4). */
import { AppError } from "@branchward/core";
import type { Queues } from "@branchward/queue";
import type { Logger } from "@branchward/runtime";
import {
  type Database,
  insertSync,
  type Lease,
  notify,
  type Queryable,
  releaseLease,
  requestScopes,
  saveGroupBindings,
  type ScopeOutcome,
  settleScope,
} from "@branchward/store";
import { uuidv7 } from "uuidv7";
import { describeChanges } from "./describe-changes.ts";
import type { LoadedScope } from "./load-scope.ts";
import type { SyncResult } from "./run-sync.ts";
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

/** One run of a scope, however it ended. */
interface Ended {
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

/** @returns the scope's `requested` now; undefined when the lease was lost. */
export async function recordSync(deps: RecordDeps, finished: Finished): Promise<number | undefined> {
  const { lease, merged, scope, result, timeline } = finished;
  timeline.enter("record");
  const { verdict, mismatches } = result.judgement;
  const failures = verdict === "verified" ? 0 : lease.failures + 1;
  // Rename narrowing ends with the first verified run; the wider state of the new name alone comes with the next.
  const settledNames = verdict === "verified" ? scope.strictNames : [];
  const outcome: ScopeOutcome = {
    verdict,
    mismatches,
    failures,
    dueAt: earliest(result.plan.dueAt, failures > 0 && failures < MAX_ROUNDS ? retryAt(failures) : null),
    settledNames,
  };
  const described = await describeChanges(deps.db, finished);
  const recorded = await deps.db.transaction().execute(async (trx) => {
    const requested = await settleScope(trx, lease, outcome);
    if (requested === undefined) return undefined;
    await saveGroupBindings(trx, lease.scopeId, result.groups);
    if (verdict === "verified") await settleMerged(trx, merged);
    await insertSync(trx, {
      ...describeRun(finished),
      ...described,
      policyVersionId: scope.policyVersion,
      verdict,
      mismatches,
      error: null,
    });
    await notify(trx, "scopes", lease.incarnationId);
    if (settledNames.length === 0) return requested;
    const [again] = await requestScopes(trx, [lease.scopeId], "rename");
    return again?.requested ?? requested;
  });
  if (verdict !== "verified") for (const one of merged) await releaseLease(deps.db, one);
  if (recorded === undefined) deps.log.warn({ scopeId: lease.scopeId }, "lease lost; nothing recorded");
  else await wakeAt(deps, lease.scopeId, outcome.dueAt);
  return recorded;
}

/** What was merged has no groups any more, and nothing left to reach. */
async function settleMerged(trx: Queryable, merged: readonly Lease[]): Promise<void> {
  for (const lease of merged) {
    const outcome = { verdict: "verified", mismatches: [], dueAt: null, failures: 0, settledNames: [] } as const;
    if ((await settleScope(trx, lease, outcome)) !== undefined) await saveGroupBindings(trx, lease.scopeId, []);
  }
}

/** Records that a run could not finish, and when it is tried again. */
export async function recordFailure(
  deps: RecordDeps,
  { error, ...ended }: Ended & { readonly error: unknown },
): Promise<number | undefined> {
  const { lease, timeline } = ended;
  timeline.enter("record");
  const failures = lease.failures + 1;
  const dueAt = retryAt(failures, error);
  const requested = await deps.db.transaction().execute(async (trx) => {
    const outcome = { verdict: "failed", mismatches: [], dueAt, failures, settledNames: [] } as const;
    const settled = await settleScope(trx, lease, outcome);
    if (settled === undefined) return undefined;
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
    return settled;
  });
  await wakeAt(deps, lease.scopeId, dueAt);
  return requested;
}

function describeRun({ lease, attempt, timeline }: Ended) {
  return {
    ...timeline.read(),
    id: uuidv7(),
    scopeId: lease.scopeId,
    reason: lease.reason,
    requested: lease.requested,
    requestedAt: lease.requestedAt,
    leaseToken: lease.token,
    attempt,
    startedAt: timeline.startedAt,
    finishedAt: new Date(),
  };
}

function describeError(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof AppError) return { code: error.code, message: error.message };
  return { code: "internal", message: "the run failed here; the log has the cause" };
}

function retryAt(failures: number, error?: unknown): Date {
  const asked = error instanceof AppError && typeof error.retry === "object" ? error.retry.afterMs : 0;
  const backoff = Math.min(RETRY_FIRST_MS * 2 ** (failures - 1), RETRY_CAP_MS);
  return new Date(Date.now() + Math.max(asked, backoff));
}

function earliest(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}

async function wakeAt({ queues, log }: RecordDeps, scopeId: string, dueAt: Date | null): Promise<void> {
  if (dueAt === null) return;
  const delayMs = Math.max(0, dueAt.getTime() - Date.now());
  // The timer is the row; this job only makes it punctual.
  await queues
    .enqueueWake(scopeId, delayMs)
    .catch((error: unknown) => log.warn({ err: error, scopeId }, "wake not enqueued"));
}
