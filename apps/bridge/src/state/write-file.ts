/** Hides how a file is replaced so that a reader, or a crash, sees the old text or the new one and never a part. */
import { randomBytes } from "node:crypto";
import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** Who owns a file, and its mode. */
export interface FileOwnership {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** The file's text; undefined where there is none. */
export async function findText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Owner and mode; undefined where there is no such file. */
export async function findOwnership(file: string): Promise<FileOwnership | undefined> {
  try {
    const { uid, gid, mode } = await stat(file);
    return { uid, gid, mode: mode & 0o7777 };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Replaces a file by rename, on the disk when this resolves. Where there is a file, its owner and mode are kept. */
export async function replaceFile(file: string, content: string | Uint8Array, absent: FileOwnership): Promise<void> {
  const { uid, gid, mode } = (await findOwnership(file)) ?? absent;
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await using handle = await open(temporary, "wx", 0o600);
    await handle.writeFile(content);
    const made = await handle.stat();
    if (made.uid !== uid || made.gid !== gid) await handle.chown(uid, gid);
    await handle.chmod(mode);
    await handle.sync();
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(file));
}

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, "r");
  await handle.sync();
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
