import { describe, expect, it } from "vitest";
import { layoutTimeline } from "./layout-timeline.ts";

const call = { method: "GET", path: "/Groups", status: 200, offsetMs: 20, durationMs: 30 };
const phases = [
  { phase: "lease" as const, offsetMs: 0, durationMs: 20 },
  { phase: "read" as const, offsetMs: 20, durationMs: 60 },
];

describe("a run's timeline", () => {
  it("puts each call below the phase in which it was made", () => {
    const { bars } = layoutTimeline({ timeline: { queuedMs: 10, totalMs: 90, phases }, calls: [call] });
    expect(bars.map(({ kind }) => kind)).toEqual(["queue", "phase", "phase", "call"]);
  });

  it("draws wait and run to one scale", () => {
    const { bars, start } = layoutTimeline({ timeline: { queuedMs: 10, totalMs: 90, phases }, calls: [call] });
    expect(start).toBeCloseTo(0.1);
    expect(bars[3]?.place?.left).toBeCloseTo(0.3);
    expect(bars[3]?.place?.width).toBeCloseTo(0.3);
  });

  it("cuts a wait that would leave no room for the run, and says so", () => {
    const { start, isQueueCut } = layoutTimeline({ timeline: { queuedMs: 60_000, totalMs: 90, phases }, calls: [] });
    expect(isQueueCut).toBe(true);
    expect(start).toBeCloseTo(0.3);
  });

  it("lists calls of old syncs without a place, and marks those that failed", () => {
    const old = { ...call, offsetMs: null };
    const lost = { ...call, status: null };
    const { bars } = layoutTimeline({ timeline: { queuedMs: 0, totalMs: 90, phases: [] }, calls: [old, lost] });
    expect(bars.slice(1).map(({ place, hasFailed }) => [place === null, hasFailed])).toEqual([
      [true, false],
      [false, true],
    ]);
  });
});
