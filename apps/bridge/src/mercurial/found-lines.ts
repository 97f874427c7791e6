/**
 * Pure: lines of others in htpasswd and authorized_keys by which somebody comes in as an account. What is not wholly
 * understood is nobody's line: it is neither shown nor taken over.
 */
import { isAbsolute, resolve } from "node:path";
import { findNameProblem } from "../accounts/account-name.ts";
import type { FoundAccount } from "../accounts/found-account.ts";
import { findKeyProblem } from "../accounts/ssh-keys.ts";

/** The text of others in both files; undefined for a file that is not used. */
export interface OthersLines {
  readonly htpasswd: string | undefined;
  readonly authorizedKeys: string | undefined;
}

interface NamedLine {
  readonly account: string;
  /** A password's hash, or a key as `type base64`. */
  readonly secret: string;
}

/** `name:hash`, whatever the kind of hash is; undefined for another line. */
export function parsePasswordLine(line: string): NamedLine | undefined {
  const [, account = "", secret = ""] = /^([^:#\s]+):(\S+)$/u.exec(line) ?? [];
  return secret === "" || findNameProblem(account) !== undefined ? undefined : { account, secret };
}

/** Options that take nothing away which the bridge's own line would give, as sshd(8) names them. */
const PLAIN_OPTIONS = "(?:restrict|no-(?:port|agent|x11)-forwarding|no-pty|no-user-rc)";
const KEY_LINE = new RegExp(
  `^(?:${PLAIN_OPTIONS},)*command="([^"\\\\]*)"(?:,${PLAIN_OPTIONS})* ([a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2})(?: [^\\r]*)?$`,
  "iu",
);
const COMMAND =
  /^(?:cd ([\w./+-]+) && )?LOGNAME=([\w.+-]+) (?:exec )?(?:\/[\w./+-]+\/)?hg-ssh((?: [\w./+][\w./+-]*)+)$/u;

/**
 * A key that hg-ssh is run for with a `LOGNAME`, and with repositories of the bridge alone: over others, or with an
 * option such as `from=` or `--read-only`, the bridge's own line would be another right.
 */
export function parseKeyLine(line: string, repositories: ReadonlySet<string>): NamedLine | undefined {
  const [, command = "", secret = ""] = KEY_LINE.exec(line) ?? [];
  const [, root = "", account = "", listed = ""] = COMMAND.exec(command) ?? [];
  if (account === "" || findNameProblem(account) !== undefined || findKeyProblem(secret) !== undefined)
    return undefined;
  const paths = listed.trim().split(" ");
  if (root === "" && !paths.every(isAbsolute)) return undefined;
  return paths.every((path) => repositories.has(resolve("/", root, path))) ? { account, secret } : undefined;
}

/** Who comes in by these lines. */
export function listFoundAccounts(
  { htpasswd = "", authorizedKeys = "" }: OthersLines,
  repositories: ReadonlySet<string>,
): readonly FoundAccount[] {
  const passwords = new Map<string, string>();
  const keys = new Map<string, string[]>();
  for (const line of htpasswd.split("\n")) {
    const found = parsePasswordLine(line);
    // A web server takes the first line of a name.
    if (found !== undefined && !passwords.has(found.account)) passwords.set(found.account, found.secret);
  }
  for (const line of authorizedKeys.split("\n")) {
    const found = parseKeyLine(line, repositories);
    if (found !== undefined) keys.set(found.account, [...(keys.get(found.account) ?? []), found.secret]);
  }
  return [...new Set([...passwords.keys(), ...keys.keys()])].map((account) => {
    const password = passwords.get(account);
    return {
      account,
      native: { ...(password === undefined ? {} : { password }), keys: [...new Set(keys.get(account))] },
    };
  });
}

/** The text of htpasswd without the lines of an account that is taken over: only what was shown of it goes. */
export function withoutPassword(text: string, { account, native }: FoundAccount): string {
  const lines = text.split("\n");
  const index = lines.findIndex((line) => parsePasswordLine(line)?.account === account);
  const isShown = index !== -1 && parsePasswordLine(lines[index] ?? "")?.secret === native.password;
  return isShown ? lines.toSpliced(index, 1).join("\n") : text;
}

/** The text of authorized_keys without the lines of an account that is taken over. */
export function withoutKeys(
  text: string,
  { account, native }: FoundAccount,
  repositories: ReadonlySet<string>,
): string {
  const isShown = (line: string): boolean => {
    const found = parseKeyLine(line, repositories);
    return found?.account === account && native.keys.includes(found.secret);
  };
  return text
    .split("\n")
    .filter((line) => !isShown(line))
    .join("\n");
}

/** Accounts that any line lets in, understood or not, in lower case. */
export function listNamedAccounts({ htpasswd = "", authorizedKeys = "" }: OthersLines): ReadonlySet<string> {
  const passwords = htpasswd.split("\n").map((line) => (line.startsWith("#") ? "" : (line.split(":", 1)[0] ?? "")));
  const keys = authorizedKeys.split("\n").flatMap(listLogNames);
  return new Set([...passwords, ...keys].filter((name) => name !== "").map((name) => name.toLowerCase()));
}

/** Every account that a line of authorized_keys names. */
export function listLogNames(line: string): readonly string[] {
  if (/^\s*#/u.test(line)) return [];
  return [...line.matchAll(/\bLOGNAME=["']?([\w.+-]+)/gu)].map((match) => match[1] ?? "");
}
