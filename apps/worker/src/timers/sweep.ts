/** `scope.wake` and `outbox.sweep`: timers are rows, and what has no job gets one. */
import type { Queues } from "@branchward/queue";
import { type Database, listUnreconciled, requestDueScope, requestDueScopes } from "@branchward/store";

export interface SweepDeps {
  readonly db: Database;
  readonly queues: Queues;
}

/** How often the sweeper looks. */
export const SWEEP_EVERY_MS = 5_000;
/** A scope asked for longer ago than this should have been taken by its own job. */
const QUIET_MS = 3_000;
const BATCH = 500;

/** Asks for a scope whose timer came due. */
export function createWake({ db, queues }: SweepDeps) {
  return async (scopeId: string): Promise<void> => {
    const scope = await requestDueScope(db, scopeId);
    if (scope === undefined) return;
    await queues.enqueueReconcile({ scopeId: scope.id, endpoint: scope.endpoint, lane: "event" });
  };
}

/** Finds timers and requests that no job looks after: a wiped queue, a crash between commit and enqueue. */
export function createSweep({ db, queues }: SweepDeps) {
  return async (): Promise<void> => {
    const due = await requestDueScopes(db, BATCH);
    for (const scope of due) {
      await queues.enqueueReconcile({ scopeId: scope.id, endpoint: scope.endpoint, lane: "event" });
    }
    const forgotten = await listUnreconciled(db, { quietMs: QUIET_MS, limit: BATCH });
    for (const scope of forgotten) {
      await queues.enqueueMissing({ scopeId: scope.id, endpoint: scope.endpoint, lane: "event" });
    }
    await queues.enqueueDirectoryChanged();
  };
}
