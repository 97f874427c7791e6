import { describe, expect, it } from "vitest";
import { planSync, removalKey } from "./plan-sync.ts";
import { desiredOf, groupOf, inputOf, userIdOf, own } from "./testing.ts";
import type { Plan } from "./types.ts";

const kinds = (plan: Plan) => plan.operations.map((operation) => operation.kind);
const bound = (groupId: string, entitlement: string) => ({ incarnation: own, entitlement, groupId });

describe("removals that guards keep back", () => {
  const actual = [groupOf("g1", "push", { members: ["alice", "bob", "eve"] })];
  const bindings = [bound("g1", "push")];

  it("stay in the effective set while the others go", () => {
    const keptBack = new Set([removalKey("push", "bob")]);
    const plan = planSync(inputOf({ desired: desiredOf({ push: ["alice"] }), actual, bindings, keptBack }));
    expect(plan.operations).toMatchObject([{ kind: "removeMembers", removals: [{ member: "eve" }] }]);
    expect(plan.effective).toMatchObject([{ members: ["alice", "bob"] }]);
    expect(plan.keptBack).toMatchObject([{ entitlement: "push", member: "bob", cause: "not-granted" }]);
  });

  it("keep a group that policy names no more, with nobody else in it", () => {
    const keptBack = new Set([removalKey("push", "bob")]);
    const plan = planSync(inputOf({ actual, bindings, keptBack }));
    expect(kinds(plan)).toEqual(["removeMembers"]);
    expect(plan.effective).toMatchObject([{ entitlement: "push", groupId: "g1", members: ["bob"] }]);
    expect(plan.gone).toEqual([]);
  });

  it("have no say over whoever is granted again", () => {
    const keptBack = new Set([removalKey("push", "bob")]);
    const desired = desiredOf({ push: ["alice", "bob", "eve"] });
    const plan = planSync(inputOf({ desired, actual, bindings, keptBack }));
    expect(plan.keptBack).toEqual([]);
    expect(plan.operations).toEqual([]);
  });

  it("are named for the rename while it is not verified", () => {
    const plan = planSync(inputOf({ desired: desiredOf({ push: ["alice"] }), actual, bindings, isRenaming: true }));
    expect(plan.operations).toMatchObject([{ removals: [{ cause: "renamed" }, { cause: "renamed" }] }]);
  });

  it.each([
    ["expired", "renamed"],
    ["untrusted", "renamed"],
    ["exclusive", "renamed"],
    ["ceiling", "renamed"],
    ["deny", "deny"],
    ["inactive", "inactive"],
  ] as const)(
    "are no matter of guards while a rename is not verified, also where it is %s under the new name",
    (cause, told) => {
      const place = { rule: "policy[0].grants[0]", file: "f", line: 1, reference: "group:g", path: [] };
      const exclusions = [{ ...place, userId: userIdOf("bob"), entitlement: "push", cause }];
      const removalsOf = (isRenaming: boolean) => {
        const desired = desiredOf({ push: ["alice", "eve"] }, { exclusions });
        const [operation] = planSync(inputOf({ desired, actual, bindings, isRenaming })).operations;
        return operation;
      };
      expect(removalsOf(true)).toMatchObject({ removals: [{ member: "bob", cause: told }] });
      expect(removalsOf(false)).toMatchObject({ removals: [{ member: "bob", cause }] });
    },
  );
});
