import type { GroupDiff } from "@branchward/core/api";
import { useMemo } from "react";
import { InlineName } from "../components/name.tsx";
import { VirtualList } from "../components/virtual-list.tsx";
import { type DiffRow, type DiffView, toDiffRows } from "./diff-rows.ts";

const ROW_PX = 33;

const SIGN_LOOKS = {
  "+": { row: "bg-good-soft", sign: "text-good", told: "added" },
  "−": { row: "bg-bad-soft", sign: "text-bad", told: "removed" },
  " ": { row: "", sign: "", told: "unchanged" },
} as const;

export interface MemberDiffProps extends DiffView {
  readonly diffs: readonly GroupDiff[];
}

/** Desired against actual, line by line. */
export function MemberDiff({ diffs, isWhole, who }: MemberDiffProps) {
  const rows = useMemo(() => toDiffRows(diffs, { isWhole, who }), [diffs, isWhole, who]);
  return (
    <VirtualList label="Members, desired and actual" rows={rows} rowPx={ROW_PX}>
      {(row) => (row.kind === "group" ? <GroupLine diff={row.diff} /> : <MemberLine row={row} />)}
    </VirtualList>
  );
}

function GroupLine({
  diff: { entitlement, group, operations, added, removed, unchanged },
}: {
  readonly diff: GroupDiff;
}) {
  return (
    <div className="flex flex-wrap items-baseline gap-x-3 border-b border-line bg-rail px-3 py-2">
      <h3 className="font-semibold">{entitlement}</h3>
      <span className="min-w-0 text-sm text-soft">
        <InlineName>{group}</InlineName>
      </span>
      <span className="text-sm text-soft sm:ml-auto">
        {added.length} in, {removed.length} out, {unchanged.length} as {unchanged.length === 1 ? "it was" : "they were"}
        {operations.length === 0 ? "" : ` · ${operations.join(", ")}`}
      </span>
    </div>
  );
}

function MemberLine({ row: { sign, member } }: { readonly row: Extract<DiffRow, { kind: "member" }> }) {
  const look = SIGN_LOOKS[sign];
  return (
    <div
      className={`grid grid-cols-[1rem_minmax(0,1fr)] gap-x-2 border-b border-line px-3 py-1.5 text-sm sm:grid-cols-[1rem_minmax(0,16rem)_minmax(0,1fr)] ${look.row}`}
    >
      <span className={`font-mono font-semibold ${look.sign}`}>
        <span aria-hidden>{sign}</span>
        <span className="sr-only">{look.told}</span>
      </span>
      <InlineName className={member.userName === null ? "text-soft" : ""}>{member.userName ?? member.user}</InlineName>
      <span className="wrap-anywhere text-soft max-sm:col-start-2">{member.why}</span>
    </div>
  );
}
