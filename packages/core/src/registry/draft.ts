import type { BranchEvent, RefSighting } from "../branch-event.ts";
import type { IncarnationId, RefType } from "../words.ts";
import type { Incarnation, RegistryDecision, RegistryInput } from "./types.ts";

/** An event that may yet become one half of a rename. */
export interface DraftEvent {
  readonly event: BranchEvent;
  readonly incarnation: IncarnationId | null;
  readonly half: boolean;
}

/** The registry while one delivery is being decided. */
export interface Draft {
  readonly input: RegistryInput;
  readonly rows: Map<IncarnationId, Incarnation>;
  /** Made by this delivery: nobody has seen their ids yet. */
  readonly fresh: Set<IncarnationId>;
  /** Ended by this delivery, in order. */
  readonly ended: Set<IncarnationId>;
  /** Created by this delivery, or created earlier without a revision that this delivery tells. */
  readonly born: Set<IncarnationId>;
  readonly touched: Set<IncarnationId>;
  readonly queued: RegistryDecision["queued"][number][];
  events: DraftEvent[];
  readonly renames: RegistryDecision["renames"][number][];
}

export function createDraft(input: RegistryInput): Draft {
  return {
    input,
    rows: new Map(input.incarnations.map((row) => [row.id, row])),
    fresh: new Set(),
    ended: new Set(),
    born: new Set(),
    touched: new Set(),
    queued: [],
    events: [],
    renames: [],
  };
}

export function toDecision(draft: Draft): RegistryDecision {
  const before = new Map(draft.input.incarnations.map((row) => [row.id, row]));
  return {
    events: draft.events.map(({ event, incarnation }) => ({ ...event, incarnation })),
    incarnations: [...draft.rows.values()].filter((row) => before.get(row.id) !== row),
    renames: draft.renames,
    queued: draft.queued,
    touched: [...draft.touched],
  };
}

interface Ref {
  readonly refType: RefType;
  readonly name: string;
}

function isSameRef(a: Ref, b: Ref): boolean {
  return a.refType === b.refType && a.name === b.name;
}

/** The incarnation that holds the name now. */
export function findLive(draft: Draft, ref: Ref): Incarnation | undefined {
  return draft.rows.values().find((row) => row.state !== "deleted" && isSameRef(row, ref));
}

/** Incarnations that held the name and do so no longer. */
export function listFormer(draft: Draft, ref: Ref): readonly Incarnation[] {
  return [...draft.rows.values()].filter(
    (row) =>
      row.refType === ref.refType &&
      row.mergedInto === null &&
      (row.state === "deleted" ? row.name === ref.name : row.previousNames.includes(ref.name)),
  );
}

export function findSighting(draft: Draft, ref: Ref): RefSighting | undefined {
  return draft.input.delivery.sightings.find((sighting) => isSameRef(sighting, ref));
}

/** True when the source's own clock says that this delivery is older than what is known of the incarnation. */
export function isStaleFor(draft: Draft, row: Incarnation): boolean {
  const { occurredAt } = draft.input.delivery;
  return occurredAt !== null && row.evidenceAt !== null && occurredAt < row.evidenceAt;
}

/** True when the source's own clock says that this delivery is newer than what is known of the incarnation. */
export function isNewerFor(draft: Draft, row: Incarnation): boolean {
  const { occurredAt } = draft.input.delivery;
  return occurredAt !== null && row.evidenceAt !== null && occurredAt > row.evidenceAt;
}

export function isWithinWindow(draft: Draft, at: Date): boolean {
  return draft.input.receivedAt.getTime() - at.getTime() <= draft.input.pairingWindowMs;
}

/** Writes the row with this delivery's clock as its newest evidence. */
export function putRow(draft: Draft, row: Incarnation): void {
  const { occurredAt } = draft.input.delivery;
  const isNewest = occurredAt !== null && (row.evidenceAt === null || occurredAt > row.evidenceAt);
  draft.rows.set(row.id, isNewest ? { ...row, evidenceAt: occurredAt } : row);
}

export function createRow(
  draft: Draft,
  born: Pick<Incarnation, "refType" | "name" | "state" | "head" | "bornOf">,
): Incarnation {
  const { delivery, receivedAt, newId } = draft.input;
  const row: Incarnation = {
    ...born,
    id: newId(),
    suspect: false,
    previousNames: [],
    mergedInto: null,
    bornAt: receivedAt,
    endedAt: null,
    bornGroup: delivery.groupKey,
    bornBy: delivery.actor?.key ?? null,
    endedGroup: null,
    endedBy: null,
    evidenceAt: delivery.occurredAt,
  };
  draft.rows.set(row.id, row);
  draft.fresh.add(row.id);
  draft.touched.add(row.id);
  return row;
}

/** Ends the incarnation. Its head stays: it is what a rename is recognised by. */
export function endRow(draft: Draft, row: Incarnation, group: string | null): void {
  const { delivery, receivedAt } = draft.input;
  const endedBy = delivery.actor?.key ?? null;
  putRow(draft, { ...row, state: "deleted", suspect: false, endedAt: receivedAt, endedGroup: group, endedBy });
  draft.touched.add(row.id);
}
