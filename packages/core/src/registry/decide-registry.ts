import { applyChange, applyQueued, applySighting } from "./apply-change.ts";
import { createDraft, toDecision } from "./draft.ts";
import { pairRenames } from "./pair-renames.ts";
import type { RegistryDecision, RegistryInput } from "./types.ts";

/**
 * What one delivery means for the branches of its repository (rules A1–A7). Pure; a delivery is decided once, duplicates
 * are filtered before. Client evidence is recorded without effect. Notes in the events:
 * `client-claim`, `stale` (older than what is known), `unknown` (no such branch), `hint` and `repeated` (nothing new),
 * `suspect` (an unproven end or re-creation: look the ref up), `gap` (moved from a head that was not known),
 * `unreported` (ended by proof of a later create), `lineage-break` (rule A4: just-in-time grants end), `closed`, `reopened`,
 * `merge-queue` (no move: a revision that answers for the branch, rule D3).
 */
export function decideRegistry(input: RegistryInput): RegistryDecision {
  const { delivery } = input;
  if (delivery.site === "client") {
    const events = delivery.changes.map(({ kind, refType, name, before, after }) => {
      return { kind, refType, name, previousName: null, before, after, note: "client-claim", incarnation: null };
    });
    return { events, incarnations: [], renames: [], queued: [], touched: [] };
  }
  const draft = createDraft(input);
  for (const change of delivery.changes) applyChange(draft, change);
  const changed = new Set(delivery.changes.map((change) => `${change.refType}:${change.name}`));
  for (const sighting of delivery.sightings) {
    if (!changed.has(`${sighting.refType}:${sighting.name}`)) applySighting(draft, sighting);
  }
  for (const queued of delivery.queued) applyQueued(draft, queued);
  pairRenames(draft);
  return toDecision(draft);
}
