/** The public keys in gitolite's keydir that are not the bridge's: those of the gitolite-admin repository. */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { findNameProblem } from "../accounts/account-name.ts";
import type { FoundAccount } from "../accounts/found-account.ts";
import { findKeyProblem } from "../accounts/ssh-keys.ts";
import { findText, isMissing } from "../state/write-file.ts";

/** Who comes in by them; undefined where there is no such folder. */
export async function listFoundKeys(keydir: string, own: string): Promise<readonly FoundAccount[] | undefined> {
  const files = await listKeyFiles(keydir, own);
  if (files === undefined) return undefined;
  const keys = new Map<string, string[]>();
  for (const file of files) {
    const account = toAccount(file);
    if (findNameProblem(account) !== undefined) continue;
    const held = keys.get(account) ?? [];
    keys.set(account, held);
    const key = ((await findText(file)) ?? "").trim().split(" ", 2).join(" ");
    if (findKeyProblem(key) === undefined && !held.includes(key)) held.push(key);
  }
  return [...keys].map(([account, held]) => ({ account, native: { keys: held } }));
}

/** As gitolite names them: `alice.pub` and `alice@laptop.pub` are alice's. */
function toAccount(file: string): string {
  return basename(file).replace(/(?:@[^.]+)?\.pub$/u, "");
}

async function listKeyFiles(keydir: string, own: string): Promise<readonly string[] | undefined> {
  try {
    const entries = await readdir(keydir, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && entry.name.endsWith(".pub"))
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => !file.startsWith(`${own}/`))
      .toSorted();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
