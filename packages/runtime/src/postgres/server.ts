/** One run of the server on a cluster. */
import type { ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { postgresEnv, type Account } from "./account.ts";
import { spawnGuarded } from "./guarded-process.ts";
import { toClusterName } from "./leftovers.ts";
import { postgresError, toOutputTail } from "./postgres-error.ts";

/** Where the server's own messages go: any logger of pino's shape. */
export interface PostgresLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** A running server. Disposing it stops it. */
export interface Server extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** Resolves when the server has ended, with how: `code 1`, `signal SIGKILL`. */
  readonly ended: Promise<string>;
}

interface ServerRequest {
  readonly postgres: string;
  readonly account: Account;
  readonly clusterDir: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly log: PostgresLog;
}

/** Includes the recovery after a crash, which `max_wal_size` bounds. */
const readyWithinMs = 120_000;

/**
 * For one small installation on one machine: 200 connections, and as few processes and as little memory as PostgreSQL can do with.
 * `io_method=sync` saves the three I/O workers of PostgreSQL 18. Failed statements are not logged: they hold the caller's data, and the
 * caller gets the error.
 */
function toSettings(clusterDir: string, port: number): Readonly<Record<string, string>> {
  return {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    cluster_name: toClusterName(clusterDir),
    max_connections: "200",
    shared_buffers: "32MB",
    huge_pages: "off",
    io_method: "sync",
    jit: "off",
    max_worker_processes: "2",
    max_logical_replication_workers: "0",
    max_parallel_workers_per_gather: "0",
    autovacuum_max_workers: "2",
    autovacuum_worker_slots: "2",
    maintenance_work_mem: "32MB",
    max_wal_size: "512MB",
    log_destination: "stderr",
    log_line_prefix: "",
    log_checkpoints: "off",
    log_min_messages: "log",
    log_min_error_statement: "panic",
    lc_messages: "C",
  };
}

/** A TCP port of 127.0.0.1 that is free now. Another program may take it before it is used. */
export async function findFreePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", resolve);
  });
  const address = probe.address();
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  if (address === null || typeof address === "string") throw new TypeError("a TCP listener has an address with a port");
  return address.port;
}

/** Stops within about 20 s: a fast shutdown, else one that leaves the next start to recover. */
async function stop(child: ChildProcess, ended: Promise<string>): Promise<void> {
  const timeout = new AbortController();
  const steps: readonly [NodeJS.Signals, number][] = [
    ["SIGINT", 15_000],
    ["SIGQUIT", 5_000],
    ["SIGKILL", 60_000],
  ];
  try {
    for (const [signal, waitMs] of steps) {
      child.kill(signal);
      const late = delay(waitMs, "late", { signal: timeout.signal });
      if ((await Promise.race([ended, late])) !== "late") return;
    }
  } finally {
    timeout.abort();
  }
}

type Attempt = { readonly server: Server } | { readonly output: string };

/** Starts the server on one port; without a server, the output says why. */
async function attempt(
  { postgres, account, clusterDir, settings, log }: ServerRequest,
  port: number,
): Promise<Attempt> {
  const options = Object.entries({ ...toSettings(clusterDir, port), ...settings }).flatMap(([name, value]) => [
    "-c",
    `${name}=${value}`,
  ]);
  const child = spawnGuarded({
    command: postgres,
    args: ["-D", clusterDir, ...options],
    env: postgresEnv,
    cwd: "/",
    ...account.ids,
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(signal === null ? `code ${code}` : `signal ${signal}`));
  });
  const lines: string[] = [];
  const ready = new Promise<"ready">((resolve) => {
    if (child.stderr === null) return;
    createInterface({ input: child.stderr }).on("line", (line) => {
      lines.push(line);
      if (lines.length > 20) lines.shift();
      // Its stop ends connections that clients are closing at the same moment.
      const isFarewell = line.includes("terminating connection due to administrator command");
      if (/^(FATAL|PANIC):/.test(line) && !isFarewell) log.warn({ line }, "message of PostgreSQL");
      else log.info({ line }, "message of PostgreSQL");
      if (line.includes("database system is ready to accept connections")) resolve("ready");
    });
  });
  child.stdout?.resume();
  const timeout = new AbortController();
  const late = delay(readyWithinMs, "late", { signal: timeout.signal });
  const outcome = await Promise.race([ready, ended, late]);
  timeout.abort();
  const { pid } = child;
  if (outcome === "ready" && pid !== undefined) {
    return { server: { port, pid, ended, [Symbol.asyncDispose]: () => stop(child, ended) } };
  }
  await stop(child, ended);
  return {
    output: [...lines, outcome === "late" ? `not ready after ${readyWithinMs} ms` : `ended with ${outcome}`].join("\n"),
  };
}

/**
 * Starts the server on a free port of 127.0.0.1 and waits until it takes connections.
 * @throws AppError `postgres_not_started` with the end of its output.
 */
export async function startServer(request: ServerRequest): Promise<Server> {
  let output = "";
  for (let tries = 0; tries < 5; tries += 1) {
    const result = await attempt(request, await findFreePort());
    if ("server" in result) return result.server;
    output = result.output;
    if (!output.includes("Address already in use")) break;
  }
  throw postgresError("postgres_not_started", {
    message: `PostgreSQL did not start on ${request.clusterDir}:\n${toOutputTail(output)}`,
    details: { clusterDir: request.clusterDir },
  });
}
