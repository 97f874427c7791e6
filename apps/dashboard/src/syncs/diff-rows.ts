/** The lines of a diff of desired and actual. */
import type { GroupDiff, SyncMember } from "@branchward/core/api";

export type DiffRow =
  | { readonly kind: "group"; readonly key: string; readonly diff: GroupDiff }
  | { readonly kind: "member"; readonly key: string; readonly sign: "+" | "−" | " "; readonly member: SyncMember };

export interface DiffView {
  /** Members that stay are shown as well. */
  readonly isWhole: boolean;
  /** Part of a name; the empty string for everybody. */
  readonly who: string;
}

const SIGNS = [
  { sign: "−", of: "removed" },
  { sign: "+", of: "added" },
  { sign: " ", of: "unchanged" },
] as const;

/** A heading for each group, then those who left, came and stay. A search leaves out groups in which it finds nobody. */
export function toDiffRows(diffs: readonly GroupDiff[], { isWhole, who }: DiffView): readonly DiffRow[] {
  const wanted = who.trim().toLowerCase();
  const isWanted = ({ userName, user, why }: SyncMember): boolean =>
    wanted === "" || `${userName ?? user} ${why}`.toLowerCase().includes(wanted);
  return diffs.flatMap((diff) => {
    const members = SIGNS.filter(({ of }) => isWhole || of !== "unchanged").flatMap(({ sign, of }) =>
      diff[of].filter(isWanted).map((member) => ({
        kind: "member" as const,
        key: `${diff.entitlement} ${sign}${member.user}`,
        sign,
        member,
      })),
    );
    if (members.length === 0 && wanted !== "") return [];
    return [{ kind: "group" as const, key: diff.entitlement, diff }, ...members];
  });
}
