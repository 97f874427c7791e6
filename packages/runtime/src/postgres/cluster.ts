/** A cluster on disk: made whole or not at all, reachable with one password over loopback only. */
import { randomBytes, randomUUID } from "node:crypto";
import { chown, mkdir, readdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { once } from "node:events";
import { postgresEnv, runAs, type Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { spawnGuarded } from "./guarded-process.ts";
import { postgresError, toOutputTail } from "./postgres-error.ts";
import { findText, toErrno } from "./process-identity.ts";

/** The superuser and the database of every embedded cluster. */
export const clusterUser = "branchward";
export const clusterDatabase = "branchward";

/** A cluster that a server can be started on. */
export interface Cluster {
  readonly clusterDir: string;
  readonly password: string;
}

interface ClusterRequest {
  readonly binaries: Binaries;
  readonly account: Account;
  readonly dataDir: string;
  readonly clusterDir: string;
}

/** Loopback with the password, and nothing else. */
const hostAccess = "host all all 127.0.0.1/32 scram-sha-256\n";

async function writePassword(passwordFile: string): Promise<string> {
  const password = randomBytes(24).toString("base64url");
  // Written aside and renamed: never half a password, and never through a link planted under the final name.
  const temporary = `${passwordFile}.${randomUUID()}`;
  await writeFile(temporary, `${password}\n`, { flag: "wx", mode: 0o600 });
  await rename(temporary, passwordFile);
  return password;
}

async function runInitdb({ binaries, account, clusterDir }: ClusterRequest): Promise<void> {
  const locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
  const access = [`--username=${clusterUser}`, "--auth-local=reject", "--auth-host=scram-sha-256"];
  const child = spawnGuarded({
    command: binaries.initdb,
    args: ["-D", clusterDir, ...access, ...locale, "--data-checksums", "--no-instructions"],
    env: postgresEnv,
    cwd: "/",
    ...account.ids,
  });
  const closed = once(child, "close");
  const [stdout, stderr] = await Promise.all([
    child.stdout ? text(child.stdout) : "",
    child.stderr ? text(child.stderr) : "",
    closed,
  ]);
  if (child.exitCode === 0) return;
  throw toClusterError(`PostgreSQL's cluster cannot be made in ${clusterDir}`, `${stdout}${stderr}`, clusterDir);
}

/** Runs statements, one a line, without a server: so a password is set before anything listens. */
async function runSingleUser(
  { binaries, account, clusterDir }: ClusterRequest,
  statements: readonly string[],
): Promise<void> {
  const settings = ["exit_on_error=on", "log_min_error_statement=panic", "io_method=sync"].flatMap((setting) => [
    "-c",
    setting,
  ]);
  const { code, output } = await runAs(
    account,
    binaries.postgres,
    ["--single", "-D", clusterDir, ...settings, "postgres"],
    statements.map((statement) => `${statement}\n`).join(""),
  );
  if (code !== 0) throw toClusterError(`PostgreSQL's cluster in ${clusterDir} cannot be set up`, output, clusterDir);
}

function toClusterError(problem: string, output: string, clusterDir: string) {
  return postgresError("postgres_cluster_unusable", {
    message: `${problem}:\n${toOutputTail(output)}\nCheck the free space and the permissions there, or set DATABASE_URL.`,
    details: { clusterDir },
  });
}

async function createCluster(request: ClusterRequest, password: string): Promise<void> {
  const { clusterDir, account } = request;
  const parent = dirname(clusterDir);
  const unfinished = `${basename(clusterDir)}.new-`;
  for (const name of await readdir(parent)) {
    if (name.startsWith(unfinished)) await rm(join(parent, name), { recursive: true, force: true, maxRetries: 5 });
  }
  const temporary = join(parent, `${unfinished}${randomBytes(4).toString("hex")}`);
  await mkdir(temporary, { mode: 0o700 });
  try {
    if (account.ids !== null) await chown(temporary, account.ids.uid, account.ids.gid);
    const atTemporary = { ...request, clusterDir: temporary };
    await runInitdb(atTemporary);
    await writeFile(join(temporary, "pg_hba.conf"), hostAccess);
    await runSingleUser(atTemporary, [
      `ALTER ROLE ${clusterUser} PASSWORD '${password}';`,
      `CREATE DATABASE ${clusterDatabase};`,
    ]);
    await rename(temporary, clusterDir);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Whether a cluster stands there. Never ours to remove: a directory that holds anything else. */
async function hasCluster({ clusterDir, binaries }: ClusterRequest): Promise<boolean> {
  const version = (await findText(join(clusterDir, "PG_VERSION")))?.trim();
  if (version === binaries.major) return true;
  if (version !== undefined) {
    throw postgresError("postgres_cluster_unusable", {
      message: `The cluster in ${clusterDir} is of PostgreSQL ${version}, and this Branchward brings ${binaries.major}. Dump it with PostgreSQL ${version} and load it into a new data directory.`,
      details: { clusterDir, version },
    });
  }
  try {
    await rmdir(clusterDir);
  } catch (cause) {
    if (toErrno(cause) === "ENOENT") return false;
    throw postgresError("postgres_cluster_unusable", {
      message: `${clusterDir} holds something that is not a PostgreSQL cluster. Move it away.`,
      details: { clusterDir },
      cause,
    });
  }
  return false;
}

/**
 * Opens the cluster, made anew where there is none; one whose making was cut off is made again. The password is kept, 0600, in the data
 * directory; where it was lost a new one is set. No server may be running on the cluster.
 * @throws AppError `postgres_cluster_unusable`.
 */
export async function openCluster(request: ClusterRequest): Promise<Cluster> {
  const passwordFile = join(request.dataDir, "postgres-password");
  const kept = (await findText(passwordFile))?.trim();
  const exists = await hasCluster(request);
  const password = kept ?? (await writePassword(passwordFile));
  if (!exists) await createCluster(request, password);
  else if (kept === undefined) await runSingleUser(request, [`ALTER ROLE ${clusterUser} PASSWORD '${password}';`]);
  return { clusterDir: request.clusterDir, password };
}
