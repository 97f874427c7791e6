/** What a host showed when it was asked, recorded and applied as its deliveries are (rule A4). */
import { createHash } from "node:crypto";
import type { Incarnation, NormalizedDelivery, RefSighting, RepositoryClaim } from "@branchward/core";
import {
  findLastDeliverySeq,
  insertDelivery,
  listLiveByNames,
  listNamesChangedSince,
  lockPolicyAndNames,
  type Queryable,
  resolveRepository,
} from "@branchward/store";
import { uuidv7 } from "uuidv7";
import { applyDelivery, type Asked, type Accepted, lockAndRead } from "./apply-delivery.ts";
import { createFollowUp, type RecordDeps } from "./record-delivery.ts";

/** The event under which it is recorded. */
export const LOOK_UP = "look-up";

export interface Look {
  readonly repositoryId: string;
  readonly source: Accepted["source"];
  readonly repository: RepositoryClaim;
  readonly names: readonly string[];
}

/** Remembers what is known before the host is asked. */
export type BeginLook = (look: Look) => Promise<{
  /**
   * Applies what was seen, but for what a delivery has told of since: that is the newer.
   * @returns the names that were left out
   */
  record(sightings: readonly RefSighting[]): Promise<readonly string[]>;
}>;

interface Known {
  readonly seq: number;
  readonly live: readonly Incarnation[];
}

/** Begins looks at hosts: what is seen is applied only to what did not change meanwhile. */
export function createBeginLook(deps: RecordDeps): BeginLook {
  const followUp = createFollowUp(deps);
  return async (look) => {
    const known = await findKnown(deps.db, look);
    return {
      async record(sightings) {
        const { asked, skipped } = await deps.db
          .transaction()
          .execute((trx) => recordIn(trx, deps, { look, known, sightings }));
        if (asked !== null) followUp(asked);
        return skipped;
      },
    };
  };
}

function toBranch(name: string) {
  return { refType: "branch" as const, name };
}

async function findKnown(db: Queryable, { repositoryId, names }: Look): Promise<Known> {
  const seq = await findLastDeliverySeq(db, repositoryId);
  return { seq, live: await listLiveByNames(db, repositoryId, names.map(toBranch)) };
}

interface Seen {
  readonly look: Look;
  readonly known: Known;
  readonly sightings: readonly RefSighting[];
}

async function recordIn(
  trx: Queryable,
  deps: RecordDeps,
  { look, known, sightings }: Seen,
): Promise<{ readonly asked: Asked | null; readonly skipped: readonly string[] }> {
  const { source, repositoryId } = look;
  const told = { source: source.name, claim: look.repository, joined: deps.joined, isPast: true };
  const repository = await resolveRepository(trx, told);
  const isSame = repository.id === repositoryId && repository.isAuthority;
  if (!isSame) return { asked: null, skipped: [] };
  await lockPolicyAndNames(trx, repositoryId, sightings);
  const changed = await listChanged(trx, look, known);
  const fresh = sightings.filter(({ name }) => !changed.has(name));
  const skipped = sightings.filter(({ name }) => changed.has(name)).map(({ name }) => name);
  if (fresh.length === 0) return { asked: null, skipped };
  const delivery = toDelivery(look.repository, fresh);
  const id = uuidv7();
  const body = Buffer.from(JSON.stringify({ look: id, sightings: fresh }));
  const inserted = await insertDelivery(trx, {
    id,
    source: source.name,
    deliveryKey: `look-${id}`,
    bodyDigest: createHash("sha256").update(body).digest(),
    event: delivery.event,
    outcome: "accepted",
    note: null,
    repositoryId,
    actor: null,
    headers: {},
    body,
    occurredAt: null,
  });
  if (inserted.duplicate) return { asked: null, skipped };
  const { receivedAt } = inserted;
  const accepted = { source, delivery, repository, deliveryId: id, receivedAt, resolution: null };
  const asked = await applyDelivery(trx, deps, accepted, await lockAndRead(trx, deps, accepted));
  return { asked, skipped };
}

/** The names that a delivery has told of since the host was asked, or that mean another life by now. */
async function listChanged(trx: Queryable, { repositoryId, names }: Look, known: Known): Promise<ReadonlySet<string>> {
  const told = await listNamesChangedSince(trx, repositoryId, known.seq);
  const live = await listLiveByNames(trx, repositoryId, names.map(toBranch));
  const moved = names.filter((name) => {
    const [before, after] = [findNamed(known.live, name), findNamed(live, name)];
    return before?.id !== after?.id || before?.head !== after?.head;
  });
  const toldNames = told.filter(({ refType }) => refType === "branch").map(({ name }) => name);
  return new Set([...toldNames, ...moved]);
}

function findNamed(rows: readonly Incarnation[], name: string): Incarnation | undefined {
  return rows.find((row) => row.name === name);
}

function toDelivery(repository: RepositoryClaim, sightings: readonly RefSighting[]): NormalizedDelivery {
  return {
    repository,
    site: "server",
    event: LOOK_UP,
    occurredAt: null,
    actor: null,
    groupKey: null,
    changes: [],
    renames: [],
    sightings,
    queued: [],
    checkout: null,
    ignored: null,
  };
}
