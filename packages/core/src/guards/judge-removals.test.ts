import { describe, expect, it } from "vitest";
import type { UserId } from "../words.ts";
import { type GuardedGroup, type GuardedRemoval, judgeRemovals } from "./judge-removals.ts";

const HOUR_MS = 3_600_000;
const guards = { maxRemovals: 5, maxRemovalShare: 0.1, windowMs: HOUR_MS };
const noon = Date.UTC(2030, 0, 1, 12);
const user = (name: string | number) => `user-${name}` as UserId;

function removalsOf(count: number, rest: Partial<GuardedRemoval> = {}): readonly GuardedRemoval[] {
  return Array.from({ length: count }, (_, index) => ({
    entitlementGroup: "push",
    userId: user(index),
    directoryGroups: [],
    ...rest,
  }));
}

/** Removed a minute apart, from noon on. */
function removedOf(...names: readonly (string | number)[]): ReadonlyMap<UserId, Date> {
  return new Map(names.map((name, index) => [user(name), new Date(noon + index * 60_000)]));
}

function groupOf(baseline: number, rest: Partial<GuardedGroup> = {}): GuardedGroup {
  return { baseline, removed: new Map(), remaining: 1, ...rest };
}

function judge(removals: readonly GuardedRemoval[], group: GuardedGroup, directory?: GuardedGroup) {
  return judgeRemovals({
    guards,
    removals,
    entitlementGroups: new Map([["push", group]]),
    directoryGroups: new Map(directory === undefined ? [] : [["devs", directory]]),
  });
}

describe("guards (rule C1)", () => {
  it("let five go, however small the group", () => {
    expect(judge(removalsOf(5), groupOf(6)).withheld).toEqual([]);
  });

  it("withhold the whole of six of twenty", () => {
    const { withheld, over } = judge(removalsOf(6), groupOf(20));
    expect(withheld).toHaveLength(6);
    expect(over).toEqual([
      { kind: "entitlement-group", group: "push", removed: 6, baseline: 20, isEmptied: false, freeAt: null },
    ]);
  });

  it("let six of a hundred go: no more than a tenth", () => {
    expect(judge(removalsOf(6), groupOf(100)).withheld).toEqual([]);
  });

  it("count what earlier plans removed within the window", () => {
    const removed = removedOf("a", "b", "c", "d", "e");
    expect(judge(removalsOf(1), groupOf(20, { removed })).withheld).toHaveLength(1);
  });

  it("tell when the window leaves enough of those behind", () => {
    const removed = removedOf("a", "b", "c", "d", "e");
    expect(judge(removalsOf(2), groupOf(20, { removed })).over).toMatchObject([
      { removed: 7, freeAt: new Date(noon + HOUR_MS + 60_000) },
    ]);
    // Whom the plan takes again counts whenever they went before.
    expect(judge(removalsOf(1), groupOf(20, { removed: removedOf(0, "b", "c", "d", "e", "f") })).over).toMatchObject([
      { removed: 6, freeAt: new Date(noon + HOUR_MS + 60_000) },
    ]);
    expect(judge(removalsOf(6), groupOf(20, { removed })).over).toMatchObject([{ removed: 11, freeAt: null }]);
  });

  it("tell when the last of a group that has been emptied slowly is its only one", () => {
    const emptied = groupOf(3, { remaining: 0, removed: removedOf(8, 9) });
    expect(judge(removalsOf(1), emptied).over).toMatchObject([
      { isEmptied: true, freeAt: new Date(noon + HOUR_MS + 60_000) },
    ]);
    expect(judge(removalsOf(2), groupOf(3, { remaining: 0, removed: removedOf(8) })).over).toMatchObject([
      { isEmptied: true, freeAt: null },
    ]);
  });

  it("count a user once, in however many scopes a directory group loses them", () => {
    const thousand = Array.from({ length: 1_000 }, () => removalsOf(1, { directoryGroups: ["devs"] })).flat();
    expect(judge(thousand, groupOf(20), groupOf(20, { remaining: 19 })).withheld).toEqual([]);
  });

  it("withhold what goes through a directory group over its limit, and nothing beside it", () => {
    const through = removalsOf(6, { directoryGroups: ["devs"] });
    const beside: GuardedRemoval = { entitlementGroup: "merge", userId: user("x"), directoryGroups: [] };
    const judgement = judgeRemovals({
      guards,
      removals: [...through, beside],
      entitlementGroups: new Map([
        ["push", groupOf(100)],
        ["merge", groupOf(10)],
      ]),
      directoryGroups: new Map([["devs", groupOf(10)]]),
    });
    expect(judgement.withheld).toEqual(through);
    expect(judgement.over).toMatchObject([{ kind: "directory-group", group: "devs", removed: 6 }]);
  });

  it("withhold what would empty a group that had more than one member", () => {
    expect(judge(removalsOf(2), groupOf(2, { remaining: 0 })).over).toMatchObject([{ isEmptied: true }]);
    expect(judge(removalsOf(1), groupOf(3, { remaining: 0, removed: removedOf(8, 9) })).over).toHaveLength(1);
  });

  it("let the only member of a group go", () => {
    expect(judge(removalsOf(1), groupOf(1, { remaining: 0 })).withheld).toEqual([]);
  });
});
