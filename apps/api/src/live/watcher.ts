/** One who watches the live events: a stream of messages that holds little, and ends rather than lose one unseen. */
import { Readable } from "node:stream";
import type { LiveMessage } from "./load-messages.ts";
import { HEARTBEAT } from "./message.ts";

export interface Watcher {
  readonly stream: Readable;
  /** Sends text of the stream's own, unless the stream has ended. */
  push(text: string): void;
  /** Sends messages; until `goLive` they wait their turn. */
  deliver(messages: readonly LiveMessage[]): void;
  /** Sends what lies before the messages that wait, then those. */
  goLive(missed: readonly LiveMessage[], greeting: string): void;
  end(): void;
}

export interface WatcherOptions {
  /** Rejects once the watcher may no longer read. */
  readonly mayRead: () => Promise<unknown>;
  /** Told once, however the stream ended. */
  readonly onEnd: () => void;
}

/** What a slow reader may hold; one that holds more comes back with its last id. */
const MAX_BUFFERED_BYTES = 1024 * 1024;
/** How soon a revoked token loses its stream. */
const CHECK_EVERY_MS = 1_000;
const CHECKS_PER_HEARTBEAT = 15;

export function createWatcher({ mayRead, onEnd }: WatcherOptions): Watcher {
  const stream = new Readable({ read: () => undefined });
  const state: { ended: boolean; checks: number; waiting: LiveMessage[] | null } = {
    ended: false,
    checks: 0,
    waiting: [],
  };

  function push(text: string): void {
    if (!state.ended) stream.push(text);
  }

  function send(messages: readonly LiveMessage[]): void {
    for (const { text } of messages) push(text);
    if (stream.readableLength > MAX_BUFFERED_BYTES) end();
  }

  function end(): void {
    if (state.ended) return;
    state.ended = true;
    clearInterval(timer);
    stream.push(null);
    onEnd();
  }

  const timer = setInterval(() => {
    state.checks += 1;
    if (state.checks % CHECKS_PER_HEARTBEAT === 0) push(HEARTBEAT);
    mayRead().catch(end);
  }, CHECK_EVERY_MS);
  stream.once("close", end);

  return {
    stream,
    push,
    end,
    deliver(messages) {
      if (state.waiting === null) send(messages);
      else state.waiting.push(...messages);
    },
    goLive(missed, greeting) {
      send(missed);
      push(greeting);
      send(state.waiting ?? []);
      state.waiting = null;
    },
  };
}
