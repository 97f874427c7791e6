/** Follows the rows of the record and hands on what is new; nothing while it is paused. */
import type { Logger } from "@branchward/runtime";
import {
  type Database,
  findLivePosition,
  type LivePosition,
  listLiveRows,
  type Notifications,
} from "@branchward/store";
import { type LiveMessage, loadMessages } from "./load-messages.ts";

export interface LiveReaderOptions {
  readonly db: Database;
  readonly notifications: Notifications;
  readonly log: Logger;
  readonly onMessages: (messages: readonly LiveMessage[]) => void;
}

export interface LiveReader {
  /** What has been handed on so far; null while paused. */
  position(): LivePosition | null;
  /** Starts from now, unless it is at work already. */
  resume(): Promise<void>;
  pause(): void;
}

/** NOTIFY says *look*; this finds what a transaction still open held back then. */
const LOOK_EVERY_MS = 500;
const BATCH = 500;

export function createLiveReader({ db, notifications, log, onMessages }: LiveReaderOptions): LiveReader {
  const state: { tail: LivePosition | null; stops: (() => void)[] } = { tail: null, stops: [] };

  async function readOn(): Promise<void> {
    while (state.tail !== null) {
      const from = state.tail;
      const rows = await listLiveRows(db, from, BATCH);
      const messages = await loadMessages(db, rows);
      const last = rows.at(-1);
      // Paused meanwhile, or paused and resumed elsewhere.
      if (last === undefined || state.tail !== from) return;
      state.tail = last;
      onMessages(messages);
      if (rows.length < BATCH) return;
    }
  }

  const look = oneAtATime(readOn, (error) => log.warn({ err: error }, "live events not read; the next look will"));

  return {
    position: () => state.tail,
    async resume() {
      if (state.tail !== null) return;
      const now = await findLivePosition(db);
      if (state.tail !== null) return;
      state.tail = now;
      const timer = setInterval(look, LOOK_EVERY_MS);
      state.stops = [
        () => clearInterval(timer),
        notifications.subscribe("scopes", look),
        notifications.subscribe("registry", look),
      ];
    },
    pause() {
      state.tail = null;
      for (const stop of state.stops.splice(0)) stop();
    },
  };
}

/** Runs the work when called, and once more after a call that came while it ran. */
function oneAtATime(work: () => Promise<void>, onError: (error: unknown) => void): () => void {
  const state = { running: false, again: false };
  const run = (): void => {
    state.again = state.running;
    if (state.running) return;
    state.running = true;
    work()
      .catch(onError)
      .finally(() => {
        state.running = false;
        if (state.again) run();
      });
  };
  return run;
}
