/** Speaks to the endpoint: read, plan, write what differs, read back and judge. */
import {
  type ActualGroup,
  AppError,
  type Addition,
  type EffectiveGroup,
  externalIdOf,
  type Judgement,
  judgeSync,
  listDisplayNames,
  type Operation,
  type Plan,
  type UserId,
  type Verdict,
} from "@branchward/core";
import type { ScimClient } from "@branchward/scim";
import {
  forgetGroupIntent,
  type GroupBinding,
  INACTIVE_MEMBER,
  type Lease,
  openLedgerEntries,
  recordGroupIntents,
} from "@branchward/store";
import { createAccountLookup, doubtAccounts } from "../accounts/account-lookup.ts";
import { applyOperation, readGroup } from "../endpoint/endpoint.ts";
import { createVersions, type Versions } from "../endpoint/versions.ts";
import { isUuid } from "../is-uuid.ts";
import { addLedgerMembers, type ChosenPlan, choosePlan } from "./choose-plan.ts";
import { createWriteGuard, holdLease, leaseLost, overtaken, type WriteGuard } from "./hold-lease.ts";
import { type LedgerView, listIntended } from "./plan-ledger.ts";
import type { LoadedScope } from "./load-scope.ts";
import { type KnownGroup, readActual, readBound } from "./read-actual.ts";
import { type Collision, resolveIntents } from "./resolve-intents.ts";
import type { SyncRun } from "./sync-run.ts";

/** Members of one entitlement group that were there and ought to be. */
export interface KeptMembers {
  readonly entitlement: string;
  readonly displayName: string;
  readonly members: readonly Addition[];
}

/** A group of the scope, or of what was merged into it. */
export type UnseenGroup = Pick<KnownGroup, "incarnation" | "entitlement">;

/** What a run did and proved. */
export interface SyncResult extends ChosenPlan {
  readonly verdict: Verdict;
  readonly judgement: Judgement;
  /** What the read means for the ledger. */
  readonly ledger: LedgerView;
  /** Names that groups bore before the run and bear no more. */
  readonly freedNames: readonly string[];
  /** True where the endpoint refuses a stale write itself (rule C4). */
  readonly isFenced: boolean;
  /** The groups that the scope has now. */
  readonly groups: readonly GroupBinding[];
  /** Groups that may be ours and may not be told from others' (rule C6). */
  readonly collisions: readonly Collision[];
  /** Entitlements of the scope's own among them. */
  readonly undecided: readonly string[];
  /** Groups that are bound, or meant to be made, and that no read showed since the last run that did not end well. */
  readonly unseen: readonly UnseenGroup[];
  readonly kept: readonly KeptMembers[];
}

/** One run at the endpoint. @throws {UpstreamError} when the endpoint cannot be read or written. */
export async function runSync(asked: SyncRun): Promise<SyncResult> {
  const { timeline } = asked;
  timeline.enter("read");
  const guard = createWriteGuard(asked.db, asked.lease, asked.scope.now);
  const client = asked.endpoint.connect((call) => timeline.addCall(call), {
    lane: asked.isRevocation ? "revocation" : "reconcile",
    beforeWrite: () => guard.check(),
  });
  const { bindings, collisions } = await resolveIntents(client, asked.scope);
  const held = await readBound(client, [...asked.scope.knownGroups, ...bindings]);
  const run = { ...asked, scope: { ...asked.scope, knownGroups: held.map(({ known }) => known) } };
  const before = await readActual(client, run, held);
  const lookup = { ...run, scopeId: run.lease.scopeId };
  const { accountOf, isClosed } = await createAccountLookup(client, lookup, run.scope);
  // What ended is a revocation also where a run that was under way is the first to see it.
  const isEnding = run.isRevocation || run.scope.branch.state !== "active";
  const actual = isEnding ? await addLedgerMembers(run, { actual: before, accountOf }) : before;
  const chosen = await choosePlan(run, { actual, accountOf, isClosed, collisions });
  const { plan } = chosen;
  if (plan.operations.length > 0) timeline.enter("write");
  const versions = openVersions(client, run, before);
  const created = await writePlan(client, run, { plan, versions, guard }).catch(async (error: unknown) => {
    await doubtAccounts(run, listAdded(plan), error);
    throw error;
  });
  const effective = withCreated(plan, created);
  if (plan.operations.length > 0) timeline.enter("verify");
  // A scope already equal makes no write (rule C8), and the read that showed it is the proof.
  const read = plan.operations.length === 0 ? before : await readBack(client, effective, plan.gone);
  const expected = { effective, gone: plan.gone };
  const unseen = listUnseen(run, before);
  const judged = judgeSync({ expected, read, before, told: versions.told });
  const judgement = addCollisions(judged, collisions);
  if (judgement.verdict !== "verified") await doubtAccounts(run, listAdded(plan));
  return {
    ...chosen,
    verdict: toVerdict(chosen, judgement),
    judgement,
    groups: effective.filter(({ groupId }) => groupId !== null),
    collisions,
    undecided: listUndecided(run, collisions),
    unseen,
    freedNames: [
      ...listFreedNames(before, { read, effective, gone: plan.gone }),
      ...listUnborne(run.scope.recordedNames, read),
      ...(run.lease.failures > 0 && judgement.verdict === "verified" ? listFreedBefore(run, read) : []),
    ],
    isFenced: run.endpoint.builtin,
    kept: listKept(run.scope, { plan, before, accountOf }),
    ledger: {
      desired: run.scope.desired,
      plan: { ...plan, effective },
      mismatches: judgement.mismatches,
      unseen: listOwn(run, unseen),
      read,
      accountOf,
      userOf: (member) => (run.endpoint.builtin ? parseUserId(member) : null),
    },
  };
}

