import { describe, expect, it } from "vitest";
import { createTimeline } from "./timeline.ts";

function createFixture() {
  const clock = { nowMs: 1_000 };
  return { clock, timeline: createTimeline(() => clock.nowMs) };
}

describe("a run's timeline", () => {
  it("has its phases one after another, without gap or overlap; the one under way ends now", () => {
    const { clock, timeline } = createFixture();
    for (const phase of ["lease", "load", "read"] as const) {
      timeline.enter(phase);
      clock.nowMs += 5.26;
    }
    expect(timeline.read().phases).toEqual([
      { phase: "lease", offsetMs: 0, durationMs: 5.3 },
      { phase: "load", offsetMs: 5.3, durationMs: 5.3 },
      { phase: "read", offsetMs: 10.5, durationMs: 5.3 },
    ]);
  });

  it("places a call where it began, and the earliest first though it ended last", () => {
    const { clock, timeline } = createFixture();
    clock.nowMs += 30;
    timeline.addCall({ method: "GET", path: "/Groups/2", status: 200, durationMs: 10 });
    clock.nowMs += 10;
    timeline.addCall({ method: "GET", path: "/Groups/1", status: 200, durationMs: 40 });
    const calls = timeline.read().calls.map(({ path, offsetMs }) => [path, offsetMs]);
    expect(calls).toEqual([
      ["/Groups/1", 0],
      ["/Groups/2", 20],
    ]);
  });
});
