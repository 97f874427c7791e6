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
const judge = (read: readonly ActualGroup[]) => judgeSync({ expected: plan, read, before });

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

  it.each([
    ["stale-replica", "it shows the version before the one that it answered the write with", "1", "2"],
    ["ignored-operation", "it answered the write with the version that it shows", "1", "1"],
    ["ignored-operation", "it has no versions", undefined, undefined],
    ["ignored-operation", "it shows a version of its own", "3", "2"],
  ])("tells %s where %s", (kind, _, shown, answered) => {
    const versioned = before.map((group) => ({ ...group, version: answered === undefined ? undefined : "1" }));
    const read = before.map((group) => ({ ...group, version: shown }));
    const told = new Map([["g1", { version: answered }]]);
    const { mismatches } = judgeSync({ expected: plan, read, before: versioned, told });
    expect(mismatches).toMatchObject([{ class: kind }]);
  });

  it.each([
    ["stale-replica", "it answered the write with a later time than it shows", "00:00:05Z", "00:00:09Z", "00:00:05Z"],
    ["stale-replica", "it shows an earlier time than before the write", "00:00:05Z", undefined, "00:00:03Z"],
    ["ignored-operation", "it answered with the time that it shows", "00:00:05Z", "00:00:09Z", "00:00:09Z"],
    [
      "ignored-operation",
      "it answered with a time of its own clock, and shows it",
      "00:00:05Z",
      "00:00:03Z",
      "00:00:03Z",
    ],
    ["ignored-operation", "its times are no later", "00:00:05Z", "00:00:05Z", "00:00:05Z"],
    ["ignored-operation", "its answer is but more exact", "00:00:05Z", "00:00:05.900Z", "00:00:05Z"],
    ["ignored-operation", "it shows a time of its own", "00:00:05Z", "00:00:09Z", "00:00:07Z"],
    ["ignored-operation", "it did not answer with a time", "00:00:05Z", undefined, "00:00:05Z"],
    ["ignored-operation", "it has no times", undefined, undefined, undefined],
    ["ignored-operation", "its times are none", "yesterday", "today", "yesterday"],
  ])("tells %s where there are no versions and %s", (kind, _, was, answered, shown) => {
    const at = (time: string | undefined) => (time === undefined ? undefined : `2026-01-01T${time}`);
    const dated = (time: string | undefined) => before.map((group) => ({ ...group, lastModified: at(time) }));
    const told = new Map([["g1", { lastModified: at(answered) }]]);
    const input = { expected: plan, read: dated(shown), before: dated(was), told };
    expect(judgeSync(input).mismatches).toMatchObject([{ class: kind }]);
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
      judgeSync({ expected: creating, read, before: [] }).mismatches;
    expect(judgeCreated([])).toMatchObject([{ class: "ignored-operation", missing: ["alice"] }]);
    expect(judgeCreated([groupOf("s", "push", { externalId: null, displayName: "ACME/web:main:push" })])).toMatchObject(
      [{ class: "name-collision" }],
    );
  });

  it("knows a group that should be gone", () => {
    const removing = planSync(inputOf({ actual: before, bindings }));
    expect(judgeSync({ expected: removing, read: before, before })).toMatchObject({
      verdict: "diverged",
      mismatches: [{ entitlement: "push", class: "ignored-operation", extra: ["alice", "bob", "eve"] }],
    });
  });
});
