/** Points in time and lengths of time as people read them. */

const UNITS = [
  { unit: "day", ms: 86_400_000 },
  { unit: "hour", ms: 3_600_000 },
  { unit: "minute", ms: 60_000 },
  { unit: "second", ms: 1_000 },
] as const;

const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });
const absolute = new Intl.DateTimeFormat("en-GB", {
  dateStyle: "medium",
  timeStyle: "medium",
});

/** `3m ago`, `in 2h`; `now` within a second. */
export function toRelative(at: Date, now: Date): string {
  const distance = at.getTime() - now.getTime();
  const scale = UNITS.find(({ ms }) => Math.abs(distance) >= ms);
  return scale === undefined ? "now" : relative.format(Math.trunc(distance / scale.ms), scale.unit);
}

/** In the reader's zone, and in UTC for whoever compares it with a log. */
export function toAbsolute(at: Date): string {
  return `${absolute.format(at)} (${at.toISOString()})`;
}

/** A length of time: `0.4 ms`, `12 ms`, `1.25 s`, `3m 20s`. */
export function toDuration(ms: number): string {
  if (ms < 1) return `${Math.max(ms, 0).toFixed(1)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(2)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes}m ${Math.round((ms % 60_000) / 1_000)}s`;
  return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}
