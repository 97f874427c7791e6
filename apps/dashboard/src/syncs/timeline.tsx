import type { SyncDetails } from "@branchward/core/api";
import { useMemo } from "react";
import { toDuration } from "../components/times.ts";
import { layoutTimeline, type TimelineBar } from "./layout-timeline.ts";

const FILLS = { queue: "bg-idle opacity-50", phase: "bg-edge opacity-60", call: "bg-accent" } as const;

/** Ids are told apart by their ends; the whole is shown on hover. */
const UUIDS = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{6}([0-9a-f]{6})/gu;

/** Where the time of a run went: wait, phases, and every SCIM call within them. */
export function Timeline({ sync }: { readonly sync: SyncDetails }) {
  const { bars, isQueueCut } = useMemo(() => layoutTimeline(sync), [sync]);
  return (
    <ol className="border-t border-line text-sm" aria-label="Timeline">
      {bars.map((bar, index) => (
        <Row key={`${index} ${bar.label}`} bar={bar} isCut={isQueueCut && bar.kind === "queue"} />
      ))}
    </ol>
  );
}

function Row({ bar, isCut }: { readonly bar: TimelineBar; readonly isCut: boolean }) {
  const { label, kind, outcome, hasFailed, durationMs, place } = bar;
  return (
    <li className="grid grid-cols-[minmax(0,1fr)_5rem] items-center gap-x-4 border-b border-line py-1.5 sm:grid-cols-[minmax(0,20rem)_minmax(0,1fr)_5rem]">
      <span className={`flex min-w-0 gap-2 ${kind === "call" ? "pl-4 font-mono text-xs" : ""}`} title={label}>
        <span className="truncate">{label.replace(UUIDS, "…$1")}</span>
        {outcome !== null && (
          <span className={`ml-auto shrink-0 ${hasFailed ? "font-medium text-bad" : "text-soft"}`}>{outcome}</span>
        )}
      </span>
      <span className="text-right text-soft tabular-nums sm:order-last">{toDuration(durationMs)}</span>
      <span className="relative h-3 max-sm:col-span-2 max-sm:mt-1 max-sm:h-1.5" aria-hidden>
        {place !== null && (
          <span
            style={{ left: `${place.left * 100}%`, width: `max(2px, ${place.width * 100}%)` }}
            className={`absolute inset-y-0 rounded-[2px] ${hasFailed ? "bg-bad" : FILLS[kind]} ${isCut ? "rounded-l-none border-l-4 border-dotted border-page" : ""}`}
          />
        )}
      </span>
    </li>
  );
}
