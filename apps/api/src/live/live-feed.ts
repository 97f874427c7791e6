/** One reader of what changed for all who watch. While nobody watches it does nothing. */
import type { Readable } from "node:stream";
import type { Logger } from "@branchward/runtime";
import { type Database, isBeyond, type LivePosition, listLiveRows, type Notifications } from "@branchward/store";
import { createLiveReader } from "./live-reader.ts";
import { type LiveMessage, loadMessages } from "./load-messages.ts";
import { comparePositions, parsePosition, toMessage } from "./message.ts";
import { createWatcher, type Watcher } from "./watcher.ts";

export interface LiveFeedDeps {
  readonly db: Database;
  readonly notifications: Notifications;
  readonly log: Logger;
  /** Ends all streams when it aborts. */
  readonly closing: AbortSignal;
}

export interface LiveFeed {
  /**
   * A stream of messages from `after` on, or from now on. It ends when the process closes, when `mayRead` rejects,
   * and when its reader is too slow: whoever comes back with the last id misses nothing.
   */
  open(after: string | undefined, mayRead: () => Promise<unknown>): Promise<Readable>;
}

/** More than this since a watcher's last position, and it is told to read its lists anew. */
const MAX_BEHIND = 1_000;
/** How soon a browser comes back. */
const RETRY_MS = 1_000;

export function createLiveFeed(deps: LiveFeedDeps): LiveFeed {
  const watchers = new Set<Watcher>();
  const reader = createLiveReader({
    ...deps,
    onMessages: (messages) => watchers.forEach((watcher) => watcher.deliver(messages)),
  });
  deps.closing.addEventListener("abort", () => [...watchers].forEach((watcher) => watcher.end()), { once: true });

  /** From the position told on, every message reaches the watcher. */
  async function join(watcher: Watcher): Promise<LivePosition> {
    for (;;) {
      await reader.resume();
      const position = reader.position();
      if (position === null) continue;
      watchers.add(watcher);
      return position;
    }
  }

  return {
    async open(after, mayRead) {
      const watcher = createWatcher({
        mayRead,
        onEnd() {
          watchers.delete(watcher);
          if (watchers.size === 0) reader.pause();
        },
      });
      try {
        const position = await join(watcher);
        const missed = after === undefined ? [] : await findMissed(deps.db, after, position);
        watcher.push(`retry: ${RETRY_MS}\n\n`);
        watcher.goLive(missed ?? [], toMessage(position, { type: missed === undefined ? "reset" : "ready" }));
      } catch (error) {
        watcher.end();
        throw error;
      }
      if (deps.closing.aborted) watcher.end();
      return watcher.stream;
    },
  };
}

/** What lies between a watcher's last position and the feed's; undefined where that is unknown or too much. */
async function findMissed(
  db: Database,
  after: string,
  until: LivePosition,
): Promise<readonly LiveMessage[] | undefined> {
  const from = parsePosition(after);
  if (from === undefined || (await isBeyond(db, from))) return undefined;
  const rows = await listLiveRows(db, from, MAX_BEHIND + 1);
  if (rows.length > MAX_BEHIND) return undefined;
  return loadMessages(
    db,
    rows.filter((row) => comparePositions(row, until) <= 0),
  );
}
