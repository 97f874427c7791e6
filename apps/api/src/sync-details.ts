import type { SyncDetails } from "@branchward/store";
import { toSyncItem } from "./items.ts";

type Change = SyncDetails["changes"][number];
type Member = Change["added"][number];

interface GroupDiff {
  readonly entitlement: string;
  readonly group: string;
  readonly operations: string[];
  readonly added: Member[];
  readonly removed: Member[];
  readonly unchanged: Member[];
}

/** A run as its page shows it: where its time went, and desired against actual. */
export function toSyncDetails(sync: SyncDetails) {
  const { mismatches, changes, calls, error, phases, startedAt, finishedAt, requestedAt, guarded, drift } = sync;
  return {
    ...toSyncItem(sync),
    mismatches: [...mismatches],
    changes: changes.map((change) => ({ ...change, added: [...change.added], removed: [...change.removed] })),
    diff: toDiff(sync),
    withheld: guarded.withheld.map(({ entitlement, user, userName, why }) => ({ entitlement, user, userName, why })),
    overLimit: [...guarded.overLimit],
    digest: guarded.digest,
    drift,
    timeline: {
      // How long a run took is told by the worker's clock, which may differ a little from the record's.
      queuedMs: Math.max(0, startedAt.getTime() - requestedAt.getTime()),
      totalMs: Math.max(0, finishedAt.getTime() - startedAt.getTime()),
      phases: [...phases],
    },
    calls: calls.map(({ offsetMs = null, ...call }) => ({ ...call, offsetMs })),
    error,
  };
}

/** One entry for each entitlement group that the run wrote to or found members in; by entitlement, then group. */
export function toDiff({ changes, unchanged }: Pick<SyncDetails, "changes" | "unchanged">): GroupDiff[] {
  const groups = new Map<string, GroupDiff>();
  const open = ({ entitlement, group }: Pick<Change, "entitlement" | "group">): GroupDiff => {
    const key = JSON.stringify([entitlement, group]);
    const found = groups.get(key);
    if (found !== undefined) return found;
    const made: GroupDiff = { entitlement, group, operations: [], added: [], removed: [], unchanged: [] };
    groups.set(key, made);
    return made;
  };
  for (const change of changes) {
    const diff = open(change);
    diff.operations.push(change.operation);
    diff.added.push(...change.added);
    diff.removed.push(...change.removed);
  }
  for (const set of unchanged) open(set).unchanged.push(...set.members);
  return [...groups.values()].toSorted((a, b) => compare(a.entitlement, b.entitlement) || compare(a.group, b.group));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
