import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration } from "./duration.ts";

describe("durations", () => {
  it.each([
    ["250ms", 250],
    ["30s", 30_000],
    ["2m", 120_000],
    ["8h", 28_800_000],
    ["90d", 7_776_000_000],
    ["0s", 0],
  ])("reads %s as %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(["", "8", "h", "1.5h", "-1s", " 1s", "1s ", "1h30m", "1H", "1w", "9999999999999999s", "999999999999999d"])(
    "refuses %j",
    (text) => {
      expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: "invalid_duration" }));
    },
  );

  it("reads back whatever it writes", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 40 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });

  it("writes the largest unit that divides", () => {
    expect([90_000, 120_000, 1, 0, 172_800_000].map(formatDuration)).toEqual(["90s", "2m", "1ms", "0s", "2d"]);
  });
});
