import { decodeUtf8, read, run } from "./process.js";

const linePattern = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) /;
const branchPrefix = "refs/heads/";
/** Above this the refs would not fit a command line: all are listed instead. */
const maxRefArguments = 100;
const maxProcesses = 4;

/**
 * What the lines that `pre-receive` reads would do to branches: one verb each. A ref that stands for a branch (a symbolic
 * ref) changes that branch, too. Tags and other refs are nobody's business here.
 * @param {Buffer} input
 */
export async function readChanges(input, options) {
  const refs = splitLines(input).flatMap(toRef);
  const [aliases] = await Promise.all([
    listAliases(
      refs.filter(({ before }) => before !== null),
      options,
    ),
    findForced(refs, options),
  ]);
  const touched = refs.flatMap((ref) => [ref, ...toAliased(ref, aliases)]);
  const changes = touched.filter(({ name }) => name.startsWith(branchPrefix));
  return changes.map(({ verb, name }) => ({
    entitlement: verb,
    refType: "branch",
    branch: name.slice(branchPrefix.length),
  }));
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

function toRef(line) {
  const match = linePattern.exec(line.subarray(0, 140).toString("latin1"));
  if (match === null) throw new Error("git told of a change that this hook cannot read");
  const name = decodeUtf8(line.subarray(match[0].length));
  // Policy is about names, and this has none that could be compared.
  if (name === null) throw new Error("the name of a ref is not UTF-8");
  const [before, after] = match.slice(1).map((id) => (/^0+$/.test(id) ? null : id));
  const verb = before === null ? "create" : after === null ? "delete" : "push";
  return [{ name, before, after, verb }];
}

function toAliased(ref, aliases) {
  const name = aliases.get(ref.name);
  return name === undefined ? [] : [{ ...ref, name }];
}

/** The refs that stand for others, by name. */
async function listAliases(refs, options) {
  if (refs.length === 0) return new Map();
  const names = refs.length > maxRefArguments ? ["refs/"] : refs.map(({ name }) => name);
  const output = await read("git", ["for-each-ref", "--format=%(refname) %(symref)", "--", ...names], options);
  const pairs = output
    .toString("utf8")
    .split("\n")
    .map((line) => line.split(" "));
  return new Map(pairs.filter(([, target]) => target));
}

/** A push that loses commits is `force`, and so is one whose history cannot be followed. */
async function findForced(refs, options) {
  const pushes = refs.filter(
    ({ verb, name }) => verb === "push" && name.startsWith("refs/") && !name.startsWith("refs/tags/"),
  );
  const next = pushes.values();
  const work = async () => {
    for (const ref of next) {
      const { code } = await run("git", ["merge-base", "--is-ancestor", ref.before, ref.after], options);
      if (code !== 0) ref.verb = "force";
    }
  };
  await Promise.all(Array.from({ length: Math.min(maxProcesses, pushes.length) }, work));
}
