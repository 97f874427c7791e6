import { describe, expect, it } from "vitest";
import { toDuration, toRelative } from "./times.ts";

const now = new Date("2026-03-04T12:00:00Z");
const after = (ms: number): Date => new Date(now.getTime() + ms);

describe("a point in time", () => {
  it.each([
    [-400, "now"],
    [-59_999, "59s ago"],
    [-60_000, "1m ago"],
    [-7_200_000, "2h ago"],
    [-3 * 86_400_000, "3d ago"],
    [8 * 3_600_000, "in 8h"],
  ])("%i ms from now reads %s", (ms, text) => {
    expect(toRelative(after(ms), now)).toBe(text);
  });
});

describe("a length of time", () => {
  it.each([
    [0.42, "0.4 ms"],
    [12.4, "12 ms"],
    [1_250, "1.25 s"],
    [200_000, "3m 20s"],
    [3 * 3_600_000 + 120_000, "3h 2m"],
  ])("of %d ms reads %s", (ms, text) => {
    expect(toDuration(ms)).toBe(text);
  });
});
