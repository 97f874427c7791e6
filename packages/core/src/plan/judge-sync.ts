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
  /** Earlier reads of this sync's later rounds, oldest first. */
  readonly earlier: readonly (readonly ActualGroup[])[];
  /** Versions that the endpoint answered the last write to each group with, by its id. */
  readonly answered?: ReadonlyMap<string, string | undefined>;
}

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
  const sightings = input.earlier.map((read) => findGroup(read, expected));
  if (found === undefined) {
    const folded = foldDisplayName(expected.displayName);
    const isTaken = input.read.some((group) => foldDisplayName(group.displayName) === folded);
    if (isTaken) return mismatch("name-collision", whole);
    return mismatch(sightings.some((group) => group !== undefined) ? "stale-replica" : "ignored-operation", whole);
  }
  if (found.externalId !== null && found.externalId !== expected.externalId) return mismatch("wrong-object", whole);
  const difference = differ(expected, found);
  if (sizeOf(difference) === 0) return [];
  const wasCloser = sightings.some(
    (group) => group !== undefined && sizeOf(differ(expected, group)) < sizeOf(difference),
  );
  if (wasCloser || isOld(input, found)) return mismatch("stale-replica", difference);
  return mismatch(classOf(expected, difference, findGroup(input.before, expected)), difference);
}

/** The endpoint told of a new version, and shows the one before: it does not ignore the write, it does not show it yet. */
function isOld({ before, answered }: JudgeInput, found: ActualGroup): boolean {
  const version = answered?.get(found.id);
  const was = before.find(({ id }) => id === found.id)?.version;
  return version !== undefined && was !== undefined && version !== was && found.version === was;
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
