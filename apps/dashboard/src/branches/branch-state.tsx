import type { BranchItem } from "@branchward/core/api";

const LOOKS = { active: "bg-good", closed: "bg-idle", deleted: "border border-edge" } as const;

/** Whether the branch lives, and whether there is doubt about it. */
export function BranchState({ branch: { state, suspect } }: { readonly branch: BranchItem }) {
  return (
    <span className="inline-flex items-center gap-2 whitespace-nowrap">
      <span className={`size-2 rounded-full ${LOOKS[state]}`} aria-hidden />
      {state}
      {suspect && (
        <span className="text-warn" title="A source said that it is gone, without proof; it is being looked up.">
          suspect
        </span>
      )}
    </span>
  );
}
