/** Speaks to the endpoint: read, plan, write what differs, read back and judge. */
import {
  type ActualGroup,
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
import type { Queues } from "@branchward/queue";
import type { ScimClient } from "@branchward/scim";
import { type Database, type GroupBinding, type Lease, openLedgerEntries, recordGroupIntents } from "@branchward/store";
import { createAccountLookup, doubtAccounts } from "../accounts/account-lookup.ts";
import {
  applyOperation,
  type Endpoint,
  findGroupsByExternalId,
  findGroupsByName,
  readGroup,
  type WriteBond,
} from "../endpoint/endpoint.ts";
import { isUuid } from "../is-uuid.ts";
import { addLedgerMembers, type ChosenPlan, choosePlan } from "./choose-plan.ts";
import { holdLease } from "./hold-lease.ts";
import { type LedgerView, listIntended } from "./plan-ledger.ts";
import type { LoadedScope } from "./load-scope.ts";
import type { Timeline } from "./timeline.ts";

export interface SyncRun {
  readonly db: Database;
  readonly queues: Queues;
  readonly pairingWindowMs: number;
  readonly endpoint: Endpoint;
  readonly lease: Lease;
  readonly scope: LoadedScope;
  readonly timeline: Timeline;
  /** True where what the ledger gave goes even if a read does not show it (rule C3). */
  readonly isRevocation: boolean;
}

/** Members of one entitlement group that were there and ought to be. */
export interface KeptMembers {
  readonly entitlement: string;
  readonly displayName: string;
  readonly members: readonly Addition[];
}

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
  readonly kept: readonly KeptMembers[];
}