function withCreated(plan: Plan, created: ReadonlyMap<string, string>): Plan["effective"] {
  return plan.effective.map((group) => ({
    ...group,
    groupId: group.groupId ?? created.get(group.entitlement) ?? null,
  }));
}

/** What may be ours and holds others is not what it must be, whatever else reads right (rule C6). */
function addCollisions({ verdict, mismatches }: Judgement, collisions: readonly Collision[]): Judgement {
  if (collisions.length === 0) return { verdict, mismatches };
  const named = new Set(collisions.map(({ intent }) => intent.entitlement));
  const others = mismatches.filter(({ entitlement }) => !named.has(entitlement));
  return { verdict: "diverged", mismatches: [...others, ...collisions.map(({ mismatch }) => mismatch)] };
}

/**
 * An endpoint that shows writes late hides a group that was just made, and who is in it: it is not forgotten before another
 * look (rules C3, C4).
 */
function listUnseen({ lease, endpoint, scope }: SyncRun, before: readonly ActualGroup[]): readonly UnseenGroup[] {
  if (endpoint.builtin || lease.failures === 0) return [];
  const ids = new Set(before.map(({ id }) => id));
  const externalIds = new Set(before.map(({ externalId }) => externalId));
  const toExternalId = ({ incarnation, entitlement }: UnseenGroup) => externalIdOf(incarnation, entitlement);
  const seen = new Set(scope.knownGroups.filter(({ groupId }) => ids.has(groupId)).map(toExternalId));
  return [...scope.knownGroups, ...scope.intents].filter((group) => {
    const externalId = toExternalId(group);
    return !seen.has(externalId) && !externalIds.has(externalId);
  });
}

/** Entitlements of the scope's own among groups. */
export function listOwn({ lease }: Pick<SyncRun, "lease">, groups: readonly UnseenGroup[]): readonly string[] {
  return groups.flatMap(({ incarnation, entitlement }) => (incarnation === lease.incarnationId ? [entitlement] : []));
}

function listUndecided({ lease }: SyncRun, collisions: readonly Collision[]): readonly string[] {
  const own = collisions.filter(({ intent }) => intent.incarnation === lease.incarnationId);
  return own.map(({ intent }) => intent.entitlement);
}

/**
 * Names that the scope's groups may have given up in runs that did not read as they must, where the endpoint shows it
 * only now.
 */
function listFreedBefore({ scope, endpoint }: SyncRun, read: readonly ActualGroup[]): readonly string[] {
  const entitlements = new Set([...scope.desired.entitlements, ...scope.knownGroups].map((each) => each.entitlement));
  const names = [scope.branch.branch, ...scope.strictNames].flatMap((branch) =>
    [...entitlements].flatMap((entitlement) =>
      listDisplayNames(endpoint.displayName, { ...scope.branch, branch, entitlement }).slice(0, 1),
    ),
  );
  return listUnborne(names, read);
}

function listUnborne(names: readonly string[], read: readonly ActualGroup[]): readonly string[] {
  const borne = new Set(read.map(({ displayName }) => displayName));
  return names.filter((name) => !borne.has(name));
}

interface Left {
  readonly read: readonly ActualGroup[];
  readonly effective: readonly EffectiveGroup[];
  readonly gone: readonly string[];
}

/** Names of the scope's own groups: whom else a read showed has given nothing up. */
function listFreedNames(before: readonly ActualGroup[], { read, effective, gone }: Left): readonly string[] {
  const own = new Set([...effective.map(({ groupId }) => groupId), ...gone]);
  const borne = new Set(read.map(({ displayName }) => displayName));
  return before
    .filter(({ id, displayName }) => own.has(id) && !borne.has(displayName))
    .map(({ displayName }) => displayName);
}

/** A read that shows what it must proves the effective set; what is kept out of it is said (rules C1, C8). */
function toVerdict({ plan, suspended, isDriftLeft }: ChosenPlan, { verdict }: Judgement): Verdict {
  if (verdict === "diverged" || isDriftLeft || suspended === "flapping") return "diverged";
  return suspended === "hold" || plan.keptBack.length > 0 ? "held" : "verified";
}

/** At the built-in directory a member's id is the user's own (rule C5). */
function parseUserId(member: string): UserId | null {
  return isUuid(member) ? (member as UserId) : null;
}

