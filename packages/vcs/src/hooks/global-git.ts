/** Hooks for every repository of one user: a global core.hooksPath with a stub for each hook of git. */
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { ConflictError } from "@branchward/core";
import { findStamp, type HookAssets, toShellWord } from "./assets.ts";
import type { HookCondition, HookState } from "./git-hooks.ts";
import { type HomeConfig, readTextIfThere, toUserHome, writeWhole } from "./home.ts";
import { type Environment, runGit } from "./target.ts";

/**
 * Every hook that a repository may have (githooks), since git no longer looks for those itself. Left out are
 * `push-to-checkout`, whose mere presence changes what a push does, and `fsmonitor-watchman`, which is set by path.
 */
const stubNames = `
  applypatch-msg pre-applypatch post-applypatch pre-commit pre-merge-commit prepare-commit-msg commit-msg post-commit
  pre-rebase post-checkout post-merge pre-push pre-receive update proc-receive post-receive post-update
  reference-transaction pre-auto-gc post-rewrite sendemail-validate post-index-change
  p4-changelist p4-prepare-changelist p4-post-changelist p4-pre-submit`
  .trim()
  .split(/\s+/);

/** Returns the global core.hooksPath that ours takes the place of, whose hooks the stubs then run; null without one. */
export async function installGlobalGit(options: {
  readonly home: string;
  readonly config: HomeConfig;
  readonly assets: HookAssets;
  readonly env: Environment;
}): Promise<string | null> {
  const { home, config, assets, env } = options;
  const directory = toStubs(home);
  const current = await findGlobalHooksPath(env);
  const inherited = current === undefined || current === directory ? config.inheritedHooksPath : current;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const words = {
    home: toShellWord(home),
    node: toShellWord(config.nodePath),
    inherited: toShellWord(inherited ?? ""),
  };
  for (const name of stubNames) {
    await writeWhole(path.join(directory, name), assets.renderScript("global", words), 0o755);
  }
  await setGlobalHooksPath(directory, env);
  return inherited;
}

/** Leaves core.hooksPath alone where somebody has set it to something else since. */
export async function uninstallGlobalGit(home: string, inherited: string | null, env: Environment): Promise<void> {
  if ((await findGlobalHooksPath(env)) === toStubs(home)) await setGlobalHooksPath(inherited, env);
  await rm(toStubs(home), { recursive: true, force: true });
}

/** The condition of the stub for `post-checkout`, which stands for all of them. */
export async function inspectGlobalGit(home: string, assets: HookAssets, env: Environment): Promise<HookState> {
  const file = path.join(toStubs(home), "post-checkout");
  return { name: "post-checkout", path: file, condition: await findCondition(home, assets, env) };
}

async function findCondition(home: string, assets: HookAssets, env: Environment): Promise<HookCondition> {
  const current = await findGlobalHooksPath(env);
  if (current === undefined) return "missing";
  if (current !== toStubs(home)) return "foreign";
  const text = await readTextIfThere(path.join(toStubs(home), "post-checkout"));
  if (text === undefined) return "missing";
  return findStamp(text) === assets.stamp ? "installed" : "stale";
}

function toStubs(home: string): string {
  return path.join(home, "git-hooks");
}

async function findGlobalHooksPath(env: Environment): Promise<string | undefined> {
  return (
    await runGit(toUserHome(env), ["config", "--global", "--type=path", "--get", "core.hooksPath"], env)
  )?.trimEnd();
}

async function setGlobalHooksPath(value: string | null, env: Environment): Promise<void> {
  const args = value === null ? ["--unset", "core.hooksPath"] : ["core.hooksPath", value];
  if ((await runGit(toUserHome(env), ["config", "--global", ...args], env)) === undefined) {
    throw new ConflictError("git cannot write the user's configuration (git config --global)", {
      code: "git_config_not_writable",
    });
  }
}
