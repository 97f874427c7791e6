import { describe, expect, it } from "vitest";
import { foldDisplayName } from "./entitlement-group.ts";

describe("names of groups", () => {
  it.each([
    ["Web:Main:push", "web:main:PUSH"],
    [" web:main:push", "web:main:push "],
    ["straße", "STRASSE"],
    ["caf\u00e9", "cafe\u0301"],
    ["ΟΔΟΣ", "οδος"],
    ["\uff57eb:main", "web:main"],
  ])("%j and %j are one", (left, right) => {
    expect(foldDisplayName(left)).toBe(foldDisplayName(right));
  });

  it.each([
    ["\u2460", "1"],
    ["v\u00b2", "v2"],
    ["\u210c", "H"],
    ["cafe", "caf\u00e9"],
    ["a b", "ab"],
  ])("%j and %j are two: compatibility forms are kept apart", (left, right) => {
    expect(foldDisplayName(left)).not.toBe(foldDisplayName(right));
  });
});
