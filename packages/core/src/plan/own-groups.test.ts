import { describe, expect, it } from "vitest";
import { planSync } from "./plan-sync.ts";
import { desiredOf, groupOf, inputOf, own } from "./testing.ts";

const bound = (groupId: string, entitlement: string) => ({ incarnation: own, entitlement, groupId });

describe("groups that are ours (rule C6)", () => {
  it("are known by their externalId, and the plan says so", () => {
    const plan = planSync(inputOf({ desired: desiredOf({ push: [] }), actual: [groupOf("g1", "push")] }));
    expect(plan).toMatchObject({ operations: [], adopted: [{ incarnation: own, entitlement: "push", groupId: "g1" }] });
  });

  it("lose a second one for the same entitlement, as an unknown outcome leaves it", () => {
    const plan = planSync(
      inputOf({
        desired: desiredOf({ push: [] }),
        actual: [groupOf("g1", "push"), groupOf("g2", "push")],
        bindings: [bound("g2", "push")],
      }),
    );
    expect(plan.operations).toEqual([{ kind: "deleteGroup", entitlement: "push", groupId: "g1" }]);
    expect(plan.gone).toEqual(["g1"]);
  });

  it("lose its members without a loss that guards would look at", () => {
    const plan = planSync(
      inputOf({
        desired: desiredOf({ push: ["alice"] }),
        actual: [groupOf("g1", "push", { members: ["alice"] }), groupOf("g2", "push", { members: ["alice"] })],
        bindings: [bound("g2", "push")],
      }),
    );
    expect(plan.operations).toMatchObject([
      { kind: "removeMembers", groupId: "g1", removals: [{ member: "alice", cause: "duplicate" }] },
      { kind: "deleteGroup", groupId: "g1" },
    ]);
  });
});