function listAdded({ operations }: Pick<Plan, "operations">): readonly UserId[] {
  return operations.flatMap((one) => ("additions" in one ? one.additions.map(({ userId }) => userId) : []));
}

interface KeptQuestion {
  readonly plan: Plan;
  readonly before: readonly ActualGroup[];
  readonly accountOf: (userId: UserId) => string | undefined;
}

function listKept({ desired }: LoadedScope, { plan, before, accountOf }: KeptQuestion): readonly KeptMembers[] {
  return plan.effective.flatMap(({ entitlement, groupId, displayName }) => {
    const present = new Set(before.find((group) => group.id === groupId)?.members);
    const wanted = desired.entitlements.find((group) => group.entitlement === entitlement)?.members ?? [];
    const members = wanted.flatMap(({ userId, reasons }) => {
      const member = accountOf(userId);
      return member !== undefined && present.has(member) ? [{ member, userId, reasons }] : [];
    });
    return members.length === 0 ? [] : [{ entitlement, displayName, members }];
  });
}

function openVersions(client: ScimClient, { lease, endpoint }: SyncRun, before: readonly ActualGroup[]): Versions {
  const versions = createVersions({
    failures: lease.failures,
    // The directory refuses a stale writer by its fence.
    isFenced: endpoint.builtin,
    read: (id) => client.getGroup(id, { excludeMembers: true }),
  });
  for (const { id, version } of before) versions.show(id, version);
  return versions;
}

interface PlannedWrites {
  readonly plan: Plan;
  readonly versions: Versions;
  readonly guard: WriteGuard;
}

/** @returns entitlement → the id of the group created for it */
async function writePlan(
  client: ScimClient,
  run: SyncRun,
  { plan, versions, guard }: PlannedWrites,
): Promise<ReadonlyMap<string, string>> {
  const created = new Map<string, string>();
  const creates = plan.operations.filter((operation) => operation.kind === "createGroup");
  const intents = creates.map((create) => ({ ...create, sentMembers: create.additions.map(({ member }) => member) }));
  if (!(await recordGroupIntents(run.db, run.lease, intents))) throw leaseLost();
  await openLedgerEntries(run.db, { lease: run.lease, policyVersion: run.scope.policyVersion }, listIntended(plan));
  // Steps of one kind touch different groups; kinds follow each other, removals first.
  for (const step of groupByKind(plan.operations)) {
    // Not before its turn: nobody stays for the sake of who was to come.
    guard.expect(listAdded({ operations: step }));
    const written = await Promise.all(
      step.map(async (operation) => {
        try {
          return await applyOperation(client, operation, { lease: findLease(run, operation), versions });
        } catch (error) {
          if (operation.kind === "createGroup") await noteRefusal(run, operation.entitlement, error);
          // Whoever took the lease has seen to the scope: trying again is theirs.
          if (isRefusedAs(error, "staleFence")) await holdLease(run.db, run.lease);
          throw run.endpoint.builtin && isRefusedAs(error, INACTIVE_MEMBER) ? overtaken() : error;
        }
      }),
    );
    step.forEach(({ kind, entitlement }, index) => {
      const groupId = written[index];
      if (kind === "createGroup" && groupId !== undefined) created.set(entitlement, groupId);
    });
  }
  return created;
}

function isRefusedAs(error: unknown, scimType: string): boolean {
  return error instanceof AppError && error.details["scimType"] === scimType;
}

/** Groups of what was merged were written under its own lease, and its tokens count for themselves. */
function findLease({ lease, merged, scope }: SyncRun, operation: Operation): Lease {
  if (operation.kind === "createGroup") return lease;
  const known = scope.knownGroups.find(({ groupId }) => groupId === operation.groupId);
  return merged.find(({ incarnationId }) => incarnationId === known?.incarnation) ?? lease;
}

/** A POST that certainly made nothing leaves no intent; what an earlier one may have made is still looked for. */
async function noteRefusal({ db, lease, scope }: SyncRun, entitlement: string, error: unknown): Promise<void> {
  const wasTried = scope.intents.some(
    (intent) => intent.entitlement === entitlement && intent.incarnation === lease.incarnationId,
  );
  const isUnknown = !(error instanceof AppError) || error.details["outcomeUnknown"] === true;
  if (!isUnknown && !wasTried) await forgetGroupIntent(db, lease, entitlement);
}

function groupByKind(operations: readonly Operation[]): readonly (readonly Operation[])[] {
  return [...Map.groupBy(operations, (operation) => operation.kind).values()];
}

async function readBack(
  client: ScimClient,
  effective: readonly EffectiveGroup[],
  gone: readonly string[],
): Promise<readonly ActualGroup[]> {
  const ids = [...effective.flatMap(({ groupId }) => (groupId === null ? [] : [groupId])), ...gone];
  const groups = await Promise.all(ids.map((id) => readGroup(client, id)));
  return groups.filter((group) => group !== undefined);
}
