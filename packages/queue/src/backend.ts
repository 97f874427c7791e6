/** Which datastore BullMQ stands on: Redis through ioredis, or PostgreSQL. Nothing else of the product knows. */
import {
  createPostgresBackend,
  createRedisBackend,
  type PostgresConnectionOptions,
  type Processor,
  type Queue,
  runMigrations,
  withBackend,
  type WorkerOptions,
} from "bullmq";
import { Cluster, Redis } from "ioredis";
import pg from "pg";
import { createGuardedConnections } from "./guarded-connections.ts";

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
  "concurrency" | "lockDuration" | "stalledInterval" | "maxStalledCount" | "runRetryDelay" | "drainDelay"
>;

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
const PING_KEPT_MS = 10_000;
/** ioredis' own cap is 20 s, after which a worker resumed 18 s late. */
const REDIS_RETRY_CAP_MS = 2_000;

/** Connects nothing yet: connections open with the first queue or worker. */
export function openQueueBackend(target: BackendTarget, onError: (error: Error) => void): QueueBackend {
  return target.kind === "redis" ? openRedisBackend(target.url, onError) : openPostgresBackend(target.url, onError);
}

function openPostgresBackend(url: string, onError: (error: Error) => void): QueueBackend {
  // The queue is an index that can be rebuilt, so its commits need not wait for the disk.
  const session = `-c synchronous_commit=off`;
  const { Client, ended } = createGuardedConnections();
  const pool = new pg.Pool({
    connectionString: url,
    max: QUEUE_POOL_MAX,
    options: `${session} -c search_path=${SCHEMA}`,
    connectionTimeoutMillis: 2_000,
    application_name: "branchward-queue",
    Client,
  });
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
      const connection = { connectionString: url, max: 1, schema: SCHEMA, options: session, Client };
      const worker = new on.Worker<unknown>(name, processor, { ...settings, connection });
      worker.on("error", onError);
      return worker;
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

/** The type of a queue names its backend, though what it does is the same on both. */
function asQueue(queue: unknown): Queue {
  return queue as Queue;
}

/** A pg.Pool is what BullMQ takes; its own structural type of one is narrower than `@types/pg` says. */
function asConnection(pool: pg.Pool): PostgresConnectionOptions {
  return pool as unknown as PostgresConnectionOptions;
}

function openRedisBackend(url: string, onError: (error: Error) => void): QueueBackend {
  const shared = connectRedis(url, { enableOfflineQueue: false, maxRetriesPerRequest: 1 }, onError);
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
      const connection = connectRedis(url, { maxRetriesPerRequest: null }, onError);
      owned.push(connection);
      const worker = new on.Worker<unknown>(name, processor, { ...settings, connection, prefix });
      worker.on("error", onError);
      return worker;
    },
    // PING is answered by a Redis that is full, and by a replica, which take no job.
    ping: () => shared.set(`${prefix}:ping`, "", "PX", PING_KEPT_MS).then(() => undefined),
    async evictionPolicy() {
      // Managed services refuse CONFIG; INFO tells as well.
      const info = await shared.info("memory");
      return /^maxmemory_policy:(\S+)/mu.exec(info)?.[1] ?? null;
    },
    async [Symbol.asyncDispose]() {
      for (const connection of owned) connection.disconnect();
    },
  };
}

interface ConnectionBehaviour {
  readonly enableOfflineQueue?: boolean;
  readonly maxRetriesPerRequest: number | null;
}

/** A Cluster keeps all keys of a queue in one slot by the braces. */
function redisPrefix(url: string): string {
  return url.includes(",") ? "{branchward}" : "branchward";
}

function retryStrategy(times: number): number {
  return Math.min(times * 100, REDIS_RETRY_CAP_MS);
}

/**
 * `redis://`, `rediss://`, `redis-sentinel://[user:password@]host:port[,host:port…]/master[/db]`, or a comma-separated list for Cluster.
 */
function connectRedis(url: string, options: ConnectionBehaviour, onError: (error: Error) => void): Redis | Cluster {
  const common = { ...options, retryStrategy };
  const connection = url.startsWith("redis-sentinel://")
    ? new Redis({ ...common, ...parseSentinelUrl(url) })
    : url.includes(",")
      ? new Cluster(url.split(","), { redisOptions: common, clusterRetryStrategy: retryStrategy })
      : new Redis({ ...common, ...parseRedisUrl(url) });
  connection.on("error", onError);
  return connection;
}

function parseRedisUrl(url: string): RedisAddress {
  const { protocol, hostname, port, username, password, pathname } = new URL(url);
  const db = pathname.slice(1);
  return {
    host: hostname.replace(/^\[|\]$/gu, ""),
    port: port === "" ? 6379 : Number(port),
    ...(protocol === "rediss:" ? { tls: {} } : {}),
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === "" ? {} : { password: decodeURIComponent(password) }),
    ...(db === "" ? {} : { db: Number(db) }),
  };
}

interface RedisAddress {
  readonly host?: string;
  readonly port?: number;
  readonly tls?: object;
  readonly username?: string;
  readonly password?: string;
  readonly db?: number;
  readonly name?: string;
  readonly sentinels?: { host: string; port: number }[];
}

function parseSentinelUrl(url: string): RedisAddress {
  const match = /^redis-sentinel:\/\/(?:([^:@]*):([^@]*)@)?([^/]+)\/([^/]+)(?:\/(\d+))?$/u.exec(url);
  const [, username, password, hosts, name, db] = match ?? [];
  if (hosts === undefined || name === undefined) {
    throw new Error("REDIS_URL: expected redis-sentinel://[user:password@]host:port[,host:port…]/master[/db]");
  }
  return {
    sentinels: hosts.split(",").map((address) => {
      const [host = "", port = "26379"] = address.split(":");
      return { host, port: Number(port) };
    }),
    name,
    ...(db === undefined ? {} : { db: Number(db) }),
    ...(password === undefined ? {} : { password: decodeURIComponent(password) }),
    ...(username ? { username: decodeURIComponent(username) } : {}),
  };
}

/** Applies BullMQ's own migrations; returns the schema version reached. A no-op on Redis. */
export async function migrateQueue(target: BackendTarget): Promise<number> {
  if (target.kind === "redis") return 0;
  const client = new pg.Client({ connectionString: target.url });
  await client.connect();
  try {
    return await runMigrations(client, SCHEMA);
  } finally {
    await client.end();
  }
}
