import { describe, expect, it } from "vitest";
import { planSync, removalKey } from "./plan-sync.ts";
import { leaveDrift, suspendPlan } from "./restrain-plan.ts";
import { desiredOf, groupOf, inputOf, own, userIdOf } from "./testing.ts";

const bound = (groupId: string, entitlement: string) => ({ incarnation: own, entitlement, groupId });

describe("a suspended plan", () => {
  it("makes revocations alone and leaves the rest as it was found", () => {
    const exclusion = {
      userId: userIdOf("eve"),
      entitlement: "push",
      cause: "inactive",
      rule: "policy[0].grants[0]",
      file: "f",
      line: 1,
      reference: "group:x",
      path: [],
    } as const;
    const actual = [groupOf("g1", "push", { displayName: "odd", members: ["bob", "eve"] })];
    const desired = desiredOf({ merge: ["alice"], push: ["alice"] }, { exclusions: [exclusion] });
    const plan = suspendPlan(planSync(inputOf({ desired, actual, bindings: [bound("g1", "push")] })), actual);
    expect(plan.operations).toMatchObject([
      { kind: "removeMembers", removals: [{ member: "eve", cause: "inactive" }] },
    ]);
    expect(plan.effective).toMatchObject([{ displayName: "odd", members: ["bob"] }]);
  });
});

describe("drift that is only reported", () => {
  it("stays, while what Branchward itself changes is written", () => {
    const actual = [groupOf("g1", "push", { members: ["bob", "mallory"] })];
    const desired = desiredOf({ push: ["alice", "bob", "carol"] });
    const plan = planSync(inputOf({ desired, actual, bindings: [bound("g1", "push")] }));
    const left = leaveDrift(plan, {
      extra: new Set([removalKey("push", "mallory")]),
      missing: new Set([removalKey("push", "alice")]),
    });
    expect(left.operations).toMatchObject([{ kind: "addMembers", additions: [{ member: "carol" }] }]);
    expect(left.effective).toMatchObject([{ members: ["bob", "carol", "mallory"] }]);
  });
});
