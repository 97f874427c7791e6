import path from "node:path";
import type { Vcs } from "@branchward/core";
import { type Enrolment, findEnrolment } from "./agent/enrolment.js";
import { readAssets } from "./assets.ts";
import type { Enforcement } from "./enforcement.ts";
import { type HookState, inspectGitHook, isExecutable, toGitHooks } from "./git-hooks.ts";
import { inspectGlobalGit } from "./global-git.ts";
import { inspectHgrc, toHgHooks } from "./hgrc.ts";
import { findHomeConfig, toHome, toUserHome } from "./home.ts";
import { readSpoolState, type SpoolState } from "./spool-state.ts";
import { type Environment, getHooksDirectory, getTarget, type HookRole } from "./target.ts";

/** The state of the hooks of one role. */
export interface HooksReport extends SpoolState {
  /** Where agent, configuration, spool and log are. */
  readonly home: string;
  readonly vcs: readonly Vcs[];
  readonly hooks: readonly HookState[];
  /** Null where nothing is installed. */
  readonly connection: { readonly url: string; readonly source: string; readonly secretFile: string } | null;
  /** Whose device tells checkouts there with its token; null where the source's secret signs. */
  readonly device: Pick<Enrolment, "user" | "device" | "expiresAt"> | null;
  /** How pushes are decided; null where hooks tell alone. */
  readonly enforce: Enforcement | null;
  /** False when the Node that the hooks start is gone. */
  readonly hasNode: boolean;
}

/**
 * What of Branchward's hooks is installed here, and what waits to be sent.
 * @throws NotFoundError where there is no repository.
 */
export async function hooksStatus(request: {
  readonly path: string;
  readonly role: HookRole;
  readonly env: Environment;
}): Promise<HooksReport> {
  const { role, env } = request;
  const target = role === "global" ? "global" : await getTarget(request.path, env);
  const home = toHome(target, env);
  const config = await findHomeConfig(home);
  return {
    home,
    vcs: target === "global" ? ["git", "hg"] : [target.vcs],
    hooks: await listHooks(request, home, config?.enforce != null),
    connection: config && {
      url: config.url,
      source: config.source,
      secretFile: path.resolve(home, config.secretFile),
    },
    device: role === "server" || config === null ? null : findDevice(env, config.url),
    enforce: role === "server" ? (config?.enforce ?? null) : null,
    hasNode: config !== null && (await isExecutable(config.nodePath)),
    ...(await readSpoolState(home, new Date())),
  };
}

function findDevice(env: Environment, url: string): HooksReport["device"] {
  const found = findEnrolment(env, url);
  return found && { user: found.user, device: found.device, expiresAt: found.expiresAt };
}

async function listHooks(
  request: Parameters<typeof hooksStatus>[0],
  home: string,
  hasEnforcement: boolean,
): Promise<readonly HookState[]> {
  const { role, env } = request;
  const assets = await readAssets();
  const isEnforced = role === "server" && hasEnforcement;
  const expected = { hooks: toHgHooks([role]), stamp: assets.stamp, isEnforced };
  if (role === "global") {
    const file = path.join(home, "hgrc");
    const hg = await inspectHgrc(path.join(toUserHome(env), ".hgrc"), { name: file, file }, expected);
    return [await inspectGlobalGit(home, assets, env), ...hg];
  }
  const target = await getTarget(request.path, env);
  if (target.vcs === "git") {
    const directory = await getHooksDirectory(target, env);
    const names = toGitHooks(role, isEnforced);
    return await Promise.all(names.map((name) => inspectGitHook(path.join(directory, name), assets)));
  }
  const included = { name: "branchward/hgrc", file: path.join(home, "hgrc") };
  return await inspectHgrc(path.join(target.root, ".hg/hgrc"), included, expected);
}
