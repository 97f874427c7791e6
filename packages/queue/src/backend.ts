/** Which datastore BullMQ stands on: Redis through ioredis, or PostgreSQL. Nothing else of the product knows. */
import { once } from "node:events";
import {
  type BackendFactory,
  createPostgresBackend,
  createRedisBackend,
  type IQueueBackend,
  type PostgresConnectionOptions,
  type Processor,
  type Queue,
  runMigrations,
  withBackend,
  type WorkerOptions,
} from "bullmq";
import type { Cluster, Redis } from "ioredis";
import pg from "pg";
import { createGuardedConnections } from "./guarded-connections.ts";
import { connectRedis, redisPrefix } from "./redis-connection.ts";

export type BackendTarget =
  | { readonly kind: "redis"; readonly url: string }
  | { readonly kind: "postgres"; readonly url: string };

/** What we use of BullMQ's Worker. Closing waits for the jobs that run. */
export interface WorkerHandle {
  waitUntilReady(): Promise<unknown>;
  isRunning(): boolean;
  close(force?: boolean): Promise<void>;
}

export type WorkerSettings = Pick<
  WorkerOptions,
  "concurrency" | "lockDuration" | "stalledInterval" | "maxStalledCount" | "runRetryDelay"
> & {
  /** Seconds after which a worker that waits for a job looks by itself: nobody may be able to tell it. */
  readonly drainDelay: number;
};

/** Queues share one connection, workers have one each. */
export interface QueueBackend extends AsyncDisposable {
  readonly kind: BackendTarget["kind"];
  createQueue(name: string): Queue;
  createWorker(name: string, processor: Processor<unknown>, settings: WorkerSettings): WorkerHandle;
  /** Resolves where the datastore takes what is written, and rejects where it does not: away, full, a replica. */
  ping(): Promise<void>;
  /** Redis' `maxmemory-policy`, of which only `noeviction` loses no job; null where there is none to read. */
  evictionPolicy(): Promise<string | null>;
}

/** Schema of BullMQ's tables beside ours. */
const SCHEMA = "bullmq";
/** Measured: with a pool of its own each Queue of ten endpoints exhausts 100 connections; four serve them all. */
const QUEUE_POOL_MAX = 4;
/** One to ask on, and the one that BullMQ keeps to be told of jobs. */
const WORKER_POOL_MAX = 2;
const PING_KEPT_MS = 10_000;
/** What we ask of Redis takes it milliseconds. */
const REDIS_SILENCE_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** By then a server that lives has answered, if only that the statement took too long. */
const POSTGRES_SILENCE_MS = STATEMENT_TIMEOUT_MS + 5_000;
/** Of a connection on which nothing is asked, until the system asks the other side whether it is there. */
const KEEP_ALIVE_AFTER_MS = 10_000;

/**
 * Connects nothing yet: connections open with the first queue or worker. A server that vanished without a word answers
 * nothing and ends nothing: a connection on which nothing comes back for `silenceMs`, unless given 5 s on Redis and 20 s on
 * PostgreSQL, is given up. Adds then fail, and workers take jobs over a new one.
 */
export function openQueueBackend(
  target: BackendTarget,
  onError: (error: Error) => void,
  silenceMs?: number,
): QueueBackend {
  return target.kind === "redis"
    ? openRedisBackend(target.url, onError, silenceMs)
    : openPostgresBackend(target.url, onError, silenceMs);
}

function openPostgresBackend(
  url: string,
  onError: (error: Error) => void,
  silenceMs = POSTGRES_SILENCE_MS,
): QueueBackend {
  // The queue is an index that can be rebuilt, so its commits need not wait for the disk.
  const session = `-c synchronous_commit=off`;
  const { Client, ended } = createGuardedConnections();
  const common = {
    connectionString: url,
    options: `${session} -c search_path=${SCHEMA}`,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: silenceMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    application_name: "branchward-queue",
    Client,
  };
  const pool = new pg.Pool({ ...common, max: QUEUE_POOL_MAX, connectionTimeoutMillis: 2_000 });
  const state = { closing: false };
  // On the way down the server may end connections first.
  pool.on("error", (error) => {
    if (!state.closing) onError(error);
  });
  // Each queue listens for errors of the pool that all share.
  pool.setMaxListeners(0);
  const on = withBackend(createPostgresBackend);
  return {
    kind: "postgres",
    createQueue(name) {
      const queue = new on.Queue(name, { connection: asConnection(pool) });
      queue.on("error", onError);
      return asQueue(queue);
    },
    createWorker(name, processor, settings) {
      // Jobs that end together wait for the one connection, and by the same number for one to be made.
      const own = new pg.Pool({ ...common, max: WORKER_POOL_MAX, connectionTimeoutMillis: silenceMs });
      const { Worker } = withBackend(waitingAtMost(settings.drainDelay, createPostgresBackend));
      const worker = new Worker<unknown>(name, processor, { ...settings, connection: asConnection(own) });
      worker.on("error", onError);
      return {
        waitUntilReady: () => worker.waitUntilReady(),
        isRunning: () => worker.isRunning(),
        async close(force) {
          await worker.close(force);
          if (!own.ending) await own.end();
        },
      };
    },
    ping: () => pool.query("select 1").then(() => undefined),
    evictionPolicy: async () => null,
    async [Symbol.asyncDispose]() {
      state.closing = true;
      await pool.end();
      await ended();
    },
  };
}

