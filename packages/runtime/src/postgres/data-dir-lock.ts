/** One live Branchward per data directory. */
import { randomUUID } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { postgresError } from "./postgres-error.ts";
import { findProcessIdentity, findText, toErrno } from "./process-identity.ts";

/** Name of the lock in the data directory: a line with the holder's pid, one with its identity, one unique to this hold. */
export const lockFileName = "branchward.lock";

async function linkIfFree(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (toErrno(error) === "EEXIST") return false;
    throw error;
  }
}

async function findLiveHolder(content: string): Promise<number | undefined> {
  const [pid, identity] = content.split("\n");
  if (pid === undefined || !/^\d+$/.test(pid)) return undefined;
  return (await findProcessIdentity(Number(pid))) === identity ? Number(pid) : undefined;
}

/** Moves a dead holder's lock away. Another starter may have replaced it since it was read: then it is put back. */
async function removeStale(lockFile: string, staleContent: string): Promise<void> {
  const moved = `${lockFile}.${randomUUID()}`;
  try {
    await rename(lockFile, moved);
  } catch (error) {
    if (toErrno(error) === "ENOENT") return;
    throw error;
  }
  if ((await readFile(moved, "utf8")) !== staleContent) await linkIfFree(moved, lockFile);
  await rm(moved);
}

/**
 * Takes a data directory for this process until disposed; a lock whose holder is dead is taken over.
 * @throws AppError `data_dir_in_use` naming the live holder's pid.
 */
export async function lockDataDir(dataDir: string): Promise<AsyncDisposable> {
  const lockFile = join(dataDir, lockFileName);
  const content = `${process.pid}\n${await findProcessIdentity(process.pid)}\n${randomUUID()}\n`;
  const candidate = `${lockFile}.${randomUUID()}`;
  await writeFile(candidate, content, { flag: "wx", mode: 0o600 });
  try {
    while (!(await linkIfFree(candidate, lockFile))) {
      const held = await findText(lockFile);
      if (held === undefined) continue;
      const pid = await findLiveHolder(held);
      if (pid !== undefined) throw toInUseError(dataDir, pid);
      await removeStale(lockFile, held);
    }
  } finally {
    await rm(candidate);
  }
  return {
    async [Symbol.asyncDispose]() {
      if ((await findText(lockFile)) === content) await rm(lockFile);
    },
  };
}

function toInUseError(dataDir: string, pid: number) {
  return postgresError("data_dir_in_use", {
    message: `The data directory ${dataDir} is in use by Branchward with pid ${pid}. Stop that one, or set BRANCHWARD_DATA_DIR to another directory.`,
    details: { dataDir, pid },
  });
}
