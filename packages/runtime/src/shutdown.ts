/** Within this time a repeated signal is the same one: a terminal and npm both deliver it. */
const SAME_SIGNAL_MS = 1_000;

/** One AbortSignal from SIGTERM and SIGINT; a second signal forces the exit. */
export function openShutdownSignal(): AbortSignal {
  const controller = new AbortController();
  const state = { firstAt: 0 };
  const onSignal = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (!controller.signal.aborted) state.firstAt = now;
    else if (now - state.firstAt > SAME_SIGNAL_MS) process.exit(130);
    controller.abort(signal);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  return controller.signal;
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
