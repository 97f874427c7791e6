/** What a delivery does to the registry, to checkouts and to the scopes, in the transaction that records it. */
import type {
  BranchEvent,
  Incarnation,
  NormalizedDelivery,
  RegistryDecision,
  RepositoryConfiguration,
} from "@branchward/core";
import type { Logger } from "@branchward/runtime";
import {
  type ActivePolicy,
  type ActivePolicyVersion,
  type AskedScope,
  type ActorResolution,
  addStrictName,
  type BranchName,
  type BranchRequest,
  type ClaimedRepository,
  endCheckoutsOf,
  ensurePolicyScopes,
  expireGrantsOf,
  insertBranchEvents,
  listLiveBranchesOf,
  listLiveByNames,
  listPolicyEndpoints,
  lockPolicyAndNames,
  markReferencesStale,
  moveCheckout,
  moveCheckouts,
  moveGrants,
  narrowByRenaming,
  noteActor,
  type NotedResolution,
  type Queryable,
  requestBranches,
  type RequestedScope,
  requestRevocations,
  requestStaleScopesOf,
  saveIncarnations,
} from "@branchward/store";
import { decideDelivery } from "./decide-delivery.ts";
import { followLineage } from "./follow-lineage.ts";
import type { Source } from "./source.ts";

export interface ApplyDeps {
  readonly log: Logger;
  readonly activePolicy: ActivePolicy;
  readonly endpoints: readonly string[];
  /** The repositories that several sources feed (rule A2). */
  readonly joined: readonly RepositoryConfiguration[];
  readonly pairingWindowMs: number;
  /** A checkout that changes nothing has a branch looked at when it was verified longer ago (rule C9). */
  readonly minAuditIntervalMs: number;
}

export type RecordedEvent = BranchEvent & { readonly incarnation: string | null };

/** What a delivery did: its events, and the incarnations to look at again with the reason for each. */
interface Effects {
  readonly events: readonly RecordedEvent[];
  readonly touched: ReadonlyMap<string, string>;
  /** The incarnations whose registry entry changed. */
  readonly incarnations: readonly Incarnation[];
  /** The incarnations that got a new head, or another revision that answers for them, and nothing else. */
  readonly plainlyPushed: ReadonlySet<string>;
  readonly queued: RegistryDecision["queued"];
  /** An incarnation that somebody was seen on, without that anything changed. */
  readonly seen: string | null;
}

const NO_EFFECTS: Effects = {
  events: [],
  touched: new Map(),
  incarnations: [],
  plainlyPushed: new Set(),
  queued: [],
  seen: null,
};

/** A delivery that has a meaning, as it is recorded. */
export interface Accepted {
  readonly source: Pick<Source, "name" | "may" | "requireTrust">;
  readonly delivery: NormalizedDelivery;
  readonly repository: ClaimedRepository;
  readonly deliveryId: string;
  readonly receivedAt: Date;
  /** Whom the actor means; null where the delivery names none. */
  readonly resolution: NotedResolution | null;
  /** Where it is applied once more: the replay, and what of it is out of date and goes without effect. */
  readonly replay?: { readonly id: string; readonly stale: readonly RecordedEvent[] };
}

/** What is to be enqueued once the transaction is committed. */
export interface Asked {
  readonly scopes: readonly AskedScope[];
  /** Incarnations that ended: their scopes go ahead of everything (rule C3). */
  readonly ended: readonly string[];
  /** The repository, where one of its branches has become suspect: its host is to be asked (rule A4); else null. */
  readonly toLookUp: string | null;
}

/** What of the record a delivery is applied to, locked. */
export interface Known {
  readonly live: readonly Incarnation[];
  readonly policy: ActivePolicyVersion | undefined;
}

/** Locks the names that a delivery tells of, and reads what is known of them. Its statements can travel with those before. */
export async function lockAndRead(
  trx: Queryable,
  deps: ApplyDeps,
  told: Pick<Accepted, "source" | "delivery" | "repository">,
): Promise<Known> {
  const names = refuseChanges(told) === null ? listNames(told.delivery) : [];
  const [, live, policy] = await Promise.all([
    lockPolicyAndNames(trx, told.repository.id, names),
    listLiveByNames(trx, told.repository.id, names),
    deps.activePolicy.find(trx),
  ]);
  return { live, policy };
}

