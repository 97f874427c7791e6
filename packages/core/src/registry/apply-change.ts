/** What one ref change or sighting does to the registry, renames apart (rules A3, A4, A7). */
import type { BranchEvent, QueuedHead, RefChange, RefSighting } from "../branch-event.ts";
import type { IncarnationId } from "../words.ts";
import {
  createRow,
  endRow,
  findLive,
  findSighting,
  isNewerFor,
  isStaleFor,
  isWithinWindow,
  listFormer,
  putRow,
  type Draft,
} from "./draft.ts";
import type { Incarnation } from "./types.ts";

export function applyChange(draft: Draft, change: RefChange): void {
  const live = findLive(draft, change);
  if (live === undefined) {
    if (change.kind === "delete") record(draft, change, { note: "unknown" });
    else applyToUnknown(draft, change);
  } else if (isStaleFor(draft, live)) {
    record(draft, change, { incarnation: live.id, note: "stale" });
  } else if (change.kind === "delete") {
    applyDelete(draft, live, change);
  } else {
    applyMove(draft, live, change);
  }
}

/** A change of a ref that no incarnation holds: its create, unless it tells of a life that is over. */
function applyToUnknown(draft: Draft, change: RefChange): void {
  const former = listFormer(draft, change);
  const isPast = former.some(
    (row) => isStaleFor(draft, row) || (change.kind === "push" && change.after !== null && change.after === row.head),
  );
  if (isPast) return record(draft, change, { note: "stale" });
  // A create without a revision may be the late twin of the create that began the life just ended. A real one is
  // followed by its push.
  const justEnded = former.some((row) => row.endedAt !== null && isWithinWindow(draft, row.endedAt));
  if (change.after === null && justEnded) return record(draft, change, { note: "hint" });
  create(draft, change);
}

function create(draft: Draft, change: RefChange): void {
  const isCreate = change.kind === "create" || change.before === null;
  const row = createRow(draft, {
    refType: change.refType,
    name: change.name,
    state: change.closed ? "closed" : "active",
    head: change.after,
    bornOf: isCreate ? "create" : "push",
  });
  if (isCreate) draft.born.add(row.id);
  record(draft, { ...change, kind: "create" }, { incarnation: row.id, half: isCreate });
}

/** Ending needs evidence: the known head, or the source's word that the ref is gone (rule A4). */
function applyDelete(draft: Draft, live: Incarnation, change: RefChange): void {
  const isKnownHead = change.before !== null && change.before === live.head;
  if (isKnownHead || findSighting(draft, change)?.head === null) {
    endRow(draft, { ...live, head: live.head ?? change.before }, draft.input.delivery.groupKey);
    draft.ended.add(live.id);
    record(draft, { ...change, before: live.head ?? change.before }, { incarnation: live.id, half: true });
  } else {
    suspect(draft, live, change);
  }
}

function applyMove(draft: Draft, live: Incarnation, change: RefChange): void {
  const { after } = change;
  const isSameState = change.closed === (live.state === "closed");
  if (after === null || (after === live.head && isSameState)) {
    putRow(draft, live);
    record(draft, change, { incarnation: live.id, note: "repeated" });
  } else if (live.head === null) {
    fillHead(draft, { ...live, state: change.closed ? "closed" : "active" }, after);
    record(draft, change, { incarnation: live.id, half: draft.born.has(live.id) });
  } else if (change.kind === "create" && live.state === "active") {
    applyCreateOfLive(draft, live, change);
  } else {
    push(draft, live, { ...change, kind: "push" });
  }
}

/**
 * A create of a branch that is alive at another revision: either an old event, or the delete in between is missing.
 * It is the latter when the source's clock and its sight of the ref agree that the create is the news.
 */
function applyCreateOfLive(draft: Draft, live: Incarnation, change: RefChange): void {
  const sighting = findSighting(draft, change);
  const isNews = isNewerFor(draft, live) && (sighting === undefined || sighting.head === change.after);
  if (!isNews) return suspect(draft, live, change);
  endRow(draft, live, null);
  record(
    draft,
    { ...change, kind: "delete", before: live.head, after: null },
    { incarnation: live.id, note: "unreported" },
  );
  create(draft, change);
}

