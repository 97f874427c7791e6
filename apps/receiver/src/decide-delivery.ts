/** What a delivery means for the registry, given what is known; who may be half of the same rename waits for it. */
import {
  decideRegistry,
  type Incarnation,
  type IncarnationId,
  type NormalizedDelivery,
  type RegistryDecision,
} from "@branchward/core";
import {
  type BranchName,
  findHead,
  listBornOrEndedSince,
  lockPairings,
  type Queryable,
  type Repository,
} from "@branchward/store";
import { uuidv7 } from "uuidv7";
import { listPlainlyPushed } from "./plain-pushes.ts";

/** A delivery of which something is to be decided. */
interface Told {
  readonly delivery: NormalizedDelivery;
  readonly repository: Repository;
  readonly receivedAt: Date;
}

export interface Decided {
  readonly decision: RegistryDecision;
  /** The incarnations that got a new head, or another revision that answers for them, and nothing else. */
  readonly plainlyPushed: ReadonlySet<string>;
}

/** Decides by the live incarnations of the names that it tells of, locked, and by what it may be half of a rename with. */
export async function decideDelivery(
  trx: Queryable,
  { pairingWindowMs, live }: { readonly pairingWindowMs: number; readonly live: readonly Incarnation[] },
  { delivery, ...told }: Told,
): Promise<Decided> {
  const fresh = { ...told, delivery: await withoutKnownHeads(trx, delivery, live) };
  const known = mayPair(fresh.delivery, live) ? await withPairs(trx, { pairingWindowMs, live }, fresh) : live;
  const decision = decideRegistry({
    incarnations: known,
    delivery: fresh.delivery,
    receivedAt: fresh.receivedAt,
    pairingWindowMs,
    newId: () => uuidv7() as IncarnationId,
  });
  return { decision, plainlyPushed: listPlainlyPushed(decision, live) };
}

/** Also what began or ended within the pairing window. */
async function withPairs(
  trx: Queryable,
  { pairingWindowMs, live }: { readonly pairingWindowMs: number; readonly live: readonly Incarnation[] },
  { delivery, repository, receivedAt }: Told,
): Promise<readonly Incarnation[]> {
  await lockPairings(trx, repository.id, toPairingKeys(delivery, live));
  const since = new Date(receivedAt.getTime() - pairingWindowMs);
  const recent = await listBornOrEndedSince(trx, repository.id, since);
  return [...new Map([...live, ...recent].map((incarnation) => [incarnation.id, incarnation])).values()];
}

/** A queue's group is told of by several events: the first says what is to be reached for it. */
async function withoutKnownHeads(
  trx: Queryable,
  delivery: NormalizedDelivery,
  live: readonly Incarnation[],
): Promise<NormalizedDelivery> {
  const queued: NormalizedDelivery["queued"][number][] = [];
  for (const candidate of delivery.queued) {
    const base = findNamed(live, candidate);
    if (base === undefined || (await findHead(trx, base.id, candidate.head)) === undefined) queued.push(candidate);
  }
  return { ...delivery, queued };
}

function findNamed(incarnations: readonly Incarnation[], { refType, name }: BranchName): Incarnation | undefined {
  return incarnations.find((incarnation) => incarnation.refType === refType && incarnation.name === name);
}

/** A push to a branch that has a known head can be no half of a rename, nor can the sight of what is known. What ended lately is wanted for a base that is not known, too. */
function mayPair(delivery: NormalizedDelivery, live: readonly Incarnation[]): boolean {
  const findKnown = (branch: BranchName) => findNamed(live, branch);
  const isTold = delivery.changes.some((change) => {
    if (change.kind !== "push" || change.closed) return true;
    const known = findKnown(change);
    return known === undefined || known.head === null || known.suspect;
  });
  return (
    isTold ||
    delivery.sightings.some((sighting) => (findKnown(sighting)?.head ?? null) !== sighting.head) ||
    delivery.queued.some((candidate) => findKnown(candidate) === undefined)
  );
}

function toPairingKeys(delivery: NormalizedDelivery, live: readonly Incarnation[]): readonly string[] {
  const revisions = delivery.changes.flatMap(({ before, after }) => [before, after]);
  const heads = live.map((incarnation) => incarnation.head);
  return [...new Set([...revisions, ...heads, delivery.groupKey])].filter((key): key is string => key !== null);
}
