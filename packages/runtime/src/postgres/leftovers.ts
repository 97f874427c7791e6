/** What an earlier server of a cluster left behind: processes, and the pid file that would keep the next one from starting. */
import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { postgresError } from "./postgres-error.ts";
import { findText, toErrno } from "./process-identity.ts";

/** The `cluster_name` a server is started with. It stands in the title of each of its processes, which is how they are found again. */
export function toClusterName(clusterDir: string): string {
  return `branchward ${createHash("sha256").update(clusterDir).digest("hex").slice(0, 16)}`;
}

interface ServerProcess {
  readonly pid: number;
  readonly isPostmaster: boolean;
}

/** By command line, since reading another user's `/proc/<pid>/cwd` takes a capability that root in a container lacks. */
async function listServerProcesses(clusterDir: string): Promise<readonly ServerProcess[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const title = `postgres: ${toClusterName(clusterDir)}: `;
  const found = await Promise.all(
    pids.map(async (name): Promise<ServerProcess | undefined> => {
      const commandLine = (await findText(`/proc/${name}/cmdline`)) ?? "";
      const [program = "", flag, directory] = commandLine.split("\0");
      const isPostmaster = basename(program) === "postgres" && flag === "-D" && directory === clusterDir;
      return isPostmaster || commandLine.startsWith(title) ? { pid: Number(name), isPostmaster } : undefined;
    }),
  );
  return found.filter((entry) => entry !== undefined);
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (toErrno(error) !== "ESRCH") throw error;
  }
}

/** A killed parent's server is already in its fast shutdown, so the first wait is nearly always enough. */
const escalation: readonly { signal: NodeJS.Signals; postmasterOnly: boolean; waitMs: number }[] = [
  { signal: "SIGINT", postmasterOnly: true, waitMs: 15_000 },
  { signal: "SIGQUIT", postmasterOnly: false, waitMs: 5_000 },
  { signal: "SIGKILL", postmasterOnly: false, waitMs: 5_000 },
];

/**
 * Ends whatever still serves a cluster whose data directory this process has locked, and removes the pid file then: PostgreSQL takes any
 * live process of its user with that pid for a server. Never while one of the old processes lives, since the file also leads PostgreSQL to
 * their shared memory. Without /proc this is left to PostgreSQL.
 * @throws AppError `postgres_not_started` when they cannot be ended.
 */
export async function endLeftovers(clusterDir: string): Promise<void> {
  const pidFile = join(clusterDir, "postmaster.pid");
  if (process.platform !== "linux" || (await findText(pidFile)) === undefined) return;
  for (const { signal, postmasterOnly, waitMs } of escalation) {
    const processes = await listServerProcesses(clusterDir);
    for (const entry of processes) if (entry.isPostmaster || !postmasterOnly) sendSignal(entry.pid, signal);
    const deadline = performance.now() + waitMs;
    while (performance.now() < deadline) {
      if ((await listServerProcesses(clusterDir)).length === 0) return rm(pidFile, { force: true });
      await delay(20);
    }
  }
  throw postgresError("postgres_not_started", {
    message: `An earlier PostgreSQL on ${clusterDir} does not end. End the processes named "postgres: ${toClusterName(clusterDir)}" by hand.`,
    details: { clusterDir, pids: (await listServerProcesses(clusterDir)).map((entry) => entry.pid) },
  });
}
