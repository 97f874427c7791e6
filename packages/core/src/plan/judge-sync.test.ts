import { describe, expect, it } from "vitest";
import { applyPlan } from "./apply-plan.ts";
import { judgeSync } from "./judge-sync.ts";
import { desiredOf, groupOf, inputOf, own } from "./testing.ts";
import { planSync } from "./plan-sync.ts";
import type { ActualGroup } from "./types.ts";

const before = [groupOf("g1", "push", { members: ["alice", "bob", "eve"] })];
const bindings = [{ incarnation: own, entitlement: "push", groupId: "g1" }];
const plan = planSync(
  inputOf({ desired: desiredOf({ push: ["alice", "bob", "carol", "dave"] }), actual: before, bindings }),
);
const showing = (...members: string[]) => [groupOf("g1", "push", { members })];
const judge = (read: readonly ActualGroup[], earlier: readonly (readonly ActualGroup[])[] = []) =>
  judgeSync({ expected: plan, read, before, earlier });

describe("rule C8: the verdict", () => {
  it("is verified when an independent read shows what must be there", () => {
    expect(judge(applyPlan(plan, before))).toEqual({ verdict: "verified", mismatches: [] });
  });

  it.each([
    ["ignored-operation", "nothing changed", before, ["carol", "dave"], ["eve"]],
    ["partial-apply", "some of the changes are there", showing("alice", "bob", "carol"), ["dave"], []],
    ["partial-apply", "removals were ignored", showing("alice", "bob", "carol", "dave", "eve"), [], ["eve"]],
    ["truncated-members", "somebody is missing who was never removed", showing("alice", "carol", "dave"), ["bob"], []],
  ])("is diverged by %s when %s", (kind, _, read, missing, extra) => {
    expect(judge(read)).toEqual({
      verdict: "diverged",
      mismatches: [{ entitlement: "push", class: kind, missing, extra }],
    });
  });

  it("knows a stale replica by an earlier read that was closer", () => {
    expect(judge(before, [showing("alice", "bob", "carol")]).mismatches).toMatchObject([{ class: "stale-replica" }]);
    expect(judge([], [before]).mismatches).toMatchObject([{ class: "stale-replica" }]);
  });

  it.each([
    ["stale-replica", "it shows the version before the one that it answered the write with", "1", "2"],
    ["ignored-operation", "it answered the write with the version that it shows", "1", "1"],
    ["ignored-operation", "it has no versions", undefined, undefined],
    ["ignored-operation", "it shows a version of its own", "3", "2"],
  ])("tells %s where %s", (kind, _, shown, answered) => {
    const versioned = before.map((group) => ({ ...group, version: answered === undefined ? undefined : "1" }));
    const read = before.map((group) => ({ ...group, version: shown }));
    const versions = new Map([["g1", answered]]);
    const { mismatches } = judgeSync({ expected: plan, read, before: versioned, earlier: [], answered: versions });
    expect(mismatches).toMatchObject([{ class: kind }]);
  });

  it("knows another group under the bound id", () => {
    const changed = [
      groupOf("g1", "push", { externalId: "somebody-else", members: ["alice", "bob", "carol", "dave"] }),
    ];
    expect(judge(changed).mismatches).toMatchObject([{ class: "wrong-object" }]);
  });

  it("knows a group whose rename was ignored", () => {
    const misnamed = [groupOf("g1", "push", { displayName: "other", members: ["alice", "bob", "carol", "dave"] })];
    expect(judge(misnamed)).toMatchObject({ verdict: "diverged", mismatches: [{ missing: [], extra: [] }] });
  });

  it("knows a group that was not made, and one whose name somebody else has", () => {
    const creating = planSync(inputOf({ desired: desiredOf({ push: ["alice"] }) }));
    const judgeCreated = (read: readonly ActualGroup[]) =>
      judgeSync({ expected: creating, read, before: [], earlier: [] }).mismatches;
    expect(judgeCreated([])).toMatchObject([{ class: "ignored-operation", missing: ["alice"] }]);
    expect(judgeCreated([groupOf("s", "push", { externalId: null, displayName: "ACME/web:main:push" })])).toMatchObject(
      [{ class: "name-collision" }],
    );
  });

  it("knows a group that should be gone", () => {
    const removing = planSync(inputOf({ actual: before, bindings }));
    expect(judgeSync({ expected: removing, read: before, before, earlier: [] })).toMatchObject({
      verdict: "diverged",
      mismatches: [{ entitlement: "push", class: "ignored-operation", extra: ["alice", "bob", "eve"] }],
    });
  });
});
