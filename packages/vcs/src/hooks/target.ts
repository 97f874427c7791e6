/** Finding the repository that hooks go into, and what it is to its neighbours. */
import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import path from "node:path";
import { ConflictError, InvalidInputError, NotFoundError } from "@branchward/core";
import { findRepositoryName as findGitRepositoryName, parseConfig } from "./agent/git-checkout.js";
import { findRepositoryName as findHgRepositoryName } from "./agent/hg-update.js";
import { readSettings } from "./agent/hgrc.js";
import { defaultRepositoryName } from "./agent/names.js";

export type HookRole = "client" | "server" | "global";

/** The variables of the process that installs, as its main file read them. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface GitTarget {
  readonly vcs: "git";
  /** The directory that all worktrees share. */
  readonly commonDir: string;
  readonly isBare: boolean;
  /** Where a hook runs: the top of the working copy, or the bare repository. */
  readonly root: string;
}

export interface HgTarget {
  readonly vcs: "hg";
  readonly root: string;
}

export type Target = GitTarget | HgTarget;

/**
 * The repository that `location` is in; of two, one inside the other, the inner one.
 * @throws NotFoundError where there is none.
 */
export async function getTarget(location: string, env: Environment): Promise<Target> {
  const at = path.resolve(location);
  const [git, hg] = await Promise.all([findGit(at, env), findHg(at)]);
  if (git !== undefined && hg !== undefined) return git.root.length > hg.root.length ? git : hg;
  const target = git ?? hg;
  if (target === undefined) throw new NotFoundError(`No git or Mercurial repository at ${at}`);
  return target;
}

/** The name under which the hooks will tell of the repository if nobody gives one (contract, Hooks). */
export async function findDefaultName(target: Target, role: HookRole, env: Environment): Promise<string | null> {
  if (role === "server")
    return defaultRepositoryName(target.vcs === "git" && target.isBare ? target.commonDir : target.root);
  if (target.vcs === "hg") return findHgRepositoryName(readSettings(path.join(target.root, ".hg"), env), target.root);
  const config = await runGit(target.root, ["config", "-z", "--list"], env);
  const head = await runGit(target.root, ["symbolic-ref", "-q", "HEAD"], env);
  const branch = head?.trimEnd().replace(/^refs\/heads\//, "") ?? null;
  return findGitRepositoryName(parseConfig(Buffer.from(config ?? "")), { branch, cwd: target.root });
}

/**
 * The directory in which git looks for the hooks of this repository.
 * @throws ConflictError where hooks written there would not be this repository's own, with what to do instead.
 */
export async function getHooksDirectory(target: GitTarget, env: Environment): Promise<string> {
  const own = toOwnHooks(target);
  const setting = await findHooksPath(target, env);
  if (setting === undefined || setting.directory === own) return own;
  const { isLocal, directory } = setting;
  if (!isLocal) return await getOwnBehindGlobal(directory, own);
  const isInWorkingCopy = !target.isBare && isBelow(directory, target.root) && !isBelow(directory, target.commonDir);
  if (isInWorkingCopy) {
    throw new ConflictError(
      `core.hooksPath of this repository is ${directory}, in the working copy: those files belong to the project or to ` +
        "a tool that rewrites them (husky, lefthook). Take it away (git config --unset core.hooksPath), " +
        "or use --server hooks",
      { code: "hooks_path_in_working_copy" },
    );
  }
  return directory;
}

/** Every directory in which hooks of this repository may have been written, now or under an earlier setting. */
export async function listHooksDirectories(target: GitTarget, env: Environment): Promise<readonly string[]> {
  const setting = await findHooksPath(target, env);
  return [...new Set([toOwnHooks(target), ...(setting?.isLocal ? [setting.directory] : [])])];
}

function toOwnHooks(target: GitTarget): string {
  return path.join(target.commonDir, "hooks");
}

async function findHooksPath(
  target: GitTarget,
  env: Environment,
): Promise<{ readonly isLocal: boolean; readonly directory: string } | undefined> {
  const setting = await runGit(target.root, ["config", "--show-scope", "--type=path", "--get", "core.hooksPath"], env);
  if (setting === undefined) return undefined;
  const [scope = "", value = ""] = setting.trimEnd().split("\t");
  return { isLocal: scope === "local" || scope === "worktree", directory: path.resolve(target.root, value) };
}

function isBelow(directory: string, parent: string): boolean {
  return `${directory}/`.startsWith(`${parent}/`);
}

/** Behind our global stubs the repository's own hooks still run; behind anybody else's they never do. */
async function getOwnBehindGlobal(directory: string, own: string): Promise<string> {
  const isOurs = await stat(path.join(path.dirname(directory), "agent", "agent.js")).then(
    () => true,
    () => false,
  );
  if (isOurs) return own;
  throw new ConflictError(
    `core.hooksPath is set to ${directory} for every repository of this user, so the hooks of this one never run. ` +
      `Use --global, or give it its own back (git config core.hooksPath ${own})`,
    { code: "hooks_path_global" },
  );
}

/** The output of git, undefined where it fails. Never the repository that a surrounding hook has in its environment. */
export async function runGit(cwd: string, args: readonly string[], env: Environment): Promise<string | undefined> {
  const outside = Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^GIT_(?:DIR|WORK_TREE|PREFIX)$/.test(name)),
  );
  return await new Promise((resolve) => {
    // The user named this repository: that it belongs to somebody else (root installs for a service) is no obstacle.
    execFile("git", ["-c", "safe.directory=*", ...args], { cwd, env: outside }, (error, stdout) => {
      resolve(error === null ? stdout : undefined);
    });
  });
}

async function findGit(at: string, env: Environment): Promise<GitTarget | undefined> {
  const query = ["rev-parse", "--path-format=absolute", "--git-common-dir", "--is-bare-repository"];
  const output = await runGit(at, query, env);
  const [commonDir, bare] = output?.split("\n") ?? [];
  if (commonDir === undefined || commonDir === "") return undefined;
  if (/[\n\r]/.test(at)) throw new InvalidInputError("The path of the repository holds a line break");
  const isBare = bare === "true";
  const top = isBare ? undefined : await runGit(at, ["rev-parse", "--path-format=absolute", "--show-toplevel"], env);
  return { vcs: "git", commonDir, isBare, root: top?.trimEnd() || commonDir };
}

async function findHg(at: string): Promise<HgTarget | undefined> {
  for (let directory = at; ; directory = path.dirname(directory)) {
    const found = await stat(path.join(directory, ".hg")).then(
      (entry) => entry.isDirectory(),
      () => false,
    );
    if (found) return { vcs: "hg", root: directory };
    if (directory === path.dirname(directory)) return undefined;
  }
}