/** One run at the endpoint. @throws {UpstreamError} when the endpoint cannot be read or written. */
export async function runSync(run: SyncRun): Promise<SyncResult> {
  const { timeline } = run;
  timeline.enter("read");
  // A write may wait for its turn at the endpoint, so that the lease is looked at when it is sent.
  const client = run.endpoint.connect((call) => timeline.addCall(call), {
    lane: run.isRevocation ? "revocation" : "reconcile",
    beforeWrite: () => holdLease(run.db, run.lease),
  });
  const before = await readActual(client, run);
  const lookup = { ...run, scopeId: run.lease.scopeId };
  const accountOf = await createAccountLookup(client, lookup, run.scope);
  const actual = run.isRevocation ? await addLedgerMembers(run, { actual: before, accountOf }) : before;
  const chosen = await choosePlan(run, { actual, accountOf });
  const { plan } = chosen;
  if (plan.operations.length > 0) timeline.enter("write");
  const created = await writePlan(client, run, { plan, actual: before }).catch(async (error: unknown) => {
    await doubtAccounts(run, listAdded(plan), error);
    throw error;
  });
  const effective = plan.effective.map((group) => ({
    ...group,
    groupId: group.groupId ?? created.get(group.entitlement) ?? null,
  }));
  if (plan.operations.length > 0) timeline.enter("verify");
  // A scope already equal makes no write (rule C8), and the read that showed it is the proof.
  const read = plan.operations.length === 0 ? before : await readBack(client, effective, plan.gone);
  const judgement = judgeSync({ expected: { effective, gone: plan.gone }, read, before, earlier: [] });
  if (judgement.verdict !== "verified") await doubtAccounts(run, listAdded(plan));
  return {
    ...chosen,
    verdict: toVerdict(chosen, judgement),
    judgement,
    groups: effective,
    freedNames: listFreedNames(before, { read, effective, gone: plan.gone }),
    isFenced: run.endpoint.builtin,
    kept: listKept(run.scope, { plan, before, accountOf }),
    ledger: {
      desired: run.scope.desired,
      plan: { ...plan, effective },
      mismatches: judgement.mismatches,
      read,
      accountOf,
      userOf: (member) => (run.endpoint.builtin ? parseUserId(member) : null),
    },
  };
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

function listAdded({ operations }: Plan): readonly UserId[] {
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

/** Providers bound their filters, ours at 2 KiB; a longer name is nobody else's by chance. */
const MAX_FILTERED_NAME = 1_000;

/** Every group that is known to be ours, bears our `externalId`, or bears a name that we want. */
async function readActual(client: ScimClient, { scope, endpoint, lease }: SyncRun): Promise<readonly ActualGroup[]> {
  const { desired, branch, knownGroups } = scope;
  const ids = knownGroups.flatMap(({ groupId }) => groupId ?? []);
  const bound = await Promise.all(ids.map((groupId) => readGroup(client, groupId)));
  const held = new Map(bound.flatMap((group) => (group === undefined ? [] : [[group.id, group]])));
  const others = await Promise.all([
    ...listSought(scope, { held, isWhole: isWholeAsked(lease) }).map((id) => findGroupsByExternalId(client, id)),
    ...desired.entitlements.flatMap(({ entitlement }) => {
      const [displayName = ""] = listDisplayNames(endpoint.displayName, { ...branch, entitlement });
      const isHeld = held.get(findOwn(scope, entitlement)?.groupId ?? "")?.displayName === displayName;
      return isHeld || displayName.length > MAX_FILTERED_NAME ? [] : [findGroupsByName(client, displayName)];
    }),
  ]);
  return [...new Map([...held.values(), ...others.flat()].map((group) => [group.id, group])).values()];
}

function findOwn(
  { knownGroups, branch }: LoadedScope,
  entitlement: string,
): LoadedScope["knownGroups"][number] | undefined {
  return knownGroups.find((known) => known.entitlement === entitlement && known.incarnation === branch.incarnation);
}

/**
 * A group that is bound may have a second beside it, made when a read showed the first too late: it is looked for where
 * something did not read as it must, and where somebody asks for the whole.
 */
function isWholeAsked({ failures, reason }: Lease): boolean {
  return failures > 0 || reason === "audit" || reason === "recheck";
}

interface Sought {
  /** Bound groups that were read, by id. */
  readonly held: ReadonlyMap<string, ActualGroup>;
  readonly isWhole: boolean;
}

/** Every `externalId` of ours that a group may bear which no bound id leads to: wanted, or once meant to be made (rule C6). */
function listSought({ desired, branch, knownGroups }: LoadedScope, { held, isWhole }: Sought): readonly string[] {
  const { incarnation } = branch;
  const wanted = desired.entitlements.map(({ entitlement }) => externalIdOf(incarnation, entitlement));
  const known = new Map(knownGroups.map((each) => [externalIdOf(each.incarnation, each.entitlement), each]));
  return [...new Set([...wanted, ...known.keys()])].filter(
    (externalId) => isWhole || !held.has(known.get(externalId)?.groupId ?? ""),
  );
}

/** Entitlement → the id of the group created for it. */
async function writePlan(
  client: ScimClient,
  run: SyncRun,
  { plan, actual }: { readonly plan: Plan; readonly actual: readonly ActualGroup[] },
): Promise<ReadonlyMap<string, string>> {
  const created = new Map<string, string>();
  const creates = plan.operations.filter((operation) => operation.kind === "createGroup");
  await recordGroupIntents(run.db, run.lease.scopeId, creates);
  await openLedgerEntries(run.db, { lease: run.lease, policyVersion: run.scope.policyVersion }, listIntended(plan));
  const versions = listVersions(run, actual);
  // Steps of one kind touch different groups; kinds follow each other, removals first.
  for (const step of groupByKind(plan.operations)) {
    const written = await Promise.all(
      step.map((operation) => applyOperation(client, operation, toBond(run, operation, versions))),
    );
    step.forEach((operation, index) => {
      const made = written[index];
      if (made === undefined) return;
      versions.set(made.groupId, made.version);
      if (operation.kind === "createGroup") created.set(operation.entitlement, made.groupId);
    });
  }
  return created;
}

type Versions = Map<string, string | undefined>;

/** Refused so often, an endpoint's versions are not to be relied on. */
const MAX_REFUSED_VERSIONS = 3;

/** Of the groups as they were read; at the built-in directory the fence says more. */
function listVersions({ endpoint, lease }: SyncRun, actual: readonly ActualGroup[]): Versions {
  if (endpoint.builtin || lease.failures >= MAX_REFUSED_VERSIONS) return new Map();
  return new Map(actual.map(({ id, version }) => [id, version]));
}

function toBond({ lease }: SyncRun, operation: Operation, versions: Versions): WriteBond {
  const version = "groupId" in operation ? versions.get(operation.groupId) : undefined;
  return { fence: lease.token, version };
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
