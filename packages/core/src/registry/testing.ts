/** A registry in memory, for tests: applies decisions as the store does. */
import type { NormalizedDelivery, RefChange } from "../branch-event.ts";
import type { IncarnationId } from "../words.ts";
import { decideRegistry } from "./decide-registry.ts";
import type { Incarnation, RegistryDecision } from "./types.ts";

const pairingWindowMs = 30_000;

export function change(kind: RefChange["kind"], name: string, rest: Partial<RefChange> = {}): RefChange {
  return { kind, name, refType: "branch", before: null, after: null, forced: null, closed: false, ...rest };
}

export function delivery(rest: Partial<NormalizedDelivery>): NormalizedDelivery {
  return {
    repository: { nativeId: "1", name: "acme/web", vcs: "git" },
    site: "server",
    event: "push",
    occurredAt: null,
    actor: null,
    groupKey: null,
    changes: [],
    renames: [],
    sightings: [],
    queued: [],
    checkout: null,
    ignored: null,
    ...rest,
  };
}

export interface Simulation {
  readonly rows: ReadonlyMap<IncarnationId, Incarnation>;
  /** Decides and applies one delivery, received at the given millisecond. */
  receive(atMs: number, input: Partial<NormalizedDelivery>): RegistryDecision;
  live(name: string): Incarnation | undefined;
  names(): string[];
}

export function createSimulation(): Simulation {
  const rows = new Map<IncarnationId, Incarnation>();
  let made = 0;
  return {
    rows,
    receive(atMs, input) {
      const decision = decideRegistry({
        incarnations: [...rows.values()],
        delivery: delivery(input),
        receivedAt: new Date(atMs),
        pairingWindowMs,
        newId: () => parseId(`i${++made}`),
      });
      for (const row of decision.incarnations) rows.set(row.id, row);
      return decision;
    },
    live: (name) => rows.values().find((row) => row.name === name && row.state !== "deleted"),
    names: () =>
      [...rows.values()]
        .filter((row) => row.state !== "deleted")
        .map((row) => row.name)
        .toSorted(),
  };
}

function parseId(text: string): IncarnationId {
  return text as IncarnationId;
}
