/** The hook files of one git repository, and whatever was there before them. */
import { access, constants, lstat, mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { ConflictError } from "@branchward/core";
import { findStamp, type HookAssets, toShellWord } from "./assets.ts";
import { giveToOwner, type HomeConfig, readTextIfThere, writeWhole } from "./home.ts";
import { type Environment, getHooksDirectory, type GitTarget, type HookRole } from "./target.ts";

/**
 * `installed` and `chained` (a hook that was there before runs after ours) work; `stale` was written by another version;
 * `foreign` is somebody else's hook in our place; `missing` is no hook.
 */
export type HookCondition = "installed" | "chained" | "stale" | "foreign" | "missing";

export interface HookState {
  /** The hook's name, as git and Mercurial know it. */
  readonly name: string;
  /** The file that installs it. */
  readonly path: string;
  readonly condition: HookCondition;
}

export type GitHook = "post-checkout" | "post-receive" | "pre-receive";

/** The hooks of git that a role has. */
export function toGitHooks(role: Exclude<HookRole, "global">, isEnforced: boolean): readonly GitHook[] {
  if (role === "client") return ["post-checkout"];
  return isEnforced ? ["post-receive", "pre-receive"] : ["post-receive"];
}

/**
 * The file that the hook has to be, found before anything is written.
 * @throws ConflictError where git would not run it as this repository's own hook, or a second foreign hook is in its place.
 */
export async function getGitHookFile(target: GitTarget, name: GitHook, env: Environment): Promise<string> {
  if (name === "post-checkout" && target.isBare) {
    throw new ConflictError("A bare repository has no working copy to check out in: use --server", {
      code: "bare_repository",
    });
  }
  const file = path.join(await getHooksDirectory(target, env), name);
  if ((await isForeign(file)) && (await exists(toPrevious(file)))) {
    throw new ConflictError(
      `${file} was replaced after Branchward had put ${path.basename(toPrevious(file))} aside: ` +
        "keep one of the two and remove the other",
      { code: "hook_replaced" },
    );
  }
  return file;
}

/** Writes the hook; one that is there already is put aside and runs after it. */
export async function installGitHook(
  target: GitTarget,
  { name, file }: { readonly name: GitHook; readonly file: string },
  { home, config, assets }: { readonly home: string; readonly config: HomeConfig; readonly assets: HookAssets },
): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  if (await isForeign(file)) await rename(file, toPrevious(file));
  // In the repository's own directory the hook finds its home beside it, so that the repository may be moved.
  const isOwn = path.dirname(file) === path.join(target.commonDir, "hooks");
  const words = { home: isOwn ? '"${0%/*}/../branchward"' : toShellWord(home), node: toShellWord(config.nodePath) };
  await writeWhole(file, assets.renderScript(name, words), 0o755);
  await giveToOwner(file);
}

/** Takes our hook away and puts the one that was there before back in its place. Leaves foreign hooks alone. */
export async function uninstallGitHook(file: string): Promise<void> {
  const text = await readTextIfThere(file);
  if (text === undefined || findStamp(text) === undefined) return;
  await rm(file);
  if (await exists(toPrevious(file))) await rename(toPrevious(file), file);
}

/** The condition of the hook in this file. */
export async function inspectGitHook(file: string, assets: HookAssets): Promise<HookState> {
  return { name: path.basename(file), path: file, condition: await findCondition(file, assets) };
}

async function findCondition(file: string, assets: HookAssets): Promise<HookCondition> {
  const text = await readTextIfThere(file);
  if (text === undefined) return "missing";
  const stamp = findStamp(text);
  if (stamp === undefined) return "foreign";
  if (stamp !== assets.stamp) return "stale";
  return (await exists(toPrevious(file))) ? "chained" : "installed";
}

async function isForeign(file: string): Promise<boolean> {
  const text = await readTextIfThere(file);
  return text === undefined ? await exists(file) : findStamp(text) === undefined;
}

function toPrevious(file: string): string {
  return `${file}.branchward-previous`;
}

async function exists(file: string): Promise<boolean> {
  return await lstat(file).then(
    () => true,
    () => false,
  );
}

/** True where the file can be run by whoever asks. */
export async function isExecutable(file: string): Promise<boolean> {
  return await access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
