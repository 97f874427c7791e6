import { createEvents, findServerActor } from "./event.js";
import { read } from "./process.js";
import { decodeUtf8 } from "./text.js";

const fs = process.getBuiltinModule("node:fs");
const path = process.getBuiltinModule("node:path");

/** The hooks of one transaction follow each other within milliseconds; `changegroup` is the last of them. */
const quietMs = 50;
const pollMs = 10;
const maxCollectMs = 2_000;

/**
 * hg `txnclose-bookmark` and `changegroup` of one transaction, which the hook script collects in a file. A hook that
 * comes after the file was taken starts another agent, whose event has the same group key.
 */
export async function observeTransaction(hook) {
  const { args, env, cwd, config } = hook;
  const [transaction = ""] = args;
  const { bookmarks, ranges } = parseTransaction(await collect(hook, transaction));
  const hgDir = path.join(cwd, ".hg");
  const changed = (await Promise.all(ranges.map((range) => listHeads(hook, range)))).flatMap((heads) =>
    toChanges(heads),
  );
  const changes = [...bookmarks, ...changed];
  const current = bookmarks.length === 0 ? new Map() : readBookmarks(hgDir);
  const sightings = changes.map(({ refType, name, after }) => ({
    refType,
    name,
    head: refType === "bookmark" ? (current.get(name) ?? null) : after,
  }));
  return createEvents({
    hook: { ...hook, name: ranges.length > 0 ? "changegroup" : "txnclose-bookmark" },
    site: "server",
    vcs: "hg",
    repository: config.repository,
    actor: findActor(env),
    groupKey: `${config.repository}:TXN:${transaction}`,
    changes,
    sightings,
  });
}

async function collect({ home }, transaction) {
  const file = home.path(`transactions/${transaction}`);
  const until = Date.now() + maxCollectMs;
  let size = -1;
  for (let quiet = 0; quiet < quietMs && Date.now() < until; quiet += pollMs) {
    const content = fs.readFileSync(file);
    if (content.includes("changegroup ")) break;
    if (content.length !== size) quiet = 0;
    size = content.length;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  const taken = `${file}.${process.pid}`;
  fs.renameSync(file, taken);
  const content = fs.readFileSync(taken);
  fs.rmSync(taken);
  const text = decodeUtf8(content);
  if (text === null) throw new Error("a bookmark of this transaction has a name that is not UTF-8");
  return text;
}

/**
 * The lines that the hook script wrote: `bookmark OLD NEW NAME` and `changegroup FIRST LAST`.
 * @param {string} text
 */
export function parseTransaction(text) {
  const bookmarks = [];
  const ranges = [];
  for (const line of text.split("\n")) {
    const range = /^changegroup ([0-9a-f]{40,64}) ([0-9a-f]{40,64})$/.exec(line);
    if (range !== null) ranges.push({ first: range[1], last: range[2] });
    const bookmark = /^bookmark (\S+) (\S+) (.+)$/.exec(line);
    if (bookmark !== null) bookmarks.push(toBookmarkChange(bookmark));
  }
  return { bookmarks, ranges };
}

function toBookmarkChange([, oldNode, newNode, name]) {
  const before = oldNode === "-" ? null : oldNode;
  const after = newNode === "-" ? null : newNode;
  const kind = after === null ? "delete" : before === null ? "create" : "push";
  return { kind, refType: "bookmark", name, before, after, forced: null, closed: false };
}

/** The heads, closed ones too, of every named branch and topic that the range touches, and what the range grew from. */
async function listHeads({ env, cwd }, { first, last }) {
  const range = `${first}:${last}`;
  const revset = `(head() and branch(${range})) + (parents(${range}) - (${range})) + ${first}`;
  const fields = [
    "{rev}",
    "{node|json}",
    "{branch|json}",
    "{topic|json}",
    '{ifeq(get(extras,"close"),"1","true","false")}',
    '{ifcontains(rev,revset("head()"),"true","false")}',
    '{revset("first(branch(%d))",rev)}',
  ];
  const { HG_PENDING: _, ...rest } = env;
  const options = { cwd, env: { ...rest, HGPLAIN: "1", HGENCODING: "utf-8" } };
  const output = await read(env.HG || "hg", ["log", "-r", revset, "-T", `[${fields.join(",")}]\\n`], options);
  const rows = output.toString("utf8").split("\n").filter(Boolean);
  const heads = rows.map((row) => {
    const [rev, node, branch, topic, closed, isHead, born] = JSON.parse(row);
    return { rev, node, branch, topic: topic || null, closed, isHead, born };
  });
  return { heads, start: heads.find(({ node }) => node === first)?.rev ?? 0 };
}

/**
 * What a range of new changesets did to the named branches and topics: where each ends now and where it was before.
 * `start` is the first new revision, `born` the first revision of the branch that a row is on.
 */
export function toChanges({ heads, start }) {
  const groups = new Map();
  for (const row of heads) {
    const key = JSON.stringify(row.topic === null ? ["branch", row.branch] : ["topic", row.topic]);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups].flatMap(([key, rows]) => {
    const [refType, name] = JSON.parse(key);
    if (!rows.some(({ rev }) => rev >= start)) return [];
    const now = rows.filter(({ isHead }) => isHead);
    const open = now.filter(({ closed }) => !closed);
    const tip = newest(open.length > 0 ? open : now);
    if (tip === undefined) return [];
    const old = rows.filter(({ rev }) => rev < start);
    const before = newest(old.filter(({ isHead }) => !isHead)) ?? newest(old);
    const isNew = refType === "branch" ? rows.every(({ born }) => born >= start) : old.length === 0;
    const change = { kind: isNew ? "create" : "push", refType, name, before: before?.node ?? null, after: tip.node };
    return [{ ...change, forced: null, closed: open.length === 0 }];
  });
}

function newest(rows) {
  return rows.toSorted((a, b) => b.rev - a.rev)[0];
}

/** `.hg/bookmarks` as it is now: `<node> <name>` lines, in UTF-8 whatever the locale. */
function readBookmarks(hgDir) {
  const file = ["store/bookmarks", "bookmarks"]
    .map((name) => path.join(hgDir, name))
    .find((name) => fs.existsSync(name));
  const lines = file === undefined ? [] : fs.readFileSync(file, "utf8").split("\n").filter(Boolean);
  return new Map(lines.map((line) => [line.slice(line.indexOf(" ") + 1), line.slice(0, line.indexOf(" "))]));
}

/**
 * The user in `HG_URL` (`remote:http:<address>:<user>`, each field quoted); anonymous over http is nobody.
 * @param {NodeJS.ProcessEnv} env
 */
export function findActor(env) {
  const [remote, scheme, , user = ""] = (env.HG_URL ?? "").split(":");
  if (remote !== "remote" || !scheme?.startsWith("http")) return findServerActor(env);
  return user === "" ? null : { key: decodeURIComponent(user), email: null };
}