function push(draft: Draft, live: Incarnation, change: RefChange): void {
  const state = change.closed ? "closed" : "active";
  const hasGap = change.before !== null && change.before !== live.head;
  const turn = change.closed ? "closed" : "reopened";
  const note = state === live.state ? (hasGap ? "gap" : null) : turn;
  // Only a clock can tell that this push came after what made the branch suspect.
  putRow(draft, { ...live, state, head: change.after, suspect: live.suspect && !isNewerFor(draft, live) });
  draft.touched.add(live.id);
  record(draft, change, { incarnation: live.id, note });
}

function fillHead(draft: Draft, live: Incarnation, head: string): void {
  putRow(draft, { ...live, head });
  draft.touched.add(live.id);
  if (live.bornOf === "create") draft.born.add(live.id);
}

function suspect(draft: Draft, live: Incarnation, change: RefChange): void {
  putRow(draft, { ...live, suspect: true });
  record(draft, change, { incarnation: live.id, note: "suspect" });
}

/** What the source saw of a ref that this delivery does not change: a backfill, a look-up, an agent's snapshot. */
export function applySighting(draft: Draft, sighting: RefSighting): void {
  const live = findLive(draft, sighting);
  const { head } = sighting;
  if (live === undefined) {
    const isPast = listFormer(draft, sighting).some((row) => isStaleFor(draft, row));
    if (head === null || isPast) return;
    const row = createRow(draft, {
      refType: sighting.refType,
      name: sighting.name,
      state: "active",
      head,
      bornOf: "sighting",
    });
    record(draft, seen("create", sighting, null), { incarnation: row.id });
  } else if (isStaleFor(draft, live)) {
    return;
  } else if (head === null) {
    endRow(draft, live, draft.input.delivery.groupKey);
    draft.ended.add(live.id);
    record(draft, seen("delete", sighting, live.head), { incarnation: live.id, half: true });
  } else if (live.head === null) {
    fillHead(draft, { ...live, suspect: false }, head);
    record(draft, seen("push", sighting, null), { incarnation: live.id, half: draft.born.has(live.id) });
  } else if (live.head !== head) {
    putRow(draft, { ...live, head, suspect: false });
    draft.touched.add(live.id);
    record(draft, seen("push", sighting, live.head), { incarnation: live.id, note: "lineage-break" });
  } else if (live.suspect) {
    putRow(draft, { ...live, suspect: false });
  }
}

/**
 * A revision that is tried on behalf of the branch (rule D3). It moves nothing; that a host queues for a branch shows that
 * the branch exists, at a head not told.
 */
export function applyQueued(draft: Draft, { refType, name, head, isBaseSeen }: QueuedHead): void {
  const known = findLive(draft, { refType, name });
  const told: Recorded = { kind: "push", refType, name, before: null, after: head };
  if (known === undefined && !isBaseSeen) return record(draft, told, { note: "unknown" });
  const former = known === undefined ? listFormer(draft, { refType, name }) : [];
  if (former.some((row) => row.endedAt !== null && isWithinWindow(draft, row.endedAt))) {
    return record(draft, told, { note: "stale" });
  }
  const row = known ?? createRow(draft, { refType, name, state: "active", head: null, bornOf: "sighting" });
  if (known === undefined) record(draft, { ...told, kind: "create", after: null }, { incarnation: row.id });
  else record(draft, told, { incarnation: row.id, note: "merge-queue" });
  draft.queued.push({ incarnation: row.id, head });
  draft.touched.add(row.id);
}

type Recorded = Pick<RefChange, "kind" | "refType" | "name" | "before" | "after">;

function seen(kind: RefChange["kind"], sighting: RefSighting, before: string | null): Recorded {
  return { kind, refType: sighting.refType, name: sighting.name, before, after: sighting.head };
}

interface RecordOptions {
  readonly incarnation?: IncarnationId;
  readonly note?: string | null;
  readonly half?: boolean;
}

function record(draft: Draft, change: Recorded, options: RecordOptions): void {
  const { kind, refType, name, before, after } = change;
  const event: BranchEvent = { kind, refType, name, previousName: null, before, after, note: options.note ?? null };
  draft.events.push({ event, incarnation: options.incarnation ?? null, half: options.half ?? false });
}
