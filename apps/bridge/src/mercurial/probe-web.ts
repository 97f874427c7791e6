/**
 * Hides how a web server that keeps configuration in memory is found out. Each repository's rules hold a number that
 * hgweb shows to every client; once the number in the file has changed, so must the one that is shown. An hgweb that
 * serves many repositories opens one anew at each request; one that serves a single repository does not.
 */
import { randomBytes, randomInt } from "node:crypto";
import { RESERVED_PREFIX } from "../accounts/account-name.ts";
import { toPasswordHash } from "../accounts/password.ts";

export interface WebProbe {
  /**
   * Lets the probe in while `task` runs, where it has yet to look at one of the repositories: by a password that nobody
   * knows and that is gone afterwards. `write` brings `passwordLine` into force.
   */
  admit(names: readonly string[], write: () => Promise<void>, task: () => Promise<void>): Promise<void>;
  /** The probe's line of the password file while it is let in. */
  readonly passwordLine: () => string | undefined;
  /** The number that belongs into the repository's rules. */
  generationOf(name: string): number;
  /** Changes the number, has it written, and looks; asks once, and again only after a fault. */
  findFault(name: string, write: () => Promise<void>): Promise<string | undefined>;
}

/** The account that the bridge itself comes in by. */
const PROBE = `${RESERVED_PREFIX}probe`;
/** The length of headers that clients may send: this much is always fine, and more as well. */
const LEAST = 1024;
const MOST = 8_000;
const DEADLINE_MS = 10_000;
/** A server may have several processes; each of these requests may come to another one. */
const REQUESTS = 4;

/** `base` is the address under which repositories lie by name; null leaves the question open. */
export function createWebProbe(base: string | null): WebProbe {
  const generations = new Map<string, number>();
  const proved = new Set<string>();
  const access: { password: string; line: string | undefined } = { password: "", line: undefined };
  const generationOf = (name: string): number => generations.get(name) ?? LEAST;

  async function look(name: string, write: () => Promise<void>): Promise<string | undefined> {
    const url = `${String(base)}/${name}?cmd=capabilities`;
    const authorization = `Basic ${Buffer.from(`${PROBE}:${access.password}`).toString("base64")}`;
    for (let count = 0; count < REQUESTS; count++) await readGeneration(url, authorization);
    generations.set(name, randomInt(LEAST + 1, MOST));
    await write();
    for (let count = 0; count < REQUESTS; count++) {
      const shown = await readGeneration(url, authorization);
      if (shown !== generationOf(name)) {
        return `${url} still shows what stood in the rules before: this hgweb serves a single repository and keeps its configuration in memory, so that removed rights would go on; serve it by an hgweb with [paths] or [collections]`;
      }
    }
    proved.add(name);
    return undefined;
  }

  return {
    generationOf,
    passwordLine: () => access.line,
    async admit(names, write, task) {
      if (base === null || names.every((name) => proved.has(name))) return task();
      access.password = randomBytes(24).toString("base64url");
      access.line = `${PROBE}:${await toPasswordHash(access.password, undefined)}`;
      try {
        await write();
        await task();
      } finally {
        access.line = undefined;
        await write();
      }
    },
    findFault: async (name, write) => (base === null || proved.has(name) ? undefined : look(name, write)),
  };
}

async function readGeneration(url: string, authorization: string): Promise<number> {
  const response = await fetch(url, {
    headers: { authorization },
    signal: AbortSignal.timeout(DEADLINE_MS),
    redirect: "error",
  });
  const text = await response.text();
  const value = /(?:^| )httpheader=(\d+)(?: |$)/u.exec(text)?.[1];
  if (response.status !== 200 || value === undefined)
    throw new Error(`${url} answers ${response.status} and is no Mercurial server that can be asked`);
  return Number(value);
}
