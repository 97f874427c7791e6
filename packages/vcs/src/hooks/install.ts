import { realpath, rm, stat } from "node:fs/promises";
import path from "node:path";
import { InvalidInputError, NotFoundError } from "@branchward/core";
import { decodeSecret } from "../signature.ts";
import { readAssets, toShellWord } from "./assets.ts";
import { isEnrolled } from "./enrolment.ts";
import { getGitHookFile, installGitHook, isExecutable, toGitHook, uninstallGitHook } from "./git-hooks.ts";
import { installGlobalGit, uninstallGlobalGit } from "./global-git.ts";
import { includeFile, removeInclude, renderHgrc } from "./hgrc.ts";
import {
  findHomeConfig,
  giveToOwner,
  type HomeConfig,
  isSharedDirectory,
  readTextIfThere,
  toHome,
  toUserHome,
  writeHome,
  writeWhole,
} from "./home.ts";
import { readSpoolState } from "./spool-state.ts";
import { type HooksReport, hooksStatus } from "./status.ts";
import {
  type Environment,
  findDefaultName,
  getTarget,
  type GitTarget,
  type HookRole,
  listHooksDirectories,
  type Target,
} from "./target.ts";

/** Which hooks, where. `path` is anywhere in the repository and without meaning for `global`. */
export interface HooksRequest {
  readonly path: string;
  readonly role: HookRole;
  /** The process's environment: finds the user's home and runs git and hg. */
  readonly env: Environment;
}

export interface InstallRequest extends HooksRequest {
  /** Base address of the receiver, http or https, without credentials. */
  readonly url: string;
  /** Name of the `agent` source there. */
  readonly source: string;
  /** A file with the secret, used where it is; else `secret`, which is written to the home. */
  readonly secretFile: string | null;
  readonly secret: string | null;
  /** The name to tell; null for the default name. */
  readonly repository: string | null;
  /** Absolute path of the Node that runs the agent. */
  readonly nodePath: string;
}

export interface InstallReport extends HooksReport {
  /** The name under which events will arrive; null for `global`, where every repository has its own. */
  readonly repository: string | null;
  /** What the user should know: where the secret is kept, who else can run the hooks. */
  readonly notes: readonly string[];
}

/**
 * Installs the hooks of one role, or brings those that are there up to date; what was there before runs after ours.
 * @throws NotFoundError, InvalidInputError and ConflictError with what to do instead; nothing is then installed.
 */
export async function installHooks(request: InstallRequest): Promise<InstallReport> {
  await validate(request);
  const { role, env } = request;
  const target = role === "global" ? "global" : await getTarget(request.path, env);
  const gitHook = await findGitHook(target, role, env);
  const home = toHome(target, env);
  const before = await findHomeConfig(home);
  const assets = await readAssets();
  const given = findGivenName(request, before);
  const repository = target === "global" ? null : (given ?? (await findDefaultName(target, role, env)));
  const config: HomeConfig = {
    stamp: assets.stamp,
    url: request.url,
    source: request.source,
    secretFile: request.secretFile === null ? "secret" : path.resolve(request.secretFile),
    // A client without a given name follows its remotes.
    repository: role === "server" ? repository : given,
    nodePath: request.nodePath,
    roles: [...new Set([...(before?.roles ?? []), role])],
    inheritedHooksPath: before?.inheritedHooksPath ?? null,
    hgrcCreated: before?.hgrcCreated ?? false,
  };
  const written = { home, config, assets, env };
  await writeHome(home, assets, config, request.secretFile === null ? request.secret : null);
  if (gitHook !== undefined) await installGitHook(gitHook.target, gitHook.file, written);
  const inheritedHooksPath = target === "global" ? await installGlobalGit(written) : null;
  const hgrcCreated = await installHg(target, written);
  await writeHome(home, assets, { ...config, inheritedHooksPath, hgrcCreated }, null);
  await giveToOwner(home);
  const notes = await listNotes(target, home, config);
  if (role !== "server" && isEnrolled(env, request.url)) {
    notes.unshift("Checkouts are told with this device's token (branchward hooks enroll).");
  }
  return { ...(await hooksStatus({ path: request.path, role, env })), repository, notes };
}

async function findGitHook(
  target: Target | "global",
  role: HookRole,
  env: Environment,
): Promise<{ readonly target: GitTarget; readonly file: string } | undefined> {
  if (target === "global" || target.vcs === "hg" || role === "global") return undefined;
  return { target, file: await getGitHookFile(target, toGitHook(role), env) };
}

/** One repository has one name: a name that came with its other role holds for this one, too. */
function findGivenName({ repository, role }: InstallRequest, before: HomeConfig | null): string | null {
  const hasOtherRole = before?.roles.some((other) => other !== role) ?? false;
  return repository ?? (hasOtherRole ? (before?.repository ?? null) : null);
}

export interface UninstallReport {
  readonly home: string;
  /** Events that had not been sent. They stay in the home, and the next installation sends them. */
  readonly pending: number;
}

/**
 * Takes the hooks of one role away and puts back what was there, byte for byte; with the last role the home goes too.
 * @throws NotFoundError where nothing is installed.
 */
