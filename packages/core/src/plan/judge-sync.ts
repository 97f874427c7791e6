import type { MismatchClass } from "../words.ts";
import { foldDisplayName } from "./entitlement-group.ts";
import type { ActualGroup, EffectiveGroup, Judgement, Mismatch, Plan } from "./types.ts";

export interface JudgeInput {
  /** What must be read, and what must not be found any more. */
  readonly expected: Pick<Plan, "effective" | "gone">;
  /** An independent read after the writes. */
  readonly read: readonly ActualGroup[];
  /** The read that the plan was made from. */
  readonly before: readonly ActualGroup[];
  /** What the endpoint told of each group after the last write to it, by its id. */
  readonly told?: ReadonlyMap<string, Told>;
}

/** By what states of a group are told apart. */
type Told = Pick<ActualGroup, "version" | "lastModified">;

/** Compares an independent read with what must be there (rule C8); each group that differs is named with its class. */
export function judgeSync(input: JudgeInput): Judgement {
  const mismatches = [
    ...input.expected.effective.flatMap((group) => judgeGroup(input, group)),
    ...input.read.filter(({ id }) => input.expected.gone.includes(id)).map(notGone),
  ];
  return { verdict: mismatches.length === 0 ? "verified" : "diverged", mismatches };
}

function notGone(group: ActualGroup): Mismatch {
  return {
    entitlement: group.extension?.entitlement ?? group.displayName,
    class: "ignored-operation",
    missing: [],
    extra: group.members,
  };
}

function findGroup(read: readonly ActualGroup[], expected: EffectiveGroup): ActualGroup | undefined {
  const byId = read.find((group) => group.id === expected.groupId);
  return byId ?? read.find((group) => group.externalId === expected.externalId);
}

interface Difference {
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  readonly isMisnamed: boolean;
}

function differ(expected: EffectiveGroup, found: ActualGroup): Difference {
  const [want, have] = [new Set(expected.members), new Set(found.members)];
  return {
    missing: expected.members.filter((member) => !have.has(member)),
    extra: [...have].filter((member) => !want.has(member)).toSorted(),
    isMisnamed: found.displayName !== expected.displayName,
  };
}

function sizeOf({ missing, extra, isMisnamed }: Difference): number {
  return missing.length + extra.length + (isMisnamed ? 1 : 0);
}

function judgeGroup(input: JudgeInput, expected: EffectiveGroup): Mismatch[] {
  const found = findGroup(input.read, expected);
  const mismatch = (kind: MismatchClass, { missing, extra }: Pick<Difference, "missing" | "extra">): Mismatch[] => [
    { entitlement: expected.entitlement, class: kind, missing, extra },
  ];
  const whole = { missing: expected.members, extra: [] };
  if (found === undefined) {
    const folded = foldDisplayName(expected.displayName);
    const isTaken = input.read.some((group) => foldDisplayName(group.displayName) === folded);
    return mismatch(isTaken ? "name-collision" : "ignored-operation", whole);
  }
  if (found.externalId !== null && found.externalId !== expected.externalId) return mismatch("wrong-object", whole);
  const difference = differ(expected, found);
  if (sizeOf(difference) === 0) return [];
  if (isOld(input, found)) return mismatch("stale-replica", difference);
  return mismatch(classOf(expected, difference, findGroup(input.before, expected)), difference);
}

/**
 * The endpoint has told of a later state than it shows: it does not ignore the write, it does not show it yet. Told by
 * the version, or by the time of the last change, in answer to the write or, where that goes back, in the read before.
 */
function isOld({ before, told }: JudgeInput, found: ActualGroup): boolean {
  const was = before.find(({ id }) => id === found.id);
  const answer = told?.get(found.id);
  if (was === undefined || isShown(answer, found)) return false;
  if (isLater(was, found)) return true;
  if (answer === undefined || found.version !== was.version) return false;
  if (answer.version !== undefined && was.version !== undefined) return true;
  return found.lastModified === was.lastModified && isLater(answer, found);
}

function isShown(answer: Told | undefined, found: ActualGroup): boolean {
  if (answer === undefined) return false;
  if (answer.version !== undefined) return answer.version === found.version;
  return answer.lastModified !== undefined && answer.lastModified === found.lastModified;
}

/** By whole seconds, of which some endpoints keep no parts; false where a time is missing or is none. */
function isLater(one: Told, other: Told): boolean {
  return toSeconds(one) > toSeconds(other);
}

function toSeconds({ lastModified = "" }: Told): number {
  return Math.floor(Date.parse(lastModified) / 1_000);
}

function classOf(expected: EffectiveGroup, difference: Difference, before: ActualGroup | undefined): MismatchClass {
  const was = before === undefined ? undefined : differ(expected, before);
  const isUntouched =
    was === undefined
      ? difference.missing.length === expected.members.length
      : sizeOf(was) === sizeOf(difference) && was.missing.every((member) => difference.missing.includes(member));
  if (isUntouched) return "ignored-operation";
  // Whoever was there and was never removed is not missing: the answer is cut short.
  const hadThem = new Set(before?.members);
  return difference.missing.some((member) => hadThem.has(member)) ? "truncated-members" : "partial-apply";
}