/** Applies a delivery to what `lockAndRead` found; what it asks for is to be enqueued once the transaction is committed. */
export async function applyDelivery(trx: Queryable, deps: ApplyDeps, accepted: Accepted, known: Known): Promise<Asked> {
  const { repository } = accepted;
  const registry = await applyChanges(trx, deps, accepted, known.live);
  const checkout = await applyCheckout(trx, accepted);
  const events = [...registry.events, ...checkout.events, ...(accepted.replay?.stale ?? [])];
  const renamed = repository.isRenamed ? await applyNewLabel(trx, deps, repository, known.policy) : [];
  const reasons = new Map([...renamed, ...checkout.touched, ...registry.touched]);
  const [, touched] = await Promise.all([
    insertBranchEvents(trx, accepted.deliveryId, events, accepted.replay?.id),
    requestBranches(trx, toRequests(deps, { repository, registry, reasons, policy: known.policy })),
  ]);
  const audited = checkout.seen === null ? [] : await requestStaleScopesOf(trx, checkout.seen, deps.minAuditIntervalMs);
  const requested = [...touched, ...audited.map((scope) => ({ ...scope, isCovered: false, restMs: 0 }))];
  await markReferencesStale(
    trx,
    renamed.map(([id]) => id),
  );
  const ended = listEnded(registry.incarnations, requested);
  await requestRevocations(
    trx,
    ended.map(({ id, state }) => ({ kind: "incarnation", id, cause: state })),
  );
  await noteDeliveryActor(trx, accepted);
  const isSuspect = registry.incarnations.some(({ suspect }) => suspect);
  return { scopes: requested, ended: ended.map(({ id }) => id), toLookUp: isSuspect ? repository.id : null };
}

/** Policy names repositories: under a new name every branch of it may be another's. @returns why each is to be looked at */
async function applyNewLabel(
  trx: Queryable,
  deps: ApplyDeps,
  repository: ClaimedRepository,
  policy: ActivePolicyVersion | undefined,
): Promise<readonly (readonly [id: string, reason: string])[]> {
  const branches = await listLiveBranchesOf(trx, repository.id);
  for (const incarnation of branches) {
    await ensurePolicyScopes(trx, policy, { repository: repository.name, incarnation, endpoints: deps.endpoints });
  }
  await narrowByRenaming(trx, branches);
  return branches.map((branch) => [branch.id, "repository"]);
}

interface Requesting {
  readonly repository: ClaimedRepository;
  readonly registry: Effects;
  readonly reasons: ReadonlyMap<string, string>;
  readonly policy: ActivePolicyVersion | undefined;
}

/** The scopes that changed branches must have, and the branches to look at again. */
function toRequests(deps: ApplyDeps, { repository, registry, reasons, policy }: Requesting): readonly BranchRequest[] {
  const changed = new Map(registry.incarnations.map((incarnation) => [incarnation.id as string, incarnation]));
  const others = [...reasons.keys()].filter((id) => !changed.has(id));
  const isPlainPush = (id: string) => registry.plainlyPushed.has(id) && !repository.isRenamed;
  const listQueued = (id: string) =>
    registry.queued.filter(({ incarnation }) => incarnation === id).map(({ head }) => head);
  return [
    ...[...changed.values()].map((incarnation) => ({
      incarnationId: incarnation.id,
      reason: reasons.get(incarnation.id) ?? null,
      isPlainPush: isPlainPush(incarnation.id),
      endpoints: listPolicyEndpoints(policy, {
        repository: repository.name,
        incarnation,
        endpoints: deps.endpoints,
      }),
      heads: [incarnation.head, ...listQueued(incarnation.id)],
    })),
    ...others.map((incarnationId) => ({
      incarnationId,
      reason: reasons.get(incarnationId) ?? null,
      isPlainPush: isPlainPush(incarnationId),
      endpoints: [],
      heads: listQueued(incarnationId),
    })),
  ];
}

function listEnded(incarnations: readonly Incarnation[], requested: readonly RequestedScope[]): readonly Incarnation[] {
  const asked = new Set(requested.map((scope) => scope.incarnationId));
  return incarnations.filter(({ id, state, mergedInto }) => state !== "active" && mergedInto === null && asked.has(id));
}

/** Nobody claims what a device's token proves. Findings are written last: no transaction waits for one that waits for them. */
async function noteDeliveryActor(trx: Queryable, { source, delivery, resolution }: Accepted): Promise<void> {
  const { actor } = delivery;
  if (actor === null || resolution === null || actor.trust === "token") return;
  await noteActor(trx, { source: source.name, actor: actor.key, resolution });
}

