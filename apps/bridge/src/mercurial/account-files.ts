/** The two files by which people come in: htpasswd for http, authorized_keys for ssh. */
import { type JsonObject, type JsonValue, ScimError } from "@branchward/scim";
import { z } from "zod";
import { toIndexLine } from "../files/index-line.ts";
import { joinBlock, splitBlock } from "../files/managed-block.ts";
import type { FoundAccount } from "../accounts/found-account.ts";
import type { WantedFile } from "../files/replace-files.ts";
import { type HeldUser, isActive, type Snapshot } from "../state/snapshot.ts";
import type { FileOwnership } from "../state/write-file.ts";
import { listLogNames, withoutKeys, withoutPassword } from "./found-lines.ts";

export interface AccountFilesOptions {
  readonly htpasswd: string | null;
  readonly authorizedKeys: string | null;
  /** What a key may run: an absolute path of plain characters. */
  readonly command: string;
  /** Absolute paths of the repositories that it is run for. */
  readonly repositories: ReadonlySet<string>;
  readonly owner: Pick<FileOwnership, "uid" | "gid">;
  /** A further line of the password file. */
  readonly passwordLine: () => string | undefined;
}

const nativeShape = z.object({ password: z.string().optional(), keys: z.array(z.string()).default([]) });

/** What a target keeps of an account. */
export type AccountSecrets = z.output<typeof nativeShape>;

/** The secrets of a held user. */
export function secretsOf(native: JsonObject): AccountSecrets {
  return nativeShape.parse(native);
}

export function toNative({ password, keys }: AccountSecrets): JsonObject {
  const listed: readonly JsonValue[] = keys;
  return password === undefined ? { keys: listed } : { password, keys: listed };
}

/** What a change brings into the files. */
export interface IncomingAccounts {
  /** Users whose lines are new, which nobody else's lines may pass over. */
  readonly users: readonly HeldUser[];
  /** Accounts that were found, whose lines the bridge's take the place of. */
  readonly adopted: readonly FoundAccount[];
}

export const NOBODY_INCOMING: IncomingAccounts = { users: [], adopted: [] };

/** The files as they must be. */
export function toAccountFiles(
  options: AccountFilesOptions,
  { users }: Snapshot,
  incoming: IncomingAccounts,
): readonly WantedFile[] {
  const { htpasswd, authorizedKeys, command, repositories, owner, passwordLine } = options;
  const all = [...users.values()];
  const index = all.map(toUserIndex);
  const passwords = all.flatMap(toPasswordLine);
  const keys = all.flatMap((user) => toKeyLines(user, command));
  const files: WantedFile[] = [];
  if (htpasswd !== null) {
    const content = (current = ""): string => {
      const others = incoming.adopted.reduce(withoutPassword, splitBlock(current).others);
      for (const user of incoming.users) requireNoPasswordLine(others, user, htpasswd);
      return joinBlock(others, [...index, ...passwords, ...[passwordLine() ?? []].flat()]);
    };
    files.push({ path: htpasswd, content, absent: { ...owner, mode: 0o640 } });
  }
  if (authorizedKeys !== null) {
    const content = (current = ""): string => {
      const { others: before } = splitBlock(current);
      const others = incoming.adopted.reduce((text, one) => withoutKeys(text, one, repositories), before);
      for (const user of incoming.users) requireNoKeyLine(others, user, authorizedKeys);
      return joinBlock(others, htpasswd === null ? [...index, ...keys] : keys);
    };
    files.push({ path: authorizedKeys, content, absent: { ...owner, mode: 0o600 } });
  }
  return files;
}

/** An account that is not active keeps its secrets in a comment, so that it can be made active again. */
function toUserIndex(user: HeldUser): string {
  if (user.isFound) return toIndexLine({ found: user.id, account: user.account });
  const { userName, externalId } = user.attributes;
  const kept = isActive(user) ? {} : { active: false, native: user.native };
  return toIndexLine({ user: user.id, account: user.account, userName, externalId, ...kept });
}

/** The lines of an account that nobody adopted are those of others. */
function isOurs(user: HeldUser): boolean {
  return isActive(user) && user.isFound !== true;
}

function toPasswordLine(user: HeldUser): readonly string[] {
  const { password } = secretsOf(user.native);
  return isOurs(user) && password !== undefined ? [`${user.account}:${password}`] : [];
}

/** `restrict` takes away forwarding and terminals; acl takes who pushes from LOGNAME. */
function toKeyLines(user: HeldUser, command: string): readonly string[] {
  if (!isOurs(user)) return [];
  const { keys } = secretsOf(user.native);
  return keys.map((key) => `restrict,command="LOGNAME=${user.account} exec ${command}" ${key} ${user.account}`);
}

/** A web server takes the first line of a name. @throws ScimError 409 */
function requireNoPasswordLine(others: string, user: HeldUser, file: string): void {
  if (!others.split("\n").some((line) => line.split(":", 1)[0] === user.account)) return;
  throw new ScimError(
    409,
    `${file} has a line for ${user.account} that is not the bridge's; remove it first`,
    "uniqueness",
  );
}

/** sshd takes the first line of a key, and any line that names the account lets in as it. @throws ScimError 409 */
function requireNoKeyLine(others: string, user: HeldUser, file: string): void {
  const blobs = secretsOf(user.native).keys.map((key) => key.split(" ")[1] ?? "");
  const lines = others.split("\n");
  const index = lines.findIndex(
    (line) => blobs.some((blob) => line.includes(blob)) || listLogNames(line).includes(user.account),
  );
  if (index === -1) return;
  throw new ScimError(
    409,
    `${file} has a line for ${user.account} that is not the bridge's (${index + 1} of those that are not); remove it first`,
    "uniqueness",
  );
}
