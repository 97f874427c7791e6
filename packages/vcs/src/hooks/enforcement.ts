/** How the hooks that decide are set up: who pushes, whom they ask with which token, and what holds without an answer. */
import { randomBytes } from "node:crypto";
import path from "node:path";
import { InvalidInputError, NotFoundError, parseDuration } from "@branchward/core";
import { readTextIfThere } from "./home.ts";

/** Part of `config.json`, as the agents read it. */
export interface Enforcement {
  /** Whoever the first of these names: `env:NAME`, `login`, and for Mercurial `url`. */
  readonly userFrom: readonly string[];
  /** By verb, how old a last known answer may be while Branchward is away; 0 denies. */
  readonly lastKnownMs: Readonly<Record<Verb, number>>;
  /** For the whole question. */
  readonly timeoutMs: number;
  /** Absolute, or relative to the home. */
  readonly tokenFile: string;
}

/** What of it is given at an installation, as text; null for what is left to the default or to what was there. */
export interface EnforceRequest {
  readonly userFrom: string | null;
  /** `push=last-known:15m,delete=deny`. */
  readonly onUnavailable: string | null;
  readonly timeout: string | null;
  /** A file with a token of scope `agent`, used where it is; else `token`, which is written to the home. */
  readonly tokenFile: string | null;
  readonly token: string | null;
}

type Verb = "create" | "push" | "force" | "delete";
const verbs: readonly Verb[] = ["create", "push", "force", "delete"];

/** A quarter of an hour bridges a restart, and is short against the life of a grant. */
const defaultLastKnownMs = { create: 0, push: 15 * 60_000, force: 0, delete: 0 };
const maxLastKnownMs = 7 * 24 * 3_600_000;
const defaultTimeoutMs = 2_000;
const maxTimeoutMs = 60_000;

const defaultUserFrom = {
  // What hosting software says of itself, then the web server, then the account.
  git: ["env:GL_USERNAME", "env:GL_USER", "env:PHABRICATOR_USER", "env:REMOTE_USER", "login"],
  hg: ["url", "env:HG_USERNAME", "env:REMOTE_USER", "login"],
} as const;

/** @throws InvalidInputError naming the option that cannot be understood. */
export function parseEnforcement(request: EnforceRequest, vcs: "git" | "hg", before: Enforcement | null): Enforcement {
  const { userFrom, onUnavailable, timeout, tokenFile, token } = request;
  return {
    userFrom: userFrom === null ? (before?.userFrom ?? defaultUserFrom[vcs]) : parseUserFrom(userFrom, vcs),
    lastKnownMs: { ...(before?.lastKnownMs ?? defaultLastKnownMs), ...parseOnUnavailable(onUnavailable) },
    timeoutMs: timeout === null ? (before?.timeoutMs ?? defaultTimeoutMs) : parseTimeout(timeout),
    tokenFile:
      tokenFile === null ? ((token === null ? before?.tokenFile : undefined) ?? "token") : path.resolve(tokenFile),
  };
}

function parseUserFrom(text: string, vcs: "git" | "hg"): readonly string[] {
  const sources = text.split(",").map((source) => source.trim());
  const wrong = sources.find(
    (source) =>
      !/^env:[A-Za-z_][A-Za-z0-9_]*$/.test(source) && source !== "login" && !(source === "url" && vcs === "hg"),
  );
  if (wrong === undefined) return sources;
  const known = vcs === "hg" ? "env:NAME, url or login" : "env:NAME or login";
  throw new InvalidInputError(`--user-from: ${JSON.stringify(wrong)} is not ${known}`);
}

function parseOnUnavailable(text: string | null): Partial<Record<Verb, number>> {
  const parts = text === null ? [] : text.split(",").map((part) => part.trim());
  return Object.fromEntries(parts.map(parseMode));
}

function parseMode(part: string): readonly [Verb, number] {
  const [name, mode = ""] = part.split("=", 2);
  const verb = verbs.find((each) => each === name);
  if (verb === undefined) {
    throw new InvalidInputError(`--on-unavailable: ${JSON.stringify(part)} does not begin with ${verbs.join("=, ")}=`);
  }
  if (mode === "deny") return [verb, 0];
  const ageMs = mode.startsWith("last-known:") ? parseDuration(mode.slice("last-known:".length)) : 0;
  if (ageMs > 0 && ageMs <= maxLastKnownMs) return [verb, ageMs];
  throw new InvalidInputError(
    `--on-unavailable: ${verb} is deny, or last-known:<duration> with at most 7d, as in last-known:15m`,
  );
}

function parseTimeout(text: string): number {
  const timeoutMs = parseDuration(text);
  if (timeoutMs > 0 && timeoutMs <= maxTimeoutMs) return timeoutMs;
  throw new InvalidInputError("--timeout is a duration of at most 60s, as in 500ms or 2s");
}

/** The secrets that belong into the home: the token where its text is given, and what kept answers are signed with. */
export async function readEnforcementSecrets(
  home: string,
  { tokenFile }: Enforcement,
  token: string | null,
): Promise<ReadonlyMap<string, string>> {
  const isKept = tokenFile === "token";
  const text = isKept && token !== null ? token : await readTextIfThere(path.resolve(home, tokenFile));
  if (text === undefined && !isKept) throw new NotFoundError(`No token file ${tokenFile}`);
  if (text === undefined || !/^\s*[\x21-\x7e]+\s*$/.test(text)) {
    throw new InvalidInputError(
      "No token: make one of scope agent (branchward token create NAME --scope agent), " +
        "and give --token-file or set BRANCHWARD_TOKEN",
      { code: "token_missing" },
    );
  }
  const key = (await readTextIfThere(path.join(home, "answers.key"))) ?? randomBytes(32).toString("base64url");
  return new Map([["answers.key", key], ...(isKept ? [["token", text.trim()] as const] : [])]);
}
