/** A stored delivery applied again: what was refused or not understood under yesterday's configuration may count today. */
import { ConflictError, type NormalizedDelivery, NotFoundError } from "@branchward/core";
import { parseJson } from "@branchward/runtime";
import {
  type DeliveryDetails,
  type EnrolledAgent,
  findAgentById,
  findDelivery,
  findReplay,
  hasCheckoutSince,
  insertReplay,
  listNamesChangedSince,
  lockPolicyAndNames,
  type Queryable,
  type Replay,
  resolveRepository,
  setDeliveryOutcome,
  setReplayScopes,
} from "@branchward/store";
import { applyDelivery, type Asked, listNames, lockAndRead, type RecordedEvent } from "./apply-delivery.ts";
import { bindToAgent } from "./receive-delivery.ts";
import { createFollowUp, type RecordDeps, resolveDeliveryActor } from "./record-delivery.ts";
import { LOOK_UP } from "./record-sightings.ts";
import type { Source } from "./source.ts";

export interface ReplayDeps extends RecordDeps {
  readonly sources: ReadonlyMap<string, Omit<Source, "secrets">>;
}

export interface ReplayRequest {
  readonly deliveryId: string;
  /** Names the replay: asked for twice it is one replay. */
  readonly replayId: string;
  /** The client that asks. */
  readonly by: string;
}

export interface ReplayReceipt {
  readonly replay: Replay;
  /** True where the replay was there already and nothing was done. */
  readonly duplicate: boolean;
}

export type ReplayDelivery = (request: ReplayRequest) => Promise<ReplayReceipt>;

/**
 * Normalises stored bodies again and applies them as when they came. News that is older than what is known since
 * changes nothing.
 * The replay throws NotFoundError for no such delivery, ConflictError where its source is configured no more
 * (`unknown_source`), where it is what a host showed (`not_replayable`) or the id names another replay (`replay_exists`).
 */
export function createReplayDelivery(deps: ReplayDeps): ReplayDelivery {
  const followUp = createFollowUp(deps);
  return async (request) => {
    const stored = await findDelivery(deps.db, request.deliveryId);
    if (stored === undefined) throw new NotFoundError(`no delivery has the id ${request.deliveryId}`);
    if (stored.event === LOOK_UP) {
      throw new ConflictError("what a host showed is not applied again: it was so then", { code: "not_replayable" });
    }
    const source = deps.sources.get(stored.source);
    if (source === undefined) {
      throw new ConflictError(`no source is named ${stored.source} any more`, { code: "unknown_source" });
    }
    const payload = parseJson(stored.body);
    const { headers, receivedAt } = stored;
    const normalized = source.receiver.normalize({ headers, payload, receivedAt });
    const agent = stored.tokenId === null ? null : ((await findAgentById(deps.db, stored.tokenId)) ?? null);
    const delivery = stored.tokenId === null ? normalized : asDevice(normalized, agent);
    const { receipt, asked } = await deps.db
      .transaction()
      .execute((trx) => replayIn(trx, deps, { request, stored, source, delivery, agent }));
    if (asked !== null) followUp(asked);
    return receipt;
  };
}

/** What came with a token that lives no more is nobody's: the body's claim was never believed. */
function asDevice(delivery: NormalizedDelivery, agent: EnrolledAgent | null): NormalizedDelivery {
  return agent === null ? { ...delivery, site: "client", actor: null } : bindToAgent(delivery, agent);
}

interface Replaying {
  readonly request: ReplayRequest;
  readonly stored: DeliveryDetails;
  readonly source: Omit<Source, "secrets">;
  readonly delivery: NormalizedDelivery;
  /** The device whose token it came with, while that token lives. */
  readonly agent: EnrolledAgent | null;
}

interface Replayed {
  readonly receipt: ReplayReceipt;
  /** Null where nothing was applied. */
  readonly asked: Asked | null;
}

