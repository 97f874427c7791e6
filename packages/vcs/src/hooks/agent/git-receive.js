import { createEvents, findServerActor } from "./event.js";
import { read, run } from "./process.js";
import { decodeUtf8 } from "./text.js";

const fs = process.getBuiltinModule("node:fs");
const { randomUUID } = process.getBuiltinModule("node:crypto");

const linePattern = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) refs\/heads\//;
/** Above this `git merge-base` for each would cost seconds: `forced` is then left unsaid. */
const maxAncestryChecks = 64;
/** Above this the refs would not fit a command line: all branches are listed instead. */
const maxRefArguments = 100;
const maxPushOptions = 1_000;

/** git `post-receive`: the refs of one push that really changed, on standard input. */
export async function observeReceive(hook) {
  const { env, cwd, config, home } = hook;
  const { changes, skipped } = parseReceived(fs.readFileSync(0));
  if (skipped > 0) home.log(`${skipped} refs not told: their names are not UTF-8`);
  if (changes.length === 0) return [];
  const options = { cwd, env: { ...env, GIT_OPTIONAL_LOCKS: "0" } };
  const [sightings] = await Promise.all([findSightings(changes, options), findForced(changes, options)]);
  return createEvents({
    hook,
    site: "server",
    vcs: "git",
    repository: config.repository,
    actor: findServerActor(env),
    groupKey: randomUUID(),
    changes,
    renames: findRenames(env, changes),
    sightings,
  });
}

/**
 * The changes of branches in the lines that `post-receive` reads; tags and other refs are left out.
 * @param {Buffer} input
 */
export function parseReceived(input) {
  const changes = [];
  let skipped = 0;
  for (const line of splitLines(input)) {
    const match = linePattern.exec(line.subarray(0, 160).toString("latin1"));
    if (match === null) continue;
    const name = decodeUtf8(line.subarray(match[0].length));
    if (name === null) skipped += 1;
    else changes.push(toChange(name, match[1], match[2]));
  }
  return { changes, skipped };
}

function splitLines(input) {
  const lines = [];
  for (let start = 0; start < input.length;) {
    const end = input.indexOf(10, start);
    lines.push(input.subarray(start, end === -1 ? input.length : end));
    start = end === -1 ? input.length : end + 1;
  }
  return lines;
}

function toChange(name, oldId, newId) {
  const before = /^0+$/.test(oldId) ? null : oldId;
  const after = /^0+$/.test(newId) ? null : newId;
  const kind = after === null ? "delete" : before === null ? "create" : "push";
  return { kind, refType: "branch", name, before, after, forced: null, closed: false };
}

/**
 * Push options `rename-from=OLD:NEW`, or `rename-from=OLD` where the push creates one branch.
 * @param {NodeJS.ProcessEnv} env
 * @param {readonly { kind: string, name: string }[]} changes
 */
export function findRenames(env, changes) {
  const created = changes.filter(({ kind }) => kind === "create").map(({ name }) => name);
  const count = Math.min(Number(env.GIT_PUSH_OPTION_COUNT) || 0, maxPushOptions);
  return Array.from({ length: count }, (_, index) => env[`GIT_PUSH_OPTION_${index}`] ?? "").flatMap((option) => {
    // A colon cannot be part of a ref's name.
    const [, from, to = created.length === 1 ? created[0] : undefined] =
      /^rename-from=([^:]+)(?::(.+))?$/.exec(option) ?? [];
    return from === undefined || to === undefined ? [] : [{ refType: "branch", from, to }];
  });
}

/** What the refs are now, which may already be something else than what this push made them. */
async function findSightings(changes, options) {
  const refs = changes.length > maxRefArguments ? ["refs/heads/"] : changes.map(({ name }) => `refs/heads/${name}`);
  const output = await read("git", ["for-each-ref", "--format=%(objectname) %(refname)", "--", ...refs], options);
  const heads = new Map();
  for (const line of splitLines(output)) {
    const text = decodeUtf8(line);
    const space = text?.indexOf(" ") ?? -1;
    if (text !== null && space > 0) heads.set(text.slice(space + 1), text.slice(0, space));
  }
  return changes.map(({ name }) => ({ refType: "branch", name, head: heads.get(`refs/heads/${name}`) ?? null }));
}

async function findForced(changes, options) {
  const pushes = changes.filter(({ kind }) => kind === "push");
  if (pushes.length > maxAncestryChecks) return;
  await Promise.all(
    pushes.map(async (change) => {
      const { code } = await run("git", ["merge-base", "--is-ancestor", change.before, change.after], options);
      if (code <= 1) change.forced = code === 1;
    }),
  );
}
