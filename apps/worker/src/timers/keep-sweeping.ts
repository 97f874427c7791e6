/**
 * The sweeper's beat, kept by every worker for itself. A schedule in the queue would be lost with the queue, and goes by the
 * clock of whoever ran it last: one worker's clock an hour ahead would stop for an hour what mends everything else.
 */
import type { Queues } from "@branchward/queue";
import type { Logger } from "@branchward/runtime";
import { SWEEP_EVERY_MS } from "./sweep.ts";

export interface SweepingDeps {
  readonly queues: Queues;
  readonly log: Logger;
}

/** Asks for a sweep at once, and again every 5 s until disposed. */
export function keepSweeping({ queues, log }: SweepingDeps): AsyncDisposable {
  const state: { asking: Promise<void> | undefined } = { asking: undefined };
  function ask(): void {
    // A queue that does not answer is asked once.
    if (state.asking !== undefined) return;
    state.asking = queues
      .enqueueSweep()
      .catch((error: unknown) => log.warn({ err: error }, "sweep not enqueued; tried again"))
      .finally(() => {
        state.asking = undefined;
      });
  }
  ask();
  const timer = setInterval(ask, SWEEP_EVERY_MS);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await state.asking;
    },
  };
}
