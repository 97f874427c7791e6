/** Hides how much work one PATCH may ask for: what is not bounded by constant time is counted and capped. */
import { ScimError } from "../error.ts";
import type { Filter } from "../filter/bind.ts";
import { isJsonArray } from "../json.ts";
import type { ResourceType } from "../schema/resource-type.ts";
import { needsMembers } from "./member-changes.ts";
import type { PatchOperation } from "./types.ts";

/** The most operations in one PATCH; those on members by id take constant time each. */
export const maxPatchOperations = 10_000;
/**
 * The most work on other attributes: operations, values that they give and comparisons that they select by. Each of
 * these may look at all of a resource, which holds at most 1,000 values of an attribute and 256 KiB.
 */
export const maxAttributeWork = 2_000;
/** The most comparisons that select members by anything but their id: each looks at every member. */
export const maxMemberComparisons = 32;

/** Refuses a PATCH that asks for too much. @throws ScimError 400 invalidSyntax */
export function requireBounded(type: ResourceType, operations: readonly PatchOperation[]): void {
  if (operations.length > maxPatchOperations) throw refuse(`more than ${maxPatchOperations} operations`);
  let work = 0;
  let comparisons = 0;
  for (const operation of operations) {
    if (operation.kind === "extension") work += 1;
    else if (operation.target.attribute !== type.members) {
      const { value, filter } = operation;
      work += 1 + (isJsonArray(value) ? value.length : 0) + countTerms(filter);
    } else if (needsMembers(operation)) comparisons += countTerms(operation.filter);
  }
  if (work > maxAttributeWork) throw refuse(`more than ${maxAttributeWork} changes of attributes`);
  if (comparisons > maxMemberComparisons) throw refuse(`more than ${maxMemberComparisons} comparisons of members`);
}

function countTerms(filter: Filter | undefined): number {
  switch (filter?.kind) {
    case "and":
    case "or":
      return countTerms(filter.left) + countTerms(filter.right);
    case "not":
      return countTerms(filter.term);
    case "some":
      return countTerms(filter.filter);
    case "present":
    case "compare":
      return 1;
    case undefined:
      return 0;
  }
}

function refuse(detail: string): ScimError {
  return new ScimError(400, detail, "invalidSyntax");
}
