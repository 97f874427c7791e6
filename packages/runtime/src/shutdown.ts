/** Within this time a repeated signal is the same one: a terminal and npm both deliver it. */
const SAME_SIGNAL_MS = 1_000;

/** Supervisors end a process by force after 30 s, without a word of why. */
const END_WITHIN_MS = 25_000;

/**
 * One AbortSignal from SIGTERM and SIGINT. A second signal forces the exit, and so does time: what a process waits for on its
 * way down may be away, and with it whoever could tell that a job is done. What is cut off then is found as after a crash.
 */
export function openShutdownSignal(endWithinMs = END_WITHIN_MS): AbortSignal {
  const controller = new AbortController();
  const state = { firstAt: 0 };
  const onSignal = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (!controller.signal.aborted) state.firstAt = now;
    else if (now - state.firstAt > SAME_SIGNAL_MS) process.exit(130);
    if (!controller.signal.aborted) setTimeout(endLate, endWithinMs, endWithinMs).unref();
    controller.abort(signal);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  return controller.signal;
}

function endLate(endWithinMs: number): never {
  process.stderr.write(
    `branchward: not through ${endWithinMs / 1_000} s after the signal to stop, which happens where the database or Redis is away: ended; what was under way is taken up again\n`,
  );
  process.exit(1);
}

/** Calls back at each SIGHUP, which asks a server to read its configuration again, until the signal aborts. */
export function onReloadSignal(callback: () => void, until: AbortSignal): void {
  process.on("SIGHUP", callback);
  until.addEventListener("abort", () => process.off("SIGHUP", callback), { once: true });
}

/** Resolves when the signal aborts. */
export function waitForAbort(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
