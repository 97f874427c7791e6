import { decodeUtf8 } from "./text.js";

const changePattern = /^ref ([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (.+)$/s;
const branchPrefix = "refs/heads/";
/** A shell adds the signal that ended a program to this. */
const signalExitCode = 128;

/**
 * What a push would do to branches: one verb each. A ref that stands for a branch (a symbolic ref, even of a branch that
 * is yet to be made) changes that branch, too. Tags and other refs are nobody's business here.
 * @param {Buffer} input what `look` of the hook script says: for each ref `ref <line of pre-receive>`, then
 * `symbolic <exit code> <for which ref it stands>`, then for a branch that moves `ancestor <exit code>`; `end` at the end.
 * @returns {{ entitlement: string, refType: "branch", branch: string }[]}
 * @throws Error where that is not whole, git failed, or a name is not UTF-8: policy is about names that can be compared.
 */
export function readChanges(input) {
  const refs = parseRefs(toLines(input));
  const touched = refs.flatMap((ref) => [ref.name, ref.target].map((name) => ({ verb: ref.verb, name })));
  const changes = touched.filter(({ name }) => name.startsWith(branchPrefix));
  return changes.map(({ verb, name }) => {
    if (verb === null) throw new Error("git was not asked about a change");
    return { entitlement: verb, refType: "branch", branch: name.slice(branchPrefix.length) };
  });
}

function toLines(input) {
  const text = decodeUtf8(input);
  if (text === null) throw new Error("the name of a ref is not UTF-8");
  // Whatever ended the script early ended it before this: what it did not come to would go unasked.
  if (text !== "end\n" && !text.endsWith("\nend\n")) throw new Error("git was not asked about every change");
  return text.split("\n").slice(0, -2);
}

function parseRefs(lines) {
  const refs = [];
  for (let index = 0; index < lines.length;) {
    const [, before, after, name] = changePattern.exec(lines[index] ?? "") ?? [];
    const [, code, target] = /^symbolic (\d+) (.*)$/s.exec(lines[index + 1] ?? "") ?? [];
    if (name === undefined || code === undefined) throw new Error("git told of a change that this hook cannot read");
    if (code > 1) throw new Error(`git symbolic-ref ${name}: exit ${code}`);
    const ancestor = /^ancestor (\d+)$/.exec(lines[index + 2] ?? "")?.[1];
    refs.push({ name, target, verb: toVerb(before, after, ancestor) });
    index += ancestor === undefined ? 2 : 3;
  }
  return refs;
}

/** A push that loses commits is `force`, and so is one whose history cannot be followed. Null where nobody looked. */
function toVerb(before, after, ancestor) {
  if (/^0+$/.test(before)) return "create";
  if (/^0+$/.test(after)) return "delete";
  if (ancestor === undefined) return null;
  if (ancestor > signalExitCode) throw new Error(`git merge-base was ended by signal ${ancestor - signalExitCode}`);
  return ancestor === "0" ? "push" : "force";
}
