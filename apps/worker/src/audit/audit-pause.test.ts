import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toAuditPause } from "./audit-pause.ts";

describe("the pause after an audited page (rule C9)", () => {
  it.each([
    { budget: 0.1, spentMs: 200, pause: 1_800 },
    { budget: 0.5, spentMs: 200, pause: 200 },
    { budget: 1, spentMs: 200, pause: 0 },
  ])("lets reads take $budget of the time", ({ budget, spentMs, pause }) => {
    expect(toAuditPause({ budget, intervalMs: 60_000 }, { ageMs: 0, isLast: false, spentMs })).toBe(pause);
  });

  it("begins a round an interval after the one before, give or take a tenth", () => {
    fc.assert(
      fc.property(fc.nat(20_000), fc.nat(20_000), (ageMs, spentMs) => {
        const pause = toAuditPause({ budget: 0.1, intervalMs: 60_000 }, { ageMs, isLast: true, spentMs });
        expect(ageMs + spentMs + pause).toBeGreaterThanOrEqual(54_000);
        expect(ageMs + spentMs + pause).toBeLessThanOrEqual(66_000);
      }),
    );
  });

  it("leaves an endpoint a second where a round takes longer than the interval", () => {
    const page = { ageMs: 90_000, isLast: true, spentMs: 500 };
    expect(toAuditPause({ budget: 0.1, intervalMs: 60_000 }, page)).toBe(1_000);
  });
});
