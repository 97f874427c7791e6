import { setTimeout as delay } from "node:timers/promises";
import { ConduitError } from "./conduit.ts";

/** Between attempts: a deadlock's victim may go on at once, a proxy's backend is back within a second or two. */
const delaysMs = [50, 200, 800] as const;

/** Makes a call that changes nothing, again when the server failed for the moment. @throws ConduitError */
export async function readAgain<T>(read: () => Promise<T>): Promise<T> {
  for (const delayMs of delaysMs) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof ConduitError) || error.kind !== "failed") throw error;
    }
    await delay(delayMs);
  }
  return read();
}

/** A write whose answer may get lost. */
export interface Change<T> {
  readonly write: () => Promise<T>;
  /**
   * Looks whether the change was made; undefined when it was not, so that it may be tried again. Left out where doing
   * it twice is doing it once.
   */
  readonly findDone?: () => Promise<T | undefined>;
}

/**
 * Makes a change once, although answers get lost: it looks before it tries again. @throws ConduitError, with
 * `outcomeUnknown` where the last attempt got lost too
 */
export async function resolveOutcome<T>({ write, findDone }: Change<T>): Promise<T> {
  for (const delayMs of delaysMs) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof ConduitError) || error.kind !== "failed") throw error;
    }
    await delay(delayMs);
    const done = findDone === undefined ? undefined : await readAgain(findDone);
    if (done !== undefined) return done;
  }
  return write();
}
