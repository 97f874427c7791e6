import { useSyncExternalStore } from "react";
import { toAbsolute, toRelative } from "./times.ts";

const TICK_MS = 5_000;

function subscribeToClock(listener: () => void): () => void {
  const timer = setInterval(listener, TICK_MS);
  return () => clearInterval(timer);
}

/** The time to the tick, so that everything on the page is as old as everything else. */
function readClock(): number {
  return Math.floor(Date.now() / TICK_MS) * TICK_MS;
}

/** How long ago, or how soon; the exact time on hover. */
export function When({ at }: { readonly at: string }) {
  const tick = useSyncExternalStore(subscribeToClock, readClock);
  const date = new Date(at);
  // What happened after the tick is not in the future.
  const isWithinTick = date.getTime() > tick && date.getTime() < tick + 2 * TICK_MS;
  return (
    <time dateTime={at} title={toAbsolute(date)} className="whitespace-nowrap">
      {isWithinTick ? "now" : toRelative(date, new Date(tick))}
    </time>
  );
}