/**
 * Workers that wait for a job no longer than this. BullMQ's own limit, where one is due later, is an hour on PostgreSQL: it
 * counts on the connection breaking that a vanished server would tell it on, which behind a proxy it may never do.
 */
function waitingAtMost<B extends IQueueBackend, C>(
  seconds: number,
  factory: BackendFactory<B, C>,
): BackendFactory<B, C> {
  return (name, options, kind) =>
    Object.defineProperty(factory(name, options, kind), "maximumBlockTimeout", { value: seconds });
}

/** The type of a queue names its backend, though what it does is the same on both. */
function asQueue(queue: unknown): Queue {
  return queue as Queue;
}

/** A pg.Pool is what BullMQ takes; its own structural type of one is narrower than `@types/pg` says. */
function asConnection(pool: pg.Pool): PostgresConnectionOptions {
  return pool as unknown as PostgresConnectionOptions;
}

function openRedisBackend(url: string, onError: (error: Error) => void, silenceMs = REDIS_SILENCE_MS): QueueBackend {
  const shared = connectRedis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    keepAlive: KEEP_ALIVE_AFTER_MS,
    socketTimeout: silenceMs,
    // ioredis asks anew what a lost connection was asked, and no longer counts its tries where the next one is silent too.
    commandTimeout: 2 * silenceMs,
  });
  shared.on("error", onError);
  const owned: (Redis | Cluster)[] = [shared];
  const prefix = redisPrefix(url);
  const on = withBackend(createRedisBackend);
  return {
    kind: "redis",
    createQueue(name) {
      const queue = new on.Queue(name, { connection: shared, prefix });
      queue.on("error", onError);
      return queue;
    },
    createWorker(name, processor, settings) {
      const connection = connectRedis(url, {
        maxRetriesPerRequest: null,
        keepAlive: KEEP_ALIVE_AFTER_MS,
        // BullMQ makes a second one like it, to wait on, where nothing comes for as long as there is no job.
        socketTimeout: settings.drainDelay * 1_000 + silenceMs,
      });
      connection.on("error", onError);
      owned.push(connection);
      const { Worker } = withBackend(waitingAtMost(settings.drainDelay, createRedisBackend));
      const worker = new Worker<unknown>(name, processor, { ...settings, connection, prefix });
      worker.on("error", onError);
      return worker;
    },
    // PING is answered by a Redis that is full, and by a replica, which take no job.
    ping: () => shared.set(`${prefix}:ping`, "", "PX", PING_KEPT_MS).then(() => undefined),
    async evictionPolicy() {
      // Asked at once, as by whoever wants to know nothing else: nothing is sent before there is a connection.
      if (shared.status !== "ready") await once(shared, "ready");
      // Managed services refuse CONFIG; INFO tells as well.
      const info = await shared.info("memory");
      return /^maxmemory_policy:(\S+)/mu.exec(info)?.[1] ?? null;
    },
    async [Symbol.asyncDispose]() {
      for (const connection of owned) connection.disconnect();
    },
  };
}

/**
 * Applies BullMQ's own migrations, in the time that they take and that another process takes for them; returns the schema
 * version reached. A no-op on Redis.
 */
export async function migrateQueue(target: BackendTarget): Promise<number> {
  if (target.kind === "redis") return 0;
  const client = new pg.Client({
    connectionString: target.url,
    connectionTimeoutMillis: 2_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    application_name: "branchward-migrate",
  });
  // What it was asked is told; without a listener it would end the process as well.
  client.on("error", () => undefined);
  await client.connect();
  try {
    // The server may have its own for whoever names none.
    await client.query("set statement_timeout = 0; set lock_timeout = 0; set idle_in_transaction_session_timeout = 0");
    return await runMigrations(client, SCHEMA);
  } finally {
    await client.end();
  }
}
