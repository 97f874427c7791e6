/** The public keys in gitolite's keydir, in a folder of the bridge's own: one folder for each place in a user's list. */
import { chown, mkdir, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { keysOf } from "../accounts/require-own-keys.ts";
import { isActive, type Snapshot } from "../state/snapshot.ts";
import { type FileOwnership, findText, isMissing, replaceFile } from "../state/write-file.ts";

/** What the folder must hold, by path below it. */
export function toKeyFiles({ users }: Snapshot): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const user of users.values()) {
    if (!isActive(user) || user.isFound) continue;
    for (const [index, key] of keysOf(user).entries()) files.set(`${index + 1}/${user.account}.pub`, `${key}\n`);
  }
  return files;
}

/** Brings the folder to it: what must go goes first. Resolves with whether anything changed. */
export async function writeKeyFiles(
  folder: string,
  wanted: ReadonlyMap<string, string>,
  owner: Pick<FileOwnership, "uid" | "gid">,
): Promise<boolean> {
  const held = await listFiles(folder);
  const gone = held.filter((path) => !wanted.has(path));
  for (const path of gone) await rm(join(folder, path));
  const changed = { count: gone.length };
  for (const [path, content] of wanted) {
    const file = join(folder, path);
    if ((await findText(file)) === content) continue;
    await makeFolder(dirname(file), owner);
    await replaceFile(file, content, { ...owner, mode: 0o600 });
    changed.count += 1;
  }
  return changed.count > 0;
}

async function makeFolder(folder: string, owner: Pick<FileOwnership, "uid" | "gid">): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (made === undefined || process.geteuid?.() !== 0) return;
  for (let path = folder; path.length >= made.length; path = dirname(path)) {
    if ((await stat(path)).uid !== owner.uid) await chown(path, owner.uid, owner.gid);
  }
}

async function listFiles(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
