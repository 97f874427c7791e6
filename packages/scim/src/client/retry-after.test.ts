import { describe, expect, it } from "vitest";
import { parseRetryAfter } from "./retry-after.ts";

describe("parseRetryAfter", () => {
  it.each([
    ["120", 120_000],
    [" 1 ", 1_000],
    ["0", undefined],
    ["Sat, 21 Nov 2026 00:01:00 GMT", 60_000],
    ["Fri, 20 Nov 2026 00:00:00 GMT", undefined],
    ["99999999999999999999", 3_600_000],
    ["Sat, 21 Nov 2099 00:00:00 GMT", 3_600_000],
    ["-1", undefined],
    ["1.5", undefined],
    ["soon", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("reads %j as %j", (header, expected) => {
    expect(parseRetryAfter(header, Date.UTC(2026, 10, 21))).toBe(expected);
  });
});