async function replayIn(trx: Queryable, deps: ReplayDeps, replaying: Replaying): Promise<Replayed> {
  const { request, stored, source, delivery } = replaying;
  const claim = delivery.ignored === null ? delivery.repository : null;
  const meaning = { outcome: claim === null ? "ignored" : "accepted", note: delivery.ignored } as const;
  const { replayId: id, deliveryId, by } = request;
  const replay = await insertReplay(trx, { id, deliveryId, by, ...meaning });
  if (replay === undefined) return { receipt: await findTwin(trx, request), asked: null };
  const told = { source: source.name, joined: deps.joined, isPast: true };
  const repository = claim === null ? null : await resolveRepository(trx, { ...told, claim });
  await setDeliveryOutcome(trx, deliveryId, { ...meaning, repositoryId: repository?.id ?? null });
  if (repository === null) return { receipt: { replay, duplicate: false }, asked: null };
  const fresh = await withoutStale(trx, replaying, repository.id);
  const accepted = {
    source,
    delivery: fresh.delivery,
    repository,
    deliveryId,
    receivedAt: stored.receivedAt,
    resolution: await resolveDeliveryActor(trx, { ...replaying, delivery: fresh.delivery }),
    replay: { id, stale: fresh.stale },
  };
  const asked = await applyDelivery(trx, deps, accepted, await lockAndRead(trx, deps, accepted));
  const scopes = asked.scopes.length;
  await setReplayScopes(trx, id, scopes);
  return { receipt: { replay: { ...replay, scopes }, duplicate: false }, asked };
}

async function findTwin(trx: Queryable, { replayId, deliveryId }: ReplayRequest): Promise<ReplayReceipt> {
  const replay = await findReplay(trx, replayId);
  if (replay?.deliveryId === deliveryId) return { replay, duplicate: true };
  throw new ConflictError(`${replayId} names another replay`, { code: "replay_exists" });
}

/** Takes out what later deliveries have told otherwise: not every source has a clock by which the registry could see it. */
async function withoutStale(
  trx: Queryable,
  { stored, delivery }: Replaying,
  repositoryId: string,
): Promise<{ readonly delivery: NormalizedDelivery; readonly stale: readonly RecordedEvent[] }> {
  // In the order in which applying takes them, so that no delivery comes between the look and the change.
  await lockPolicyAndNames(trx, repositoryId, listNames(delivery));
  const later = await listNamesChangedSince(trx, repositoryId, stored.seq);
  const isLater = (refType: string, name: string) =>
    later.some((changed) => changed.refType === refType && changed.name === name);
  const { checkout } = delivery;
  const hasMoved =
    checkout !== null &&
    (await hasCheckoutSince(trx, { repositoryId, workingCopy: checkout.workingCopy, at: startOf(stored) }));
  const changes = delivery.changes.filter((change) => isLater(change.refType, change.name));
  const stale = changes.map(({ kind, refType, name, before, after }) =>
    toStale({ kind, refType, name, before, after }),
  );
  if (hasMoved) {
    const { refType, name, revision } = checkout;
    stale.push(toStale({ kind: "checkout", refType, name: name ?? "", before: null, after: revision }));
  }
  return {
    stale,
    delivery: {
      ...delivery,
      changes: delivery.changes.filter((change) => !changes.includes(change)),
      sightings: delivery.sightings.filter(({ refType, name }) => !isLater(refType, name)),
      queued: delivery.queued.filter(({ refType, name }) => !isLater(refType, name)),
      renames: delivery.renames.filter(({ refType, from, to }) => !isLater(refType, from) && !isLater(refType, to)),
      checkout: hasMoved ? null : checkout,
    },
  };
}

/** As the checkout was recorded: the earlier of the source's clock and ours. */
function startOf({ occurredAt, receivedAt }: DeliveryDetails): Date {
  return occurredAt !== null && occurredAt < receivedAt ? occurredAt : receivedAt;
}

function toStale(event: Pick<RecordedEvent, "kind" | "refType" | "name" | "before" | "after">): RecordedEvent {
  return { ...event, previousName: null, note: "stale", incarnation: null };
}