async function applyChanges(
  trx: Queryable,
  deps: ApplyDeps,
  accepted: Accepted,
  live: readonly Incarnation[],
): Promise<Effects> {
  const { delivery } = accepted;
  const refusal = refuseChanges(accepted);
  if (delivery.changes.length + delivery.sightings.length + delivery.queued.length === 0) return NO_EFFECTS;
  if (refusal !== null) return { ...NO_EFFECTS, events: delivery.changes.map((change) => toClaim(change, refusal)) };
  const { decision, plainlyPushed } = await decideDelivery(trx, { ...deps, live }, accepted);
  await saveIncarnations(trx, accepted.repository.id, decision.incarnations);
  for (const rename of decision.renames) {
    await addStrictName(trx, rename.incarnation, rename.from);
    if (rename.merged !== null) {
      await moveCheckouts(trx, rename.merged, rename.incarnation);
      await moveGrants(trx, rename.merged, rename.incarnation);
    }
  }
  for (const incarnation of decision.incarnations) {
    // A delete may yet turn out to be half of a rename: its checkouts stay, and give nothing while it is deleted (rule A6).
    if (incarnation.state !== "closed") continue;
    await endCheckoutsOf(trx, incarnation.id);
    await expireGrantsOf(trx, incarnation.id);
  }
  const mended = await followLineage(trx, accepted, decision);
  const touched = new Map([...mended.map((id) => [id, "push"] as const), ...toReasons(decision)]);
  const { events, incarnations, queued } = decision;
  return { ...NO_EFFECTS, events, touched, incarnations, plainlyPushed, queued };
}

/** Only evidence of a server that may tell of refs, and that is the repository's authority, changes the registry (rules A1, A2). */
function refuseChanges({
  source,
  delivery,
  repository,
}: Pick<Accepted, "source" | "delivery" | "repository">): string | null {
  if (delivery.site === "client") return "client-claim";
  if (!source.may.includes("refs")) return "claim";
  return repository.isAuthority ? null : "not-authority";
}

function toClaim(change: NormalizedDelivery["changes"][number], note: string): RecordedEvent {
  const { kind, refType, name, before, after } = change;
  return { kind, refType, name, previousName: null, before, after, note, incarnation: null };
}

/** Every name that a delivery tells of. */
export function listNames({ changes, sightings, queued, renames }: NormalizedDelivery): readonly BranchName[] {
  const renamed = renames.flatMap(({ refType, from, to }) => [
    { refType, name: from },
    { refType, name: to },
  ]);
  return [...changes, ...sightings, ...queued, ...renamed];
}

function toReasons(decision: RegistryDecision): ReadonlyMap<string, string> {
  const reasons = new Map<string, string>(decision.touched.map((id) => [id, "push"]));
  for (const event of decision.events) {
    if (event.incarnation !== null && reasons.has(event.incarnation)) reasons.set(event.incarnation, event.kind);
  }
  return reasons;
}

const CHECKOUT_NOTES: Readonly<Record<ActorResolution["state"], string | null>> = {
  known: null,
  inactive: "inactive-actor",
  unknown: "unknown-actor",
  disputed: "unknown-actor",
};

async function applyCheckout(trx: Queryable, accepted: Accepted): Promise<Effects> {
  const { delivery, source, resolution } = accepted;
  const { checkout, actor } = delivery;
  if (checkout === null) return NO_EFFECTS;
  const event: RecordedEvent = {
    kind: "checkout",
    refType: checkout.refType,
    name: checkout.name ?? "",
    previousName: null,
    before: null,
    after: checkout.revision,
    note: null,
    incarnation: null,
  };
  if (!source.may.includes("checkout")) return { ...NO_EFFECTS, events: [{ ...event, note: "claim" }] };
  if (actor === null || resolution === null) return { ...NO_EFFECTS, events: [{ ...event, note: "no-actor" }] };
  // What is claimed where a token is wanted ends the stay before it and starts none (rule B6).
  const isTrusted = source.requireTrust === "claim" || actor.trust === "token";
  const userId = isTrusted && resolution.state === "known" ? resolution.userId : null;
  const startedAt = new Date(
    Math.min(accepted.receivedAt.getTime(), (delivery.occurredAt ?? accepted.receivedAt).getTime()),
  );
  const move = await moveCheckout(trx, {
    repositoryId: accepted.repository.id,
    deliveryId: accepted.deliveryId,
    actor: actor.key,
    trust: actor.trust,
    userId,
    checkout,
    startedAt,
    receivedAt: accepted.receivedAt,
  });
  const note = move.note ?? (isTrusted ? CHECKOUT_NOTES[resolution.state] : "untrusted");
  const touched = new Map(move.touched.map((id) => [id, "checkout"]));
  const incarnation = move.entered;
  const seen = move.note === "unchanged" ? incarnation : null;
  return { ...NO_EFFECTS, events: [{ ...event, note, incarnation }], touched, seen };
}
