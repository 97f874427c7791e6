import { rm } from "node:fs/promises";
import path from "node:path";
import { NotFoundError } from "@branchward/core";
import { type HookAssets, readAssets } from "./assets.ts";
import { toGitHooks, uninstallGitHook } from "./git-hooks.ts";
import { uninstallGlobalGit } from "./global-git.ts";
import { setHgrcLines, toHgrcPlace, writeHgrc } from "./hgrc.ts";
import { findHomeConfig, type HomeConfig, toHome, writeHome } from "./home.ts";
import type { HooksRequest } from "./install.ts";
import { readSpoolState } from "./spool-state.ts";
import { getTarget, listHooksDirectories, type Target } from "./target.ts";

export interface UninstallReport {
  readonly home: string;
  /** Events that had not been sent. They stay in the home, and the next installation sends them. */
  readonly pending: number;
}

/**
 * Takes the hooks of one role away and puts back what was there, byte for byte; with the last role the home goes too.
 * With `enforce` a server's hooks no longer decide, and go on telling.
 * @throws NotFoundError where nothing is installed.
 */
export async function uninstallHooks(request: HooksRequest & { readonly enforce?: boolean }): Promise<UninstallReport> {
  const { path: location, role, env, enforce: isEnforceAlone = false } = request;
  const target = role === "global" ? "global" : await getTarget(location, env);
  const home = toHome(target, env);
  const config = await findHomeConfig(home);
  if (
    config === null ||
    !config.roles.includes(role) ||
    (isEnforceAlone && (role !== "server" || config.enforce === null))
  ) {
    throw new NotFoundError(`No ${role} hooks of Branchward${isEnforceAlone ? " that decide" : ""} at ${home}`);
  }
  const roles = isEnforceAlone ? config.roles : config.roles.filter((other) => other !== role);
  const left = { ...config, roles, enforce: role === "server" ? null : config.enforce };
  const assets = await readAssets();
  await removeHooks({ target, role, env, isEnforceAlone }, { home, config, left, assets });
  const { count } = (await readSpoolState(home, new Date())).pending;
  if (left.enforce === null) await removeEnforcement(home);
  if (roles.length > 0) await writeHome(home, assets, left);
  else if (count === 0) await rm(home, { recursive: true });
  else await rm(path.join(home, "config.json"));
  return { home, pending: count };
}

interface Removed {
  readonly home: string;
  readonly config: HomeConfig;
  readonly assets: HookAssets;
  /** What stays. */
  readonly left: HomeConfig;
}

async function removeHooks(
  request: Omit<HooksRequest, "path"> & { readonly target: Target | "global"; readonly isEnforceAlone: boolean },
  { home, config, left, assets }: Removed,
): Promise<void> {
  const { target, role, env, isEnforceAlone } = request;
  if (target === "global") await uninstallGlobalGit(home, config.inheritedHooksPath, env);
  else if (target.vcs === "git" && role !== "global") {
    const names = isEnforceAlone ? (["pre-receive"] as const) : toGitHooks(role, true);
    for (const directory of await listHooksDirectories(target, env)) {
      for (const name of names) await uninstallGitHook(path.join(directory, name));
    }
  }
  const hgrc = toHgrcPlace(target, home, env);
  if (hgrc === undefined) return;
  await setHgrcLines(hgrc, left.roles.length === 0 ? null : { isEnforced: left.enforce !== null }, config.hgrcCreated);
  if (left.roles.length > 0) await writeHgrc(hgrc, home, { roles: left.roles, stamp: assets.stamp });
}

/** The token is worth nothing without the hooks, and the answers are nobody's business. */
async function removeEnforcement(home: string): Promise<void> {
  for (const name of ["token", "answers.key", "answers"])
    await rm(path.join(home, name), { recursive: true, force: true });
}
