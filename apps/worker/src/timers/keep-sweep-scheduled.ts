/** The sweeper's schedule lives in the queue, and whoever wipes the queue wipes the schedule of what would mend it. */
import type { Queues } from "@branchward/queue";
import type { Logger } from "@branchward/runtime";
import { SWEEP_EVERY_MS } from "./sweep.ts";

export interface KeepScheduledDeps {
  readonly queues: Queues;
  readonly log: Logger;
}

/** Three beats: writing the schedule anew may move the next one by one. */
const RENEW_EVERY_MS = 3 * SWEEP_EVERY_MS;

/** Schedules the sweep, and again every 15 s until disposed. */
export async function keepSweepScheduled({ queues, log }: KeepScheduledDeps): Promise<AsyncDisposable> {
  await queues.scheduleSweep(SWEEP_EVERY_MS);
  let renewal: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    renewal = queues
      .scheduleSweep(SWEEP_EVERY_MS)
      .catch((error: unknown) => log.warn({ err: error }, "sweep not scheduled; tried again"));
  }, RENEW_EVERY_MS);
  return {
    [Symbol.asyncDispose]() {
      clearInterval(timer);
      return renewal;
    },
  };
}
