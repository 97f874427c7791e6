import { mkdir } from "node:fs/promises";
import { createInterface } from "node:readline";
import { findFreePort, spawnGuarded } from "@branchward/runtime/postgres";

/** A `redis-server` of the test's own. Disposing it stops it. */
export interface TestRedis extends AsyncDisposable {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  readonly pid: number;
}

/** Starts the system's `redis-server` without persistence on a free port; it ends with this process. */
export async function startRedis(directory: string): Promise<TestRedis> {
  await mkdir(directory, { recursive: true });
  const port = await findFreePort();
  const child = spawnGuarded({
    command: "redis-server",
    args: `--port ${port} --bind 127.0.0.1 --appendonly no --maxmemory-policy noeviction --daemonize no`
      .split(" ")
      .concat("--save", "", "--dir", directory),
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
  });
  const lines: string[] = [];
  const ended = new Promise<"ended">((resolve) => {
    child.once("error", () => resolve("ended"));
    child.once("close", () => resolve("ended"));
  });
  const ready = new Promise<"ready">((resolve) => {
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      if (line.includes("Ready to accept connections")) resolve("ready");
    });
  });
  child.stderr?.resume();
  const { pid } = child;
  if ((await Promise.race([ready, ended])) === "ended" || pid === undefined) {
    throw new Error(`redis-server did not start on port ${port}:\n${lines.join("\n")}`);
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
