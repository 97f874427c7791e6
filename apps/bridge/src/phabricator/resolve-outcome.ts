import { setTimeout as delay } from "node:timers/promises";
import { ConduitError } from "./conduit.ts";

/** Between attempts: a deadlock's victim may go on at once, a proxy's backend is back within a second or two. */
const delaysMs = [50, 200, 800] as const;
/** A server that takes longer to fail is not asked again: whoever waits has given up. */
const patienceMs = 10_000;

/** Makes a call that changes nothing, again when the server failed for the moment. @throws ConduitError */
export async function readAgain<T>(read: () => Promise<T>): Promise<T> {
  const start = performance.now();
  for (const delayMs of delaysMs) {
    try {
      return await read();
    } catch (error) {
      if (!isWorthAnother(error, start)) throw error;
    }
    await delay(delayMs);
  }
  return read();
}

/** A write whose answer may get lost. */
export interface Change<T> {
  readonly write: () => Promise<T>;
  /**
   * Looks whether the change was made, as often as a look may fail; undefined when it was not, so that it may be tried
   * again. Left out where doing it twice is doing it once.
   */
  readonly findDone?: () => Promise<T | undefined>;
}

/**
 * Makes a change once, although answers get lost: it looks before it tries again. @throws ConduitError, with
 * `outcomeUnknown` where the last attempt or the look after it got lost too
 */
export async function resolveOutcome<T>({ write, findDone = notFound }: Change<T>): Promise<T> {
  const start = performance.now();
  for (const delayMs of delaysMs) {
    try {
      return await write();
    } catch (error) {
      if (!isWorthAnother(error, start)) throw error;
    }
    await delay(delayMs);
    const done = await findDone().catch((cause: unknown) => {
      throw cause instanceof ConduitError ? cause.asUnknown() : cause;
    });
    if (done !== undefined) return done;
  }
  return write();
}

function isWorthAnother(error: unknown, start: number): boolean {
  return error instanceof ConduitError && error.kind === "failed" && performance.now() - start < patienceMs;
}

function notFound(): Promise<undefined> {
  return Promise.resolve(undefined);
}
