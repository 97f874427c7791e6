import type { ActualGroup, Operation, Plan } from "./types.ts";

/** What an honest endpoint shows after the plan: a simulation, for tests and previews. New groups get made-up ids. */
export function applyPlan(plan: Pick<Plan, "operations">, actual: readonly ActualGroup[]): readonly ActualGroup[] {
  return plan.operations.reduce(applyOperation, actual);
}

function applyOperation(actual: readonly ActualGroup[], operation: Operation): readonly ActualGroup[] {
  if (operation.kind === "createGroup") {
    const { displayName, externalId, extension, additions } = operation;
    const members = additions.map(({ member }) => member);
    return [...actual, { id: `new:${externalId}`, displayName, externalId, members, extension }];
  }
  return actual.flatMap((group) => (group.id === operation.groupId ? changed(group, operation) : [group]));
}

function changed(group: ActualGroup, operation: Exclude<Operation, { readonly kind: "createGroup" }>): ActualGroup[] {
  switch (operation.kind) {
    case "deleteGroup":
      return [];
    case "renameGroup":
      return [{ ...group, displayName: operation.displayName, extension: group.extension && operation.extension }];
    case "removeMembers": {
      const removed = new Set(operation.removals.map(({ member }) => member));
      return [{ ...group, members: group.members.filter((member) => !removed.has(member)) }];
    }
    case "addMembers":
      return [
        { ...group, members: [...new Set([...group.members, ...operation.additions.map(({ member }) => member)])] },
      ];
  }
}
