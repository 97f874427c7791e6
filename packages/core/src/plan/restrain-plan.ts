/** What of a plan may be done while repair is suspended, or while drift is only reported. Pure. */
import type { ActualGroup, EffectiveGroup, Operation, Plan, RemovalCause } from "./types.ts";
import { removalKey } from "./plan-sync.ts";

/** Causes that neither a guard, a hold nor a parked scope keeps back: positive information (design, "The one idea"). */
const REVOCATION_CAUSES: ReadonlySet<RemovalCause> = new Set([
  "inactive",
  "deleted",
  "closed",
  "merged",
  "duplicate",
  "retired",
  "expired",
  "deny",
  "rename",
  "renamed",
]);

/** True for removals that go ahead of everything (rules C1, C3). */
export function isRevocationCause(cause: RemovalCause): boolean {
  return REVOCATION_CAUSES.has(cause);
}

/** The revocations of a plan and nothing else; groups stay as they were found but for these. */
export function suspendPlan(plan: Plan, actual: readonly ActualGroup[]): Plan {
  const operations = plan.operations.flatMap((operation): Operation[] => {
    if (operation.kind !== "removeMembers") return [];
    const removals = operation.removals.filter(({ cause }) => isRevocationCause(cause));
    return removals.length === 0 ? [] : [{ ...operation, removals }];
  });
  return { ...plan, operations, gone: [], effective: leave(plan.effective, { actual, operations }) };
}

interface Left {
  readonly actual: readonly ActualGroup[];
  readonly operations: readonly Operation[];
}

function leave(effective: readonly EffectiveGroup[], { actual, operations }: Left): readonly EffectiveGroup[] {
  return effective.flatMap((group) => {
    const found = actual.find(({ id }) => id === group.groupId);
    if (found === undefined) return [];
    const removed = new Set(
      operations.flatMap((operation) =>
        operation.kind === "removeMembers" && operation.groupId === found.id
          ? operation.removals.map(({ member }) => member)
          : [],
      ),
    );
    const members = found.members.filter((member) => !removed.has(member)).toSorted();
    return [{ ...group, displayName: found.displayName, members }];
  });
}

/** Differences that somebody else made, by `removalKey`. */
export interface Drift {
  /** Members whom nothing ever gave. */
  readonly extra: ReadonlySet<string>;
  /** Members who were verified and are gone. */
  readonly missing: ReadonlySet<string>;
}

/** The plan without the repair of drift, which is only reported (`drift: report` of the endpoint). */
export function leaveDrift(plan: Plan, { extra, missing }: Drift): Plan {
  const operations = plan.operations.flatMap((operation): Operation[] => {
    if (operation.kind === "removeMembers") {
      const removals = operation.removals.filter(
        ({ member, cause }) => !extra.has(removalKey(operation.entitlement, member)) || isRevocationCause(cause),
      );
      return removals.length === 0 ? [] : [{ ...operation, removals }];
    }
    if (operation.kind === "addMembers") {
      const additions = operation.additions.filter(
        ({ member }) => !missing.has(removalKey(operation.entitlement, member)),
      );
      return additions.length === 0 ? [] : [{ ...operation, additions }];
    }
    return [operation];
  });
  const effective = plan.effective.map((group) => {
    const left = listLeft(plan.operations, operations, group);
    const members = group.members.filter((member) => !missing.has(removalKey(group.entitlement, member)));
    return { ...group, members: [...members, ...left].toSorted() };
  });
  return { ...plan, operations, effective };
}

/** Members whose removal is no longer among the operations. */
function listLeft(
  all: readonly Operation[],
  made: readonly Operation[],
  { groupId }: EffectiveGroup,
): readonly string[] {
  const removedBy = (operations: readonly Operation[]) =>
    operations.flatMap((operation) =>
      operation.kind === "removeMembers" && operation.groupId === groupId
        ? operation.removals.map(({ member }) => member)
        : [],
    );
  const done = new Set(removedBy(made));
  return removedBy(all).filter((member) => !done.has(member));
}
