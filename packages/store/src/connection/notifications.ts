/** NOTIFY says only *look*: readers ask the tables what changed. */
import { sql } from "kysely";
import pg from "pg";
import type { Queryable } from "./database.ts";
import { prepared } from "./prepared-statements.ts";

const CHANNELS = ["scopes", "registry"] as const;
/** Channels: `scopes` a verdict changed, `registry` a delivery was recorded; payload an incarnation id or empty. */
export type Channel = (typeof CHANNELS)[number];

const PREFIX = "branchward_";
const RECONNECT_MS = 1_000;
/** A server that vanished without a word tells of nothing, as one does to whom nothing happens: it has to be asked. */
const ASK_EVERY_MS = 10_000;

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

/**
 * Listens on one connection of its own and re-establishes it when it drops. The server is asked every so often, 10 s unless
 * given, whether it is there; one that has not answered by the next time is gone.
 */
export async function openNotifications(
  url: string,
  onError: (error: Error) => void,
  askEveryMs = ASK_EVERY_MS,
): Promise<Notifications> {
  const callbacks = createCallbacks();
  const state: { closed: boolean; client: pg.Client | undefined; timer: NodeJS.Timeout | undefined } = {
    closed: false,
    client: undefined,
    timer: undefined,
  };

  async function connect(): Promise<void> {
    const client = createListener(url, askEveryMs);
    client.on("notification", ({ channel, payload }) => callbacks.call(channel, payload ?? ""));
    client.on("error", (error) => {
      if (!state.closed) onError(error);
      reconnectLater(client);
    });
    client.on("end", () => reconnectLater(client));
    await client.connect();
    await listen(client);
    if (state.closed) return client.end();
    state.client = client;
    askNowAndThen(client, askEveryMs);
  }

  function reconnectLater(client: pg.Client): void {
    if (state.closed || state.client !== client) return;
    state.client = undefined;
    state.timer = setTimeout(reconnect, RECONNECT_MS);
  }

  function reconnect(): void {
    connect().then(
      () => CHANNELS.forEach((channel) => callbacks.call(PREFIX + channel, "")),
      (error: Error) => {
        onError(error);
        if (!state.closed) state.timer = setTimeout(reconnect, RECONNECT_MS);
      },
    );
  }

  await connect();
  return {
    subscribe: callbacks.add,
    async [Symbol.asyncDispose]() {
      state.closed = true;
      clearTimeout(state.timer);
      await state.client?.end();
    },
  };
}

interface Callbacks {
  readonly add: Notifications["subscribe"];
  /** Those of a channel, by its name in PostgreSQL. */
  readonly call: (name: string, payload: string) => void;
}

function createCallbacks(): Callbacks {
  const byName = new Map<string, Set<(payload: string) => void>>(
    CHANNELS.map((channel) => [PREFIX + channel, new Set()]),
  );
  return {
    add(channel, callback) {
      const callbacks = byName.get(PREFIX + channel);
      callbacks?.add(callback);
      return () => callbacks?.delete(callback);
    },
    call(name, payload) {
      for (const callback of byName.get(name) ?? []) callback(payload);
    },
  };
}

function createListener(url: string, silenceMs: number): pg.Client {
  return new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 2_000,
    query_timeout: silenceMs,
    application_name: "branchward-listen",
  });
}

/** Leaves no connection behind where it fails. */
async function listen(client: pg.Client): Promise<void> {
  try {
    for (const channel of CHANNELS) await client.query(`listen ${PREFIX}${channel}`);
  } catch (error) {
    client.connection.stream.destroy();
    throw error;
  }
}

/** Until the connection ends, which it does where no answer comes. */
function askNowAndThen(client: pg.Client, everyMs: number): void {
  const timer = setInterval(() => {
    client.query("select").catch(() => client.connection.stream.destroy());
  }, everyMs);
  client.on("end", () => clearInterval(timer));
}
