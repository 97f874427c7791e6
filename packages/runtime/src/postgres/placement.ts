/** Where a data directory's cluster lives, so that the user PostgreSQL runs as can reach it and nobody else. */
import { createHash, randomBytes } from "node:crypto";
import { chmod, chown, lstat, mkdir, readdir, readlink, realpath, stat, symlink } from "node:fs/promises";
import type { Stats } from "node:fs";
import { dirname, join } from "node:path";
import { canEnter, type Account } from "./account.ts";
import { postgresError } from "./postgres-error.ts";
import { toErrno } from "./process-identity.ts";

/** For what root's PostgreSQL cannot reach elsewhere: copied programs, and clusters. */
export const systemDir = "/var/lib/branchward";

/** Makes a directory that everybody may enter, whatever the umask; one that is there stays as it is. */
export async function makeEnterable(directory: string): Promise<void> {
  if ((await mkdir(directory, { recursive: true })) !== undefined) await chmod(directory, 0o755);
}

/** A data directory ready for use: mode 0700. */
export interface DataDir {
  /** Absolute, without symbolic links. */
  readonly path: string;
  /** True when nothing was in it, so that it may be given to PostgreSQL's user. */
  readonly isFresh: boolean;
}

/** A place chosen for a cluster. */
export interface Placement {
  readonly clusterDir: string;
  readonly notes: readonly string[];
}

/**
 * Makes the data directory, or closes an existing one to others.
 * @throws AppError `data_dir_unusable` for a file, a shared directory such as /tmp, or another user's directory.
 */
export async function openDataDir(dataDir: string): Promise<DataDir> {
  try {
    await mkdir(dirname(dataDir), { recursive: true });
    await mkdir(dataDir, { mode: 0o700 }).catch(ignoreExisting);
    const path = await realpath(dataDir);
    const { mode, uid } = await stat(path);
    const own = process.getuid?.() ?? uid;
    if ((mode & 0o1000) !== 0) throw toUnusableError(dataDir, "it is shared with other users");
    if (own !== 0 && uid !== own) throw toUnusableError(dataDir, `it belongs to another user (uid ${uid})`);
    if ((mode & 0o777) !== 0o700) await chmod(path, 0o700);
    return { path, isFresh: (await readdir(path)).length === 0 };
  } catch (cause) {
    if (toErrno(cause) === undefined) throw cause;
    throw toUnusableError(dataDir, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function ignoreExisting(error: unknown): void {
  if (toErrno(error) !== "EEXIST") throw error;
}

function toUnusableError(dataDir: string, reason: string, cause?: unknown) {
  return postgresError("data_dir_unusable", {
    message: `The data directory ${dataDir} cannot be used: ${reason}. Set BRANCHWARD_DATA_DIR to a new directory of your own.`,
    details: { dataDir },
    cause,
  });
}

async function findEntry(path: string, look: (path: string) => Promise<Stats> = lstat): Promise<Stats | undefined> {
  try {
    return await look(path);
  } catch (error) {
    if (toErrno(error) === "ENOENT") return undefined;
    throw error;
  }
}

const clusterEntry = "postgres";

/** The owner of the cluster that `<data dir>/postgres` is or leads to, or null when there is none. */
export async function findClusterOwner(dataDir: DataDir): Promise<{ uid: number; gid: number } | null> {
  const entry = await findEntry(join(dataDir.path, clusterEntry), stat);
  return entry?.isDirectory() ? { uid: entry.uid, gid: entry.gid } : null;
}

/**
 * `<data dir>/postgres` is the cluster, or a symbolic link to it under `systemDir` where PostgreSQL's user cannot enter the data directory.
 * The choice is made once and kept.
 * @throws AppError `data_dir_unusable` when PostgreSQL's user can no longer enter the data directory that holds its cluster.
 */
export async function placeCluster(dataDir: DataDir, account: Account): Promise<Placement> {
  const path = join(dataDir.path, clusterEntry);
  const entry = await findEntry(path);
  if (entry?.isSymbolicLink()) {
    const clusterDir = await readlink(path);
    const notes = await placeInSystem(clusterDir, dataDir, account);
    const isGone = (await findEntry(clusterDir)) === undefined;
    return { clusterDir, notes: isGone ? [...notes, "It is not there any more: an empty one is made."] : notes };
  }
  if (account.ids === null) return { clusterDir: path, notes: [] };
  if (entry !== undefined) {
    if (await canEnter(account, dataDir.path)) return { clusterDir: path, notes: [] };
    throw toUnusableError(
      dataDir.path,
      `PostgreSQL's user (${account.name}) can no longer enter it, and its cluster is there`,
    );
  }
  if (dataDir.isFresh && (await canEnter(account, dirname(dataDir.path)))) {
    await chown(dataDir.path, account.ids.uid, account.ids.gid);
  }
  if (await canEnter(account, dataDir.path)) return { clusterDir: path, notes: [] };
  const hash = createHash("sha256").update(dataDir.path).digest("hex").slice(0, 12);
  // The random part keeps a data directory that was removed and made again from finding its former cluster.
  const clusterDir = join(systemDir, `${hash}-${randomBytes(4).toString("hex")}`);
  await symlink(clusterDir, path);
  return { clusterDir, notes: await placeInSystem(clusterDir, dataDir, account) };
}

async function placeInSystem(clusterDir: string, dataDir: DataDir, account: Account): Promise<readonly string[]> {
  await makeEnterable(dirname(clusterDir));
  return [`The cluster is in ${clusterDir}, since ${account.name} cannot enter ${dataDir.path}.`];
}
