/** Longer than any call's deadline; every write checks that enough of it is left. */
export const LEASE_MS = 30_000;
/** What must be left before a write: more than the 10 s that a call may take. */
export const MIN_LEASE_MS = 15_000;
/** One call's deadline: by then a write that was under way has arrived or failed. */
export const VERIFY_AGAIN_MS = 10_000;
