/** A PostgreSQL server as Debian packages it, on a cluster of the test's own. */
import { spawnSync } from "node:child_process";
import { chownSync, globSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { findFreePort, spawnGuarded } from "@branchward/runtime/postgres";
import pg from "pg";

export interface DebianPostgres extends AsyncDisposable {
  /** Of an empty database. */
  readonly url: string;
}

/** PostgreSQL refuses to run as root; the package brings the account. */
function findAccount(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = ["-u", "-g"].map((flag) =>
    Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout),
  );
  if (uid === undefined || gid === undefined || !uid || !gid) throw new Error("there is no account postgres");
  return { uid, gid };
}

function findBinaries(): string {
  const [server] = globSync("/usr/lib/postgresql/*/bin/postgres");
  if (server === undefined) throw new Error("Debian's PostgreSQL is not installed: apt-get install postgresql");
  return dirname(server);
}

/** Makes a cluster in `directory`, whose parents everybody may enter, and serves it until disposed or this process ends. */
export async function startDebianPostgres(directory: string): Promise<DebianPostgres> {
  const binaries = findBinaries();
  const account = findAccount();
  const data = join(directory, "postgres");
  await mkdir(data, { recursive: true, mode: 0o700 });
  if (account !== undefined) chownSync(data, account.uid, account.gid);
  const options = { ...account, cwd: data, env: { PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8" } };
  const made = spawnSync(join(binaries, "initdb"), ["-D", data, "--auth=trust", "--username=postgres"], {
    ...options,
    encoding: "utf8",
  });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const port = await findFreePort();
  const settings = [
    `listen_addresses=127.0.0.1`,
    `port=${port}`,
    "unix_socket_directories=",
    "max_connections=200",
    "fsync=off",
  ];
  const args = ["-D", data, ...settings.flatMap((setting) => ["-c", setting])];
  const child = spawnGuarded({ command: join(binaries, "postgres"), args, ...options });
  child.stdout?.resume();
  child.stderr?.resume();
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
  });
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  await waitUntilAnswering(url);
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill("SIGINT");
      await ended;
    },
  };
}

async function waitUntilAnswering(url: string): Promise<void> {
  const until = performance.now() + 30_000;
  for (;;) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
    }
  }
}
