/**
 * Rename pairing (rule A5): a delete and a create become one rename when that is certain within one group of changes,
 * or unambiguous across deliveries within the pairing window. Everything else stays a delete and a create.
 */
import type { BranchEvent } from "../branch-event.ts";
import { isWithinWindow, putRow, type Draft } from "./draft.ts";
import type { Incarnation } from "./types.ts";

export function pairRenames(draft: Draft): void {
  pairExplicit(draft);
  if (draft.input.delivery.groupKey !== null)
    pairUnambiguous(
      draft,
      (row) => isInGroup(draft, row),
      () => true,
    );
  pairUnambiguous(draft, () => true, hasCompatibleActors);
}

/** Evidence only chooses among halves that were observed; then the revisions may differ. */
function pairExplicit(draft: Draft): void {
  for (const { refType, from, to } of draft.input.delivery.renames) {
    const deletes = listDeletes(draft).filter((row) => row.refType === refType && row.name === from);
    const creates = listCreates(draft).filter((row) => row.refType === refType && row.name === to);
    const [older] = deletes.toSorted((a, b) => (b.endedAt?.getTime() ?? 0) - (a.endedAt?.getTime() ?? 0));
    const [younger] = creates;
    if (older && younger && hasCompatibleActors(older, younger)) pairIfPossible(draft, older, younger);
  }
}

type Compatible = (older: Incarnation, younger: Incarnation) => boolean;

/** Pairs each delete and create that are each other's only candidate. */
function pairUnambiguous(draft: Draft, isCandidate: (row: Incarnation) => boolean, isCompatible: Compatible): void {
  const deletes = listDeletes(draft).filter(isCandidate);
  const creates = listCreates(draft).filter(isCandidate);
  const isMatch: Compatible = (older, younger) =>
    older.refType === younger.refType &&
    older.head !== null &&
    older.head === younger.head &&
    isCompatible(older, younger);
  for (const older of deletes) {
    const [younger, ...others] = creates.filter((row) => isMatch(older, row));
    if (younger === undefined || others.length > 0) continue;
    const rivals = deletes.filter((row) => isMatch(row, younger));
    if (rivals.length === 1) pairIfPossible(draft, older, younger);
  }
}

function listDeletes(draft: Draft): Incarnation[] {
  return [...draft.rows.values()].filter(
    (row) =>
      row.state === "deleted" && row.mergedInto === null && row.endedAt !== null && isWithinWindow(draft, row.endedAt),
  );
}

/** A branch that was renamed already is no candidate: its create is spent. */
function listCreates(draft: Draft): Incarnation[] {
  return [...draft.rows.values()].filter(
    (row) =>
      row.state !== "deleted" &&
      row.bornOf === "create" &&
      row.previousNames.length === 0 &&
      (draft.born.has(row.id) || isWithinWindow(draft, row.bornAt)),
  );
}

function isInGroup(draft: Draft, row: Incarnation): boolean {
  const group = row.state === "deleted" ? row.endedGroup : row.bornGroup;
  return group === draft.input.delivery.groupKey;
}

function hasCompatibleActors(older: Incarnation, younger: Incarnation): boolean {
  return older.endedBy === null || younger.bornBy === null || older.endedBy === younger.bornBy;
}

/** A name is not renamed to itself, nor to a branch that was there before it or came in the same push. */
function pairIfPossible(draft: Draft, older: Incarnation, younger: Incarnation): void {
  const isNews = draft.ended.has(older.id) || draft.born.has(younger.id);
  const isTwin = older.bornGroup !== null && older.bornGroup === younger.bornGroup;
  if (isNews && !isTwin && older.name !== younger.name && older.bornAt <= younger.bornAt) rename(draft, older, younger);
}

/** The older incarnation goes on under the younger one's name; the younger one is merged into it or never was. */
function rename(draft: Draft, older: Incarnation, younger: Incarnation): void {
  const { delivery, receivedAt } = draft.input;
  const formerNames = new Set([older.name, ...older.previousNames]);
  formerNames.delete(younger.name);
  const isFresh = draft.fresh.has(younger.id);
  const evidence = [older.evidenceAt, younger.evidenceAt].filter((at) => at !== null);
  putRow(draft, {
    ...older,
    name: younger.name,
    previousNames: [...formerNames],
    state: younger.state,
    suspect: younger.suspect,
    head: younger.head ?? older.head,
    endedAt: null,
    endedGroup: null,
    endedBy: null,
    evidenceAt: evidence.toSorted((a, b) => b.getTime() - a.getTime())[0] ?? null,
  });
  if (isFresh) {
    draft.rows.delete(younger.id);
    draft.touched.delete(younger.id);
  } else {
    const ended = { endedAt: receivedAt, endedGroup: delivery.groupKey, endedBy: delivery.actor?.key ?? null };
    putRow(draft, { ...younger, ...ended, state: "deleted", suspect: false, mergedInto: older.id });
    draft.touched.add(younger.id);
  }
  draft.touched.add(older.id);
  draft.renames.push({
    incarnation: older.id,
    from: older.name,
    to: younger.name,
    merged: isFresh ? null : younger.id,
    revived: !draft.ended.has(older.id),
  });
  replaceHalves(draft, older, younger);
}

/** One rename event stands where the first half stood. */
function replaceHalves(draft: Draft, older: Incarnation, younger: Incarnation): void {
  const isHalf = (at: Draft["events"][number]) =>
    at.half && (at.incarnation === younger.id || (at.incarnation === older.id && at.event.kind === "delete"));
  const first = draft.events.findIndex(isHalf);
  const event: BranchEvent = {
    kind: "rename",
    refType: younger.refType,
    name: younger.name,
    previousName: older.name,
    before: older.head,
    after: younger.head,
    note: null,
  };
  draft.events = draft.events
    .map((at, index) => (index === first ? { event, incarnation: older.id, half: false } : at))
    .filter((at) => !isHalf(at))
    .map((at) =>
      at.incarnation === younger.id && draft.fresh.has(younger.id) ? { ...at, incarnation: older.id } : at,
    );
}
