/** The PostgreSQL and the Redis that every integration test of one run shares. Tests make databases, key prefixes and queue names of their own. */
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "@branchward/runtime/postgres";
import { startRedis } from "./redis.ts";

const silent = { info: () => undefined, warn: () => undefined };

/** What a run loses with its data costs nothing, and waiting for disks costs most of a run. */
const withoutDurability = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };

const prefix = "branchward-test-";

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Directories of runs that were killed. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(prefix) ? Number(name.slice(prefix.length).split("-")[0]) : Number.NaN;
    if (Number.isInteger(pid) && !isAlive(pid)) await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
}

/** Vitest's global setup: puts the servers' URLs into the environment of the workers; the returned function ends the servers. */
export default async function startServices(): Promise<() => Promise<void>> {
  await removeAbandoned();
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  // So that PostgreSQL's user may enter, and the cluster is removed with the directory, also after a killed run.
  await chmod(directory, 0o755);
  const dataDir = join(directory, "data");
  const postgres = stack.use(await startEmbeddedPostgres({ dataDir, log: silent, settings: withoutDurability }));
  const redis = stack.use(await startRedis(join(directory, "redis")));
  process.env["BRANCHWARD_TEST_DATABASE_URL"] = postgres.url;
  process.env["BRANCHWARD_TEST_REDIS_URL"] = redis.url;
  const held = stack.move();
  return () => held.disposeAsync();
}
