/** One transaction: the delivery, its branch events, the registry's new state, and the scopes to look at. */
import type { NormalizedDelivery } from "@branchward/core";
import type { Queues } from "@branchward/queue";
import type { Logger } from "@branchward/runtime";
import {
  type AskedScope,
  createNotifier,
  type Database,
  type EnrolledAgent,
  type IdentitySource,
  insertDelivery,
  type NotedResolution,
  type Queryable,
  resolveActor,
  resolveRepository,
  transact,
} from "@branchward/store";
import { uuidv7 } from "uuidv7";
import { type ApplyDeps, applyDelivery, type Asked, lockAndRead } from "./apply-delivery.ts";
import type { Source } from "./source.ts";

export interface RecordDeps extends ApplyDeps {
  readonly db: Database;
  readonly queues: Queues;
  readonly log: Logger;
}

export interface RecordInput {
  readonly source: Source;
  readonly deliveryKey: string;
  readonly bodyDigest: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly delivery: NormalizedDelivery;
  /** The device whose token it came with; null for what was signed. */
  readonly agent: EnrolledAgent | null;
}

export interface Receipt {
  readonly delivery: string;
  readonly duplicate: boolean;
}

export type RecordDelivery = (input: RecordInput) => Promise<Receipt>;

/** Records deliveries and, once they are committed, enqueues what they ask for. */
export function createRecordDelivery(deps: RecordDeps): RecordDelivery {
  const followUp = createFollowUp(deps);
  return async (input) => {
    const { receipt, asked } = await transact(deps.db, (trx) => recordIn(trx, deps, input));
    followUp(asked);
    return receipt;
  };
}

/**
 * After this long a push adds once more: an add may be lost, and a job that rests is moved on. It is less than the quiet
 * that ends a rest.
 */
const TRUST_ADDED_MS = 4_000;
const MAX_REMEMBERED = 10_000;

/** Tells who listens, and asks for runs, once the record is committed: what fails here is found by who looks by itself. */
export function createFollowUp({ db, queues, log }: RecordDeps): (asked: Asked) => void {
  const notifier = createNotifier(db, (error) => log.warn({ err: error }, "listeners were not told"));
  const added = new Map<string, number>();
  function enqueueRevocation(id: string): void {
    queues
      .enqueueRevocation({ kind: "incarnation", id })
      .catch((error: unknown) => log.warn({ err: error, incarnationId: id }, "enqueue failed; the sweeper will"));
  }
  function enqueueScope({ id, endpoint, isCovered, restMs }: AskedScope): void {
    const now = performance.now();
    // The job that this process added for the push before waits, or runs and looks again when it has ended.
    if (isCovered && now - (added.get(id) ?? -Infinity) < TRUST_ADDED_MS) return;
    if (added.size >= MAX_REMEMBERED) added.clear();
    added.set(id, now);
    queues.enqueueReconcile({ scopeId: id, endpoint, lane: "event", delayMs: restMs }).catch((error: unknown) => {
      added.delete(id);
      log.warn({ err: error, scopeId: id }, "enqueue failed; the sweeper will");
    });
  }
  function enqueueBackfill(repositoryId: string): void {
    queues
      .enqueueBackfill(repositoryId)
      .catch((error: unknown) => log.warn({ err: error, repositoryId }, "enqueue failed; the sweeper will"));
  }
  return ({ scopes, ended, toLookUp }) => {
    notifier.notifySoon("registry");
    if (toLookUp !== null) enqueueBackfill(toLookUp);
    ended.forEach(enqueueRevocation);
    scopes.filter(({ incarnationId }) => !ended.includes(incarnationId)).forEach(enqueueScope);
  };
}

const NOTHING_ASKED: Asked = { scopes: [], ended: [], toLookUp: null };

async function recordIn(
  trx: Queryable,
  deps: RecordDeps,
  input: RecordInput,
): Promise<{ readonly receipt: Receipt; readonly asked: Asked }> {
  const { delivery, source } = input;
  const claim = delivery.ignored === null ? delivery.repository : null;
  const [repository, resolution] =
    claim === null
      ? [null, null]
      : await Promise.all([
          resolveRepository(trx, { source: source.name, claim, joined: deps.joined }),
          resolveDeliveryActor(trx, input),
        ]);
  const id = uuidv7();
  const [inserted, known] = await Promise.all([
    insertDelivery(trx, {
      id,
      source: source.name,
      deliveryKey: input.deliveryKey,
      bodyDigest: input.bodyDigest,
      event: delivery.event,
      outcome: repository === null ? "ignored" : "accepted",
      note: delivery.ignored,
      repositoryId: repository?.id ?? null,
      actor: delivery.actor?.key ?? null,
      headers: input.headers,
      body: input.body,
      occurredAt: delivery.occurredAt,
      userId: resolution?.userId ?? null,
      tokenId: input.agent?.tokenId ?? null,
    }),
    // Behind the delivery: whoever waits there for a twin holds no lock that the twin wants.
    repository === null ? null : lockAndRead(trx, deps, { source, delivery, repository }),
  ]);
  if (inserted.duplicate) return { receipt: { delivery: inserted.id, duplicate: true }, asked: NOTHING_ASKED };
  const receipt = { delivery: id, duplicate: false };
  if (repository === null || known === null) return { receipt, asked: NOTHING_ASKED };
  const { receivedAt } = inserted;
  const accepted = { source, delivery, repository, deliveryId: id, receivedAt, resolution };
  return { receipt, asked: await applyDelivery(trx, deps, accepted, known) };
}

/** Whom the actor of a delivery means: the device's user, else by the source's identity rule and the links (rule B5). */
export async function resolveDeliveryActor(
  trx: Queryable,
  {
    source,
    delivery,
    agent,
  }: {
    readonly source: IdentitySource;
    readonly delivery: NormalizedDelivery;
    readonly agent: EnrolledAgent | null;
  },
): Promise<NotedResolution | null> {
  if (agent !== null) {
    const { userId, userName, active } = agent;
    return { state: active ? "known" : "inactive", userId, userName, isNoted: false };
  }
  return delivery.actor === null ? null : resolveActor(trx, { source, actor: delivery.actor });
}
