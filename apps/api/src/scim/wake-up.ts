import type { Logger } from "@branchward/runtime";

/** Enough for a burst of writes to become one job, too short for anybody to wait for. */
const PAUSE_MS = 200;

/**
 * Makes a function that asks for a look at what was committed: at once, and once more for all that was asked for while
 * it was asking and for a moment after. Should it fail, the sweeper asks.
 */
export function createWakeUp(enqueue: () => Promise<void>, log: Logger): () => void {
  const state = { isBusy: false, isAsked: false };
  function run(): void {
    state.isBusy = true;
    state.isAsked = false;
    enqueue()
      .catch((error: unknown) => log.warn({ err: error }, "directory change not enqueued"))
      .finally(() => setTimeout(rest, PAUSE_MS).unref());
  }
  function rest(): void {
    state.isBusy = false;
    if (state.isAsked) run();
  }
  return () => {
    state.isAsked = true;
    if (!state.isBusy) run();
  };
}
