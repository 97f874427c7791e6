import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import { InvalidInputError, NotFoundError } from "@branchward/core";
import { decodeSecret } from "../signature.ts";
import { readAssets, toShellWord } from "./assets.ts";
import { type Enforcement, type EnforceRequest, parseEnforcement, readEnforcementSecrets } from "./enforcement.ts";
import { getGitHookFile, type GitHook, installGitHook, isExecutable, toGitHooks } from "./git-hooks.ts";
import { installGlobalGit } from "./global-git.ts";
import { setHgrcLines, toHgrcPlace, writeHgrc } from "./hgrc.ts";
import { isEnrolled } from "./enrolment.ts";
import {
  findHomeConfig,
  giveToOwner,
  type HomeConfig,
  isSharedDirectory,
  readTextIfThere,
  toHome,
  writeHome,
  writeWhole,
} from "./home.ts";
import { type HooksReport, hooksStatus } from "./status.ts";
import { type Environment, findDefaultName, getTarget, type GitTarget, type HookRole, type Target } from "./target.ts";

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
  /** Has a server's hooks decide pushes, too. Left out: as it was. */
  readonly enforce?: EnforceRequest;
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
  const home = toHome(target, env);
  const before = await findHomeConfig(home);
  const enforce = toEnforcement(request, target, before);
  const gitHooks = await listGitHooks(target, role, { env, isEnforced: enforce !== null });
  const secrets = await readSecrets(request, home, enforce);
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
    enforce,
    inheritedHooksPath: before?.inheritedHooksPath ?? null,
    hgrcCreated: before?.hgrcCreated ?? false,
  };
  const written = { home, config, assets, env };
  await writeHome(home, assets, config, secrets);
  for (const hook of gitHooks) await installGitHook(hook.target, hook, written);
  const inheritedHooksPath = target === "global" ? await installGlobalGit(written) : null;
  const hgrcCreated = await installHg(target, written);
  await writeHome(home, assets, { ...config, inheritedHooksPath, hgrcCreated });
  await giveToOwner(home);
  const notes = await listNotes(target, home, config);
  if (role !== "server" && isEnrolled(env, request.url)) {
    notes.unshift("Checkouts are told with this device's token (branchward hooks enroll).");
  }
  return { ...(await hooksStatus({ path: request.path, role, env })), repository, notes };
}

/** What decided before goes on deciding, whatever else is installed: only `uninstall` takes it away. */
function toEnforcement(
  { role, enforce }: InstallRequest,
  target: Target | "global",
  before: HomeConfig | null,
): Enforcement | null {
  if (enforce === undefined) return before?.enforce ?? null;
  if (role === "server" && target !== "global") return parseEnforcement(enforce, target.vcs, before?.enforce ?? null);
  throw new InvalidInputError("Only hooks of a server can decide: --enforce goes with --server");
}

async function readSecrets(
  { secretFile, secret, enforce }: InstallRequest,
  home: string,
  enforcement: Enforcement | null,
): Promise<ReadonlyMap<string, string>> {
  const own = secretFile === null && secret !== null ? [["secret", secret] as const] : [];
  if (enforce === undefined || enforcement === null) return new Map(own);
  return new Map([...own, ...(await readEnforcementSecrets(home, enforcement, enforce.token))]);
}

async function listGitHooks(
  target: Target | "global",
  role: HookRole,
  { env, isEnforced }: { readonly env: Environment; readonly isEnforced: boolean },
): Promise<readonly { readonly target: GitTarget; readonly name: GitHook; readonly file: string }[]> {
  if (target === "global" || target.vcs === "hg" || role === "global") return [];
  const names = toGitHooks(role, isEnforced);
  return await Promise.all(
    names.map(async (name) => ({ target, name, file: await getGitHookFile(target, name, env) })),
  );
}

/** One repository has one name: a name that came with its other role holds for this one, too. */
function findGivenName({ repository, role }: InstallRequest, before: HomeConfig | null): string | null {
  const hasOtherRole = before?.roles.some((other) => other !== role) ?? false;
  return repository ?? (hasOtherRole ? (before?.repository ?? null) : null);
}

interface Written {
  readonly home: string;
  readonly config: HomeConfig;
  readonly assets: Awaited<ReturnType<typeof readAssets>>;
  readonly env: Environment;
}

/** True when the hgrc is there for our line alone. */
async function installHg(target: Target | "global", { home, config, assets, env }: Written): Promise<boolean> {
  const hgrc = toHgrcPlace(target, home, env);
  if (hgrc === undefined) return false;
  const words = { home: '"${0%/*}"', node: toShellWord(config.nodePath) };
  await writeWhole(path.join(home, "hook"), assets.renderScript("hg", words), 0o644);
  await writeHgrc(hgrc, home, { roles: config.roles, stamp: assets.stamp });
  const isEnforced = config.enforce !== null && config.roles.includes("server");
  return await setHgrcLines(hgrc, { isEnforced }, config.hgrcCreated);
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
