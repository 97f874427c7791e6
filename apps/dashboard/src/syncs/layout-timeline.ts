/** Where the bars of a run's timeline stand. */
import type { SyncDetails } from "@branchward/core/api";

export interface TimelineBar {
  readonly label: string;
  /** `call` bars stand below the phase in which they were made. */
  readonly kind: "queue" | "phase" | "call";
  /** What the answer was, for calls: `200`, `no answer`. */
  readonly outcome: string | null;
  readonly hasFailed: boolean;
  readonly durationMs: number;
  /** Since the run's start; negative for what came before; null where it was not recorded. */
  readonly offsetMs: number | null;
  /** Shares of the whole width, 0 to 1; null where there is no offset. */
  readonly place: { readonly left: number; readonly width: number } | null;
}

export interface TimelineLayout {
  readonly bars: readonly TimelineBar[];
  /** Where the run itself begins, as a share of the width. */
  readonly start: number;
  /** True where the wait was too long to be drawn to scale. */
  readonly isQueueCut: boolean;
}

/** A wait is drawn at most this long against the run, so that the run stays readable. */
const MAX_QUEUE_SHARE = 0.3;

const PHASE_LABELS = {
  lease: "take the lease",
  load: "load branch, policy, directory",
  read: "read the endpoint",
  write: "write what differs",
  verify: "read back and compare",
  record: "record",
} as const;

/** Lays out queue wait, phases and calls in the order in which they began. */
export function layoutTimeline({ timeline, calls }: Pick<SyncDetails, "timeline" | "calls">): TimelineLayout {
  const { queuedMs, phases } = timeline;
  const totalMs = Math.max(timeline.totalMs, ...calls.map((call) => (call.offsetMs ?? 0) + call.durationMs), 0.1);
  const maxQueueMs = (totalMs * MAX_QUEUE_SHARE) / (1 - MAX_QUEUE_SHARE);
  const drawnQueueMs = Math.min(queuedMs, maxQueueMs);
  const widthMs = drawnQueueMs + totalMs;
  const start = drawnQueueMs / widthMs;
  const placeAt = (offsetMs: number, durationMs: number) => ({
    left: (drawnQueueMs + offsetMs) / widthMs,
    width: durationMs / widthMs,
  });
  const queue: TimelineBar = {
    label: "wait in the queue",
    kind: "queue",
    outcome: null,
    hasFailed: false,
    durationMs: queuedMs,
    offsetMs: -queuedMs,
    place: { left: 0, width: start },
  };
  const phaseBars = phases.map(({ phase, offsetMs, durationMs }): TimelineBar => ({
    label: PHASE_LABELS[phase],
    kind: "phase",
    outcome: null,
    hasFailed: false,
    durationMs,
    offsetMs,
    place: placeAt(offsetMs, durationMs),
  }));
  const callBars = calls.map(({ method, path, status, offsetMs, durationMs }): TimelineBar => ({
    label: `${method} ${path}`,
    kind: "call",
    outcome: status === null ? "no answer" : String(status),
    hasFailed: status === null || status >= 400,
    durationMs,
    offsetMs,
    place: offsetMs === null ? null : placeAt(offsetMs, durationMs),
  }));
  // A phase comes before the calls made in it, also where both began at once.
  const bars = [...phaseBars, ...callBars].toSorted((one, other) => (one.offsetMs ?? 0) - (other.offsetMs ?? 0));
  return { bars: [queue, ...bars], start, isQueueCut: queuedMs > maxQueueMs };
}
