/** What is looked up once of the machine: Mercurial's Python, who serves each repository, who owns what is written. */
import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ConfigurationError } from "@branchward/core";
import { findText, isMissing } from "../state/write-file.ts";
import type { MercurialConfiguration, MercurialRepository } from "./configuration.ts";

const run = promisify(execFile);

/** A user of this machine. */
export interface UnixUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export interface MercurialHost {
  /** The Python that Mercurial runs on. */
  readonly python: string;
  /** Who serves a repository: each of them must see the same rules. */
  readonly serversOf: (repository: MercurialRepository) => readonly UnixUser[];
}

/** @throws {ConfigurationError} for a program, a repository or a user that is not there */
export async function inspectHost(configuration: MercurialConfiguration): Promise<MercurialHost> {
  const python = await findPython(configuration.hg);
  const users = await listUnixUsers();
  const servers = new Map<string, readonly UnixUser[]>();
  for (const repository of configuration.repositories) {
    const found = await listServers(repository, configuration.user, users);
    for (const { uid, name } of found) requireReachable(uid, name);
    servers.set(repository.name, found);
  }
  return { python, serversOf: ({ name }) => servers.get(name) ?? [] };
}

async function findPython(hg: string): Promise<string> {
  try {
    const { stdout } = await run(hg, ["debuginstall", "-T", "{pythonexe}"], {
      timeout: 30_000,
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", HGPLAIN: "1", LANG: "C.UTF-8" },
    });
    const python = stdout.trim().split("\n").at(-1) ?? "";
    if (!python.startsWith("/")) throw new Error("it does not say on which Python it runs");
    return python;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
    throw new ConfigurationError(`mercurial.hg: ${hg} cannot be used: ${why}`, { cause });
  }
}

async function listServers(
  { name, path }: MercurialRepository,
  wanted: readonly string[],
  users: readonly UnixUser[],
): Promise<readonly UnixUser[]> {
  const owner = await stat(join(path, ".hg")).catch((cause: unknown) => {
    const why = isMissing(cause)
      ? "is no Mercurial repository: it has no .hg"
      : `cannot be looked at: ${String(cause)}`;
    throw new ConfigurationError(`mercurial.repositories: ${path} (${name}) ${why}`, { cause });
  });
  if (wanted.length === 0) {
    const found = users.find(({ uid }) => uid === owner.uid);
    if (found === undefined)
      throw new ConfigurationError(
        `mercurial.user: ${path} is owned by ${owner.uid}, which is no user; say who serves it`,
      );
    return [found];
  }
  return wanted.map((user) => {
    const found = users.find((each) => each.name === user);
    if (found === undefined) throw new ConfigurationError(`mercurial.user: there is no user ${user} on this machine`);
    return found;
  });
}

/** Only root can be somebody else. */
function requireReachable(uid: number, name: string): void {
  const own = process.geteuid?.();
  if (own === 0 || own === uid) return;
  throw new ConfigurationError(
    `mercurial.user: the repositories are served by ${name}; run the bridge as ${name} or as root, so that it can ask Mercurial as ${name}`,
  );
}

async function listUnixUsers(): Promise<readonly UnixUser[]> {
  const text = (await findText("/etc/passwd")) ?? "";
  return text.split("\n").flatMap((line) => {
    const [name = "", , uid, gid] = line.split(":");
    return name === "" ? [] : [{ name, uid: Number(uid), gid: Number(gid) }];
  });
}
