/** How Redis is found and spoken to: addresses of a single one, behind Sentinel, or in a Cluster. */
import { Cluster, Redis, type RedisOptions } from "ioredis";

/** ioredis' own cap is 20 s, after which a worker resumed 18 s late. */
const RETRY_CAP_MS = 2_000;

function retryStrategy(times: number): number {
  return Math.min(times * 100, RETRY_CAP_MS);
}

export type ConnectionBehaviour = Pick<
  RedisOptions,
  "enableOfflineQueue" | "maxRetriesPerRequest" | "keepAlive" | "commandTimeout"
> & {
  /** How long what was asked may be without an answer before the connection is given up for a new one, which counts for connecting too. */
  readonly socketTimeout: number;
};

/** A Cluster keeps all keys of a queue in one slot by the braces. */
export function redisPrefix(url: string): string {
  return url.includes(",") ? "{branchward}" : "branchward";
}

/**
 * `redis://`, `rediss://`, `redis-sentinel://[user:password@]host:port[,host:port…]/master[/db]`, or a comma-separated list for Cluster.
 */
export function connectRedis(url: string, behaviour: ConnectionBehaviour): Redis | Cluster {
  const { socketTimeout } = behaviour;
  const common = { ...behaviour, retryStrategy, connectTimeout: socketTimeout };
  if (url.startsWith("redis-sentinel://")) {
    return new Redis({ ...common, sentinelCommandTimeout: socketTimeout, ...parseSentinelUrl(url) });
  }
  if (url.includes(",")) {
    return new Cluster(url.split(","), { redisOptions: common, clusterRetryStrategy: retryStrategy });
  }
  return new Redis({ ...common, ...parseRedisUrl(url) });
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
