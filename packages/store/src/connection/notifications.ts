/** NOTIFY says only *look*: readers ask the tables what changed. */
import { sql } from "kysely";
import pg from "pg";
import type { Queryable } from "./database.ts";
import { prepared } from "./prepared-statements.ts";

/** Channels: `scopes` a verdict changed, `registry` a delivery was recorded; payload an incarnation id or empty. */
export type Channel = "scopes" | "registry";

const PREFIX = "branchward_";
const RECONNECT_MS = 1_000;

export async function notify(trx: Queryable, channel: Channel, payload: string): Promise<void> {
  await sql`${prepared}select pg_notify(${PREFIX + channel}, ${payload})`.execute(trx);
}

/** Tells listeners to look. */
export interface Notifier {
  /** Soon; calls that come close together are told once. */
  notifySoon(channel: Channel): void;
}

/** A listener needs no more than this to keep up, and every NOTIFY makes the commits of its moment wait for each other. */
const NOTIFY_EVERY_MS = 20;

/** For what is committed already: listeners look by themselves now and then, should the process end before it tells them. */
export function createNotifier(db: Queryable, onError: (error: unknown) => void): Notifier {
  const waiting = new Map<Channel, { isAsked: boolean }>();
  function tell(channel: Channel): void {
    const state = { isAsked: false };
    waiting.set(channel, state);
    notify(db, channel, "").catch(onError);
    const timer = setTimeout(() => {
      waiting.delete(channel);
      if (state.isAsked) tell(channel);
    }, NOTIFY_EVERY_MS);
    timer.unref();
  }
  return {
    notifySoon(channel) {
      const state = waiting.get(channel);
      if (state === undefined) tell(channel);
      else state.isAsked = true;
    },
  };
}

export interface Notifications extends AsyncDisposable {
  /** Calls back until the returned function is called; also after a reconnection, with an empty payload, since some may be lost. */
  subscribe(channel: Channel, callback: (payload: string) => void): () => void;
}

/** Listens on one connection of its own and re-establishes it when it drops. */
export async function openNotifications(url: string, onError: (error: Error) => void): Promise<Notifications> {
  const callbacks = new Map<string, Set<(payload: string) => void>>([
    [PREFIX + "scopes", new Set()],
    [PREFIX + "registry", new Set()],
  ]);
  const state: { closed: boolean; client: pg.Client | undefined; timer: NodeJS.Timeout | undefined } = {
    closed: false,
    client: undefined,
    timer: undefined,
  };

  async function connect(): Promise<void> {
    const client = new pg.Client({ connectionString: url, keepAlive: true, application_name: "branchward-listen" });
    client.on("notification", ({ channel, payload }) => {
      for (const callback of callbacks.get(channel) ?? []) callback(payload ?? "");
    });
    client.on("error", (error) => {
      if (!state.closed) onError(error);
      reconnectLater(client);
    });
    client.on("end", () => reconnectLater(client));
    await client.connect();
    for (const channel of callbacks.keys()) await client.query(`listen ${channel}`);
    state.client = client;
  }

  function reconnectLater(client: pg.Client): void {
    if (state.closed || state.client !== client) return;
    state.client = undefined;
    state.timer = setTimeout(reconnect, RECONNECT_MS);
  }

  function reconnect(): void {
    connect().then(
      () => {
        for (const set of callbacks.values()) for (const callback of set) callback("");
      },
      (error: Error) => {
        onError(error);
        if (!state.closed) state.timer = setTimeout(reconnect, RECONNECT_MS);
      },
    );
  }

  await connect();
  return {
    subscribe(channel, callback) {
      const set = callbacks.get(PREFIX + channel);
      set?.add(callback);
      return () => set?.delete(callback);
    },
    async [Symbol.asyncDispose]() {
      state.closed = true;
      clearTimeout(state.timer);
      await state.client?.end();
    },
  };
}
