/** The directory that an installation owns, as the installer writes it; `agent/home.js` is its other user. */
import { chmod, lchown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { InvalidInputError } from "@branchward/core";
import type { HookAssets } from "./assets.ts";
import type { Enforcement } from "./enforcement.ts";
import type { Environment, HookRole, Target } from "./target.ts";

/** `config.json` of a home. */
export interface HomeConfig {
  readonly stamp: string;
  readonly url: string;
  readonly source: string;
  /** Absolute, or relative to the home. */
  readonly secretFile: string;
  /** Null: the agent finds the name anew for every event. */
  readonly repository: string | null;
  readonly nodePath: string;
  readonly roles: readonly HookRole[];
  /** What decides pushes; null where hooks tell alone. */
  readonly enforce: Enforcement | null;
  /** The global core.hooksPath that ours took the place of. */
  readonly inheritedHooksPath: string | null;
  /** True when there was no hgrc before us. */
  readonly hgrcCreated: boolean;
}

/** Where the home of this target is: inside the repository, or in the user's state directory for `global`. */
export function toHome(target: Target | "global", env: Environment): string {
  if (target === "global")
    return path.join(env["XDG_STATE_HOME"] || path.join(toUserHome(env), ".local/state"), "branchward");
  return path.join(target.vcs === "git" ? target.commonDir : path.join(target.root, ".hg"), "branchward");
}

/** @throws InvalidInputError where the environment names no home directory. */
export function toUserHome(env: Environment): string {
  if (!env["HOME"]) throw new InvalidInputError("HOME is not set");
  return env["HOME"];
}

/**
 * Creates the home or brings it up to date: agent, configuration, and the given secrets by file name.
 * A repository whose directory is setgid and writable for its group is shared by several unix users, all of whom must
 * be able to write the spool and to sign: the home is then for the group, otherwise for the owner alone.
 */
export async function writeHome(
  home: string,
  assets: HookAssets,
  config: HomeConfig,
  secrets: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  const created = await mkdir(path.dirname(home), { recursive: true });
  if (created !== undefined) await giveToOwner(created);
  const isShared = await isSharedDirectory(path.dirname(home));
  const directoryMode = isShared ? 0o2770 : 0o700;
  const fileMode = isShared ? 0o640 : 0o600;
  for (const folder of ["", "agent", "spool", "refused", "transactions", "answers"]) {
    await mkdir(path.join(home, folder), { recursive: true });
    await chmod(path.join(home, folder), directoryMode);
  }
  for (const [name, text] of assets.agent) await writeWhole(path.join(home, "agent", name), text, fileMode);
  await writeWhole(path.join(home, "agent/package.json"), '{ "type": "module" }\n', fileMode);
  for (const [name, text] of secrets) await writeWhole(path.join(home, name), text, fileMode);
  await writeWhole(path.join(home, "config.json"), `${JSON.stringify(config, null, 2)}\n`, fileMode);
}

/** Gives what root wrote to the owner of the directory that it is in, who has to use it. */
export async function giveToOwner(file: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(path.dirname(file));
  await giveTo(file, uid, gid);
}

async function giveTo(file: string, uid: number, gid: number): Promise<void> {
  await lchown(file, uid, gid);
  const entries = await readdir(file, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) await giveTo(path.join(file, entry.name), uid, gid);
}

/** Null where there is no installation. */
export async function findHomeConfig(home: string): Promise<HomeConfig | null> {
  const text = await readTextIfThere(path.join(home, "config.json"));
  return text === undefined ? null : parseHomeConfig(text);
}

function parseHomeConfig(text: string): HomeConfig {
  const config = JSON.parse(text) as Omit<HomeConfig, "enforce"> & Partial<HomeConfig>;
  return { ...config, enforce: config.enforce ?? null };
}

/** True for a directory that several unix users of one group write, as `git init --shared` makes it. */
export async function isSharedDirectory(directory: string): Promise<boolean> {
  return ((await stat(directory)).mode & 0o2020) === 0o2020;
}

/** Replaces the file at once: whoever reads it sees the old text or the new one. */
export async function writeWhole(file: string, text: string, mode: number): Promise<void> {
  const temporary = `${file}.new`;
  await rm(temporary, { force: true });
  await writeFile(temporary, text, { mode });
  await chmod(temporary, mode);
  await rename(temporary, file);
}

/** Undefined where there is no such file. */
export async function readTextIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