export async function uninstallHooks({ path: location, role, env }: HooksRequest): Promise<UninstallReport> {
  const target = role === "global" ? "global" : await getTarget(location, env);
  const home = toHome(target, env);
  const config = await findHomeConfig(home);
  if (config === null || !config.roles.includes(role)) {
    throw new NotFoundError(`No ${role} hooks of Branchward at ${home}`);
  }
  const roles = config.roles.filter((other) => other !== role);
  if (target === "global") await uninstallGlobalGit(home, config.inheritedHooksPath, env);
  else if (target.vcs === "git" && role !== "global") {
    const directories = await listHooksDirectories(target, env);
    for (const directory of directories) await uninstallGitHook(path.join(directory, toGitHook(role)));
  }
  const hgrc = toHgrc(target, home, env);
  if (hgrc !== undefined && roles.length === 0) await removeInclude(hgrc.file, hgrc.included, config.hgrcCreated);
  const assets = await readAssets();
  if (hgrc !== undefined && roles.length > 0) await writeHgrc(hgrc, home, { roles, stamp: assets.stamp });
  const { count } = (await readSpoolState(home, new Date())).pending;
  if (roles.length > 0) await writeHome(home, assets, { ...config, roles }, null);
  else if (count === 0) await rm(home, { recursive: true });
  else await rm(path.join(home, "config.json"));
  return { home, pending: count };
}

interface Written {
  readonly home: string;
  readonly config: HomeConfig;
  readonly assets: Awaited<ReturnType<typeof readAssets>>;
  readonly env: Environment;
}

/** True when the hgrc is there for our line alone. */
async function installHg(target: Target | "global", { home, config, assets, env }: Written): Promise<boolean> {
  const hgrc = toHgrc(target, home, env);
  if (hgrc === undefined) return false;
  const words = { home: '"${0%/*}"', node: toShellWord(config.nodePath) };
  await writeWhole(path.join(home, "hook"), assets.renderScript("hg", words), 0o644);
  await writeHgrc(hgrc, home, { roles: config.roles, stamp: assets.stamp });
  const created = await includeFile(hgrc.file, hgrc.included);
  return config.hgrcCreated || created;
}

interface HgrcPlace {
  readonly file: string;
  readonly included: string;
  /** The hook script, as hg's shell finds it from the root of a repository. */
  readonly script: string;
}

function toHgrc(target: Target | "global", home: string, env: Environment): HgrcPlace | undefined {
  if (target === "global") {
    return {
      file: path.join(toUserHome(env), ".hgrc"),
      included: path.join(home, "hgrc"),
      script: path.join(home, "hook"),
    };
  }
  if (target.vcs === "git") return undefined;
  return { file: path.join(target.root, ".hg/hgrc"), included: "branchward/hgrc", script: ".hg/branchward/hook" };
}

async function writeHgrc(
  { script }: HgrcPlace,
  home: string,
  { roles, stamp }: Pick<HomeConfig, "roles" | "stamp">,
): Promise<void> {
  await writeWhole(path.join(home, "hgrc"), renderHgrc(roles, toShellWord(script), stamp), 0o644);
}

async function validate({ url, source, secretFile, secret, nodePath, role, env }: InstallRequest): Promise<void> {
  const parsed = URL.parse(url);
  if (parsed === null || !["http:", "https:"].includes(parsed.protocol)) {
    throw new InvalidInputError("The URL is not an http or https address");
  }
  if (parsed.username !== "" || parsed.password !== "") {
    throw new InvalidInputError("The URL must not hold credentials");
  }
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(source)) {
    throw new InvalidInputError("The source's name is not [a-z][a-z0-9-]{0,39}");
  }
  if (!path.isAbsolute(nodePath) || !(await isExecutable(nodePath))) {
    throw new InvalidInputError(`${nodePath} is not an absolute path of a program`);
  }
  const text = secretFile === null ? secret : await readTextIfThere(secretFile);
  if (text === undefined) throw new NotFoundError(`No secret file ${secretFile}`);
  const isProvedByToken = text === null && role !== "server" && isEnrolled(env, url);
  if (!isProvedByToken && (text === null || decodeSecret(text.trim()).length === 0)) {
    throw new InvalidInputError("No secret: give --secret-file, set BRANCHWARD_AGENT_SECRET, or enrol this device", {
      code: "secret_missing",
    });
  }
}

async function listNotes(target: Target | "global", home: string, config: HomeConfig): Promise<string[]> {
  const notes: string[] = [];
  const isSigned = (await readTextIfThere(path.resolve(home, config.secretFile))) !== undefined;
  if (!isSigned) return notes;
  const directory = await realpath(home);
  const isShared = await isSharedDirectory(path.dirname(home));
  const reader = isShared ? "its group" : "its owner alone";
  if (config.secretFile === "secret") notes.push(`The secret is kept in ${directory}/secret, readable for ${reader}.`);
  else if (((await stat(config.secretFile)).mode & 0o077) !== 0) {
    notes.push(`${config.secretFile} can be read by others than its owner.`);
  }
  if (isShared && target !== "global" && target.vcs === "hg") {
    notes.push("Mercurial runs these hooks only for users who trust the owner of .hg/hgrc ([trusted] in their hgrc).");
  }
  return notes;
}
