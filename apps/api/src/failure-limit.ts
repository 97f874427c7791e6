/** Slows guessing down: who failed too often waits. In memory, per process; a restart forgives. */
import { HttpError } from "@branchward/runtime";

export interface FailureLimit {
  /** @throws {HttpError} 429 while the address has failed too often. */
  check(address: string): void;
  fail(address: string): void;
}

const MAX_FAILURES = 10;
const WINDOW_MS = 60_000;
/** More addresses than this at once are an attack that no per-address limit stops. */
const MAX_ADDRESSES = 10_000;

/** Ten failures a minute for each address. */
export function createFailureLimit(now: () => number): FailureLimit {
  const failures = new Map<string, { count: number; readonly until: number }>();

  function find(address: string) {
    const entry = failures.get(address);
    if (entry !== undefined && entry.until > now()) return entry;
    failures.delete(address);
    return undefined;
  }

  return {
    check(address) {
      const entry = find(address);
      if (entry === undefined || entry.count < MAX_FAILURES) return;
      throw new HttpError(429, "too_many_failures", "too many failed sign-ins; wait a minute", {
        retry: { afterMs: entry.until - now() },
      });
    },
    fail(address) {
      const entry = find(address);
      if (entry !== undefined) {
        entry.count += 1;
        return;
      }
      if (failures.size >= MAX_ADDRESSES) failures.clear();
      failures.set(address, { count: 1, until: now() + WINDOW_MS });
    },
  };
}
