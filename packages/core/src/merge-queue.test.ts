import { describe, expect, it } from "vitest";
import { findQueueBase } from "./merge-queue.ts";

describe("the base of a merge queue's branch", () => {
  it.each([
    ["gh-readonly-queue/main/pr-1-9932628220671f30a319978c1eb382fd3668c360", "main"],
    ["gh-readonly-queue/release/1.0/pr-12-9932628220671f30a319978c1eb382fd3668c360", "release/1.0"],
    ["gh-readonly-queue/a/pr-1/pr-2-99", "a/pr-1"],
  ])("of %s is %s", (name, base) => {
    expect(findQueueBase(name)).toBe(base);
  });

  it.each([
    "main",
    "gh-readonly-queue",
    "gh-readonly-queue/main",
    "gh-readonly-queue//pr-1",
    "x/gh-readonly-queue/main/pr-1-9",
  ])("is not found in %s", (name) => {
    expect(findQueueBase(name)).toBeUndefined();
  });
});
