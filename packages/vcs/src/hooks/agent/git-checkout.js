import { createEvent, toActor, toWorkingCopyId } from "./event.js";
import { defaultRepositoryName } from "./names.js";
import { read, run } from "./process.js";
import { decodeUtf8 } from "./text.js";

const path = process.getBuiltinModule("node:path");

/**
 * git `post-checkout <previous> <new> <HEAD>`: the script passes branch checkouts only, outside of rebase and bisect,
 * with the first line of HEAD as it was then (a later checkout may follow before we run).
 */
export async function observeCheckout(hook) {
  const { args, env, cwd, home } = hook;
  const [, revision = "", headLine = ""] = args;
  const options = { cwd, env: { ...env, GIT_OPTIONAL_LOCKS: "0" } };
  const [config, gitDir, branch] = await Promise.all([
    read("git", ["config", "-z", "--list"], options).then(parseConfig),
    findGitDir(options),
    findBranch(headLine, options),
  ]);
  if (branch?.includes("\uFFFD")) {
    home.log("checkout not told: the name of the branch is not UTF-8");
    return [];
  }
  const checkout = {
    refType: "branch",
    name: branch === null ? null : toUpstreamName(branch, config),
    revision: /^0*$/.test(revision) ? null : revision,
    workingCopy: toWorkingCopyId(gitDir),
  };
  const repository = hook.config.repository ?? findRepositoryName(config, { branch, cwd });
  const actor = toActor(config.get("branchward.user"), config.get("user.email"));
  return [createEvent({ hook, site: "client", vcs: "git", repository, actor, checkout })];
}

/**
 * The output of `git config -z --list`; the last value of a key holds.
 * @param {Buffer} output
 * @returns {Map<string, string>}
 */
export function parseConfig(output) {
  const entries = output.toString("utf8").split("\0").filter(Boolean);
  return new Map(entries.map((entry) => /^([^\n]*)\n?([^]*)$/.exec(entry)?.slice(1) ?? [entry, ""]));
}

/**
 * The name that the branch has on its remote (`@{upstream}`), else its own.
 * @param {string} branch
 * @param {Map<string, string>} config
 */
export function toUpstreamName(branch, config) {
  const remote = config.get(`branch.${branch}.remote`);
  const merge = config.get(`branch.${branch}.merge`);
  if (remote === undefined || remote === "." || !merge?.startsWith("refs/heads/")) return branch;
  return merge.slice("refs/heads/".length);
}

/** By the remote that the branch follows, else `origin`, else the only remote; without one by the working copy. */
export function findRepositoryName(config, { branch, cwd }) {
  const urls = new Map();
  for (const [key, value] of config) {
    const remote = /^remote\.([^]*)\.url$/.exec(key)?.[1];
    if (remote !== undefined) urls.set(remote, value);
  }
  const followed = branch === null ? undefined : urls.get(config.get(`branch.${branch}.remote`) ?? "");
  const url = followed ?? urls.get("origin") ?? (urls.size === 1 ? [...urls.values()][0] : undefined);
  const isRelative = url !== undefined && /^\.{1,2}(?:\/|$)/.test(url);
  return defaultRepositoryName(isRelative ? path.resolve(cwd, url) : (url ?? cwd)) ?? defaultRepositoryName(cwd);
}

async function findGitDir(options) {
  const given = options.env.GIT_DIR;
  if (given) return path.resolve(options.cwd, given);
  return (await read("git", ["rev-parse", "--absolute-git-dir"], options)).toString().trimEnd();
}

async function findBranch(headLine, options) {
  const named = /^ref: refs\/heads\/(.+)$/.exec(headLine)?.[1];
  // A reftable repository keeps this placeholder in HEAD for old programs.
  if (named !== undefined && named !== ".invalid") return named;
  if (/^[0-9a-f]{40,64}$/.test(headLine)) return null;
  const { code, stdout } = await run("git", ["symbolic-ref", "-q", "HEAD"], options);
  if (code !== 0) return null;
  return (decodeUtf8(stdout) ?? "\uFFFD").trimEnd().replace(/^refs\/heads\//, "");
}
