import type { SyncItem } from "@branchward/core/api";
import { Link } from "@tanstack/react-router";
import { toDuration } from "../components/times.ts";
import { VERDICTS } from "../components/verdict.tsx";

const SHOWN = 120;

/** The latest syncs as a row of bars, oldest first: taller took longer (by its logarithm), coloured by verdict. */
export function Pulse({ syncs }: { readonly syncs: readonly SyncItem[] }) {
  const shown = syncs.slice(0, SHOWN).toReversed();
  const logs = shown.map((sync) => Math.log10(10 + Date.parse(sync.finishedAt) - Date.parse(sync.startedAt)));
  const highest = Math.max(...logs);
  return (
    <div className="mb-5 flex h-9 items-end justify-end gap-px overflow-hidden border-b border-line" aria-hidden>
      {shown.map((sync, index) => (
        <Link
          key={sync.id}
          to="/syncs/$id"
          params={{ id: sync.id }}
          tabIndex={-1}
          title={`${sync.verdict}: ${sync.branch.slice(0, 80)}, ${toDuration(Date.parse(sync.finishedAt) - Date.parse(sync.startedAt))}`}
          style={{ height: `${(100 * (logs[index] ?? 0)) / highest}%` }}
          className={`max-w-2 min-w-px grow rounded-t-[1px] opacity-55 hover:opacity-100 ${VERDICTS[sync.verdict].fill}`}
        />
      ))}
    </div>
  );
}
