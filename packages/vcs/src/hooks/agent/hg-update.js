import { createEvent, toActor, toWorkingCopyId } from "./event.js";
import { readSettings } from "./hgrc.js";
import { defaultRepositoryName } from "./names.js";

const fs = process.getBuiltinModule("node:fs");
const path = process.getBuiltinModule("node:path");
const { createHash } = process.getBuiltinModule("node:crypto");

/** A long command (a pull, a rebase) keeps the lock to its end; after this long what is there is taken. */
const maxLockWaitMs = 60_000;
const lockPollMs = 10;
/** The two hooks of one command run this close together. */
const sameCommandMs = 10_000;

/**
 * hg `update` and `post-update`. Both run for `hg update`, only the first for `hg pull -u` and the like, and it runs
 * before the active bookmark is switched. So each waits for the end of the command, reads the working copy, and the
 * second of a pair finds that its state has been told.
 */
export async function observeUpdate(hook) {
  const { name, args, env, cwd, home, at } = hook;
  if (!isCheckout(name, env)) return [];
  const hgDir = path.join(cwd, ".hg");
  await waitForLock(path.join(hgDir, "wlock"));
  if (["rebasestate", "histedit-state", "bisect.state"].some((file) => fs.existsSync(path.join(hgDir, file))))
    return [];
  const state = readWorkingCopy(hgDir);
  const last = home.readJson("last-checkout.json");
  const checkout = { ...state, workingCopy: toWorkingCopyId(hgDir) };
  const told = { process: args[0], checkout };
  if (last !== null && at - last.at < sameCommandMs && isSame(last.told, told)) return [];
  home.write("last-checkout.json", JSON.stringify({ at, told }));
  const settings = readSettings(hgDir, env);
  const repository = hook.config.repository ?? findRepositoryName(settings, cwd);
  const actor = toActor(settings.get("branchward.user"), settings.get("ui.username"));
  // Two hooks that passed the question above at the same moment saw the same `last`, and so make the same id.
  const id = createHash("sha256")
    .update(JSON.stringify([last, told]))
    .digest("hex")
    .slice(0, 32);
  return [{ id, ...createEvent({ hook, site: "client", vcs: "hg", repository, actor, checkout }) }];
}

/**
 * Whether the working copy is now at another changeset for good: the update succeeded and is no half of a merge.
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 */
export function isCheckout(name, env) {
  return name === "post-update" ? env.HG_RESULT === "0" : env.HG_ERROR === "0" && !env.HG_PARENT2;
}

/**
 * What is checked out, from the files of `.hg`: the active topic, else the active bookmark, else the named branch.
 * @param {string} hgDir
 */
export function readWorkingCopy(hgDir) {
  const revision = readParent(path.join(hgDir, "dirstate"));
  if (revision === null) return { refType: "branch", name: null, revision };
  const topic = readLine(path.join(hgDir, "topic"));
  if (topic !== "") return { refType: "topic", name: topic, revision };
  const bookmark = readLine(path.join(hgDir, "bookmarks.current"));
  if (bookmark !== "") return { refType: "bookmark", name: bookmark, revision };
  return { refType: "branch", name: readLine(path.join(hgDir, "branch")) || "default", revision };
}

/** The first parent in a dirstate of either format (mercurial/helptext/internals/dirstate-v2.txt). */
function readParent(file) {
  if (!fs.existsSync(file)) return null;
  const bytes = fs.readFileSync(file);
  const magic = "dirstate-v2\n";
  const start = bytes.subarray(0, magic.length).toString("latin1") === magic ? magic.length : 0;
  const node = bytes.subarray(start, start + 20).toString("hex");
  return /^0*$/.test(node) ? null : node;
}

function readLine(file) {
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8").trim() : "";
}

/** A lock is a symbolic link that points nowhere, or a file. */
async function waitForLock(file) {
  const until = Date.now() + maxLockWaitMs;
  while (fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, lockPollMs));
  }
}

function isSame(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** By the default path of the repository; without one by the working copy. */
export function findRepositoryName(settings, cwd) {
  const url = settings.get("paths.default");
  const isUrl = url !== undefined && /^[a-z][a-z0-9+.-]+:\/\//i.test(url);
  const name = url === undefined ? null : defaultRepositoryName(isUrl ? url : path.resolve(cwd, url));
  return name ?? defaultRepositoryName(cwd);
}
