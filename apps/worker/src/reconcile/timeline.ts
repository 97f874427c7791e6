/** Where the time of one run goes. */
import type { SyncCall, SyncPhase } from "@branchward/store";
import type { EndpointCall } from "../endpoint/endpoint.ts";

export interface Timeline {
  /** Ends the phase before. */
  enter(phase: SyncPhase["phase"]): void;
  /** Notes a call that has just ended. */
  addCall(call: EndpointCall): void;
  /** What there is so far; the phase under way ends now. */
  read(): { readonly tookMs: number; readonly phases: readonly SyncPhase[]; readonly calls: readonly SyncCall[] };
}

/** A tenth of a millisecond is as much as a reader can use. */
function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** Starts now; `now` is in milliseconds and never goes back. */
export function createTimeline(now: () => number): Timeline {
  const start = now();
  const entered: { readonly phase: SyncPhase["phase"]; readonly atMs: number }[] = [];
  const calls: SyncCall[] = [];
  const elapsed = (): number => now() - start;
  return {
    enter: (phase) => void entered.push({ phase, atMs: elapsed() }),
    addCall: (call) =>
      void calls.push({
        ...call,
        offsetMs: round(Math.max(0, elapsed() - call.durationMs)),
        durationMs: round(call.durationMs),
      }),
    read() {
      const endMs = elapsed();
      const phases = entered.map(({ phase, atMs }, index) => ({
        phase,
        offsetMs: round(atMs),
        durationMs: round((entered[index + 1]?.atMs ?? endMs) - atMs),
      }));
      return { tookMs: round(endMs), phases, calls: calls.toSorted((a, b) => (a.offsetMs ?? 0) - (b.offsetMs ?? 0)) };
    },
  };
}
