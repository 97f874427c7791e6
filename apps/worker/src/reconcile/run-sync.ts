/** Speaks to the endpoint: read, plan, write what differs, read back and judge. */
import {
  type ActualGroup,
  type EffectiveGroup,
  externalIdOf,
  type Judgement,
  judgeSync,
  listDisplayNames,
  type Operation,
  type Plan,
  planSync,
  UnavailableError,
} from "@branchward/core";
import type { ScimClient } from "@branchward/scim";
import {
  type Database,
  getLeaseRemaining,
  type GroupBinding,
  type Lease,
  recordGroupIntents,
  renewLease,
} from "@branchward/store";
import { createAccountLookup } from "../endpoint/accounts.ts";
import {
  applyOperation,
  type Endpoint,
  type EndpointCall,
  findGroupsByExternalId,
  findGroupsByName,
  readGroup,
} from "../endpoint/endpoint.ts";
import { LEASE_MS, MIN_LEASE_MS } from "./lease-times.ts";
import type { LoadedScope } from "./load-scope.ts";

export interface SyncRun {
  readonly db: Database;
  readonly pairingWindowMs: number;
  readonly endpoint: Endpoint;
  readonly lease: Lease;
  readonly scope: LoadedScope;
}

/** What a run did and proved. */
export interface SyncResult {
  readonly plan: Plan;
  readonly judgement: Judgement;
  /** The groups that the scope has now. */
  readonly groups: readonly GroupBinding[];
  readonly calls: readonly EndpointCall[];
}

/** One run at the endpoint. @throws {UpstreamError} when the endpoint cannot be read or written. */
export async function runSync(run: SyncRun): Promise<SyncResult> {
  const calls: EndpointCall[] = [];
  const client = run.endpoint.connect((call) => calls.push(call));
  const before = await readActual(client, run);
  const plan = planSync({
    branch: run.scope.branch,
    desired: run.scope.desired,
    actual: before,
    bindings: run.scope.knownGroups,
    displayNameTemplate: run.endpoint.displayName,
    now: run.scope.now,
    pairingWindowMs: run.pairingWindowMs,
    accountOf: await createAccountLookup(client, run.endpoint, run.scope),
  });
  const created = await writePlan(client, run, plan);
  const effective = plan.effective.map((group) => ({
    ...group,
    groupId: group.groupId ?? created.get(group.entitlement) ?? null,
  }));
  // A scope already equal makes no write (rule C8), and the read that showed it is the proof.
  const read = plan.operations.length === 0 ? before : await readBack(client, effective, plan.gone);
  const judgement = judgeSync({ expected: { effective, gone: plan.gone }, read, before, earlier: [] });
  return { plan, judgement, groups: effective, calls };
}

/** Every group that is known to be ours, bears our `externalId`, or bears a name that we want. */
async function readActual(client: ScimClient, { scope, endpoint }: SyncRun): Promise<readonly ActualGroup[]> {
  const bound = await Promise.all(scope.knownGroups.map(({ groupId }) => readGroup(client, groupId)));
  const found = bound.filter((group) => group !== undefined);
  const others = await Promise.all(
    scope.desired.entitlements.map(async ({ entitlement }) => {
      const { incarnation } = scope.branch;
      const binding = scope.knownGroups.find(
        (known) => known.entitlement === entitlement && known.incarnation === incarnation,
      );
      const held = found.find((group) => group.id === binding?.groupId);
      const [displayName = ""] = listDisplayNames(endpoint.displayName, { ...scope.branch, entitlement });
      return Promise.all([
        held === undefined ? findGroupsByExternalId(client, externalIdOf(incarnation, entitlement)) : [],
        held?.displayName === displayName ? [] : findGroupsByName(client, displayName),
      ]);
    }),
  );
  return [...new Map([...found, ...others.flat(2)].map((group) => [group.id, group])).values()];
}

/** Entitlement → the id of the group created for it. */
async function writePlan(client: ScimClient, run: SyncRun, plan: Plan): Promise<ReadonlyMap<string, string>> {
  const created = new Map<string, string>();
  const creates = plan.operations.filter((operation) => operation.kind === "createGroup");
  await recordGroupIntents(run.db, run.lease.scopeId, creates);
  // Steps of one kind touch different groups; kinds follow each other, removals first.
  for (const step of groupByKind(plan.operations)) {
    await holdLease(run);
    const ids = await Promise.all(step.map((operation) => applyOperation(client, operation, run.lease.token)));
    step.forEach((operation, index) => {
      const id = ids[index];
      if (operation.kind === "createGroup" && id !== undefined) created.set(operation.entitlement, id);
    });
  }
  return created;
}

function groupByKind(operations: readonly Operation[]): readonly (readonly Operation[])[] {
  return [...Map.groupBy(operations, (operation) => operation.kind).values()];
}

/** Before each write the lease is checked again, with more left of it than a call may take (rule C4). */
async function holdLease({ db, lease }: SyncRun): Promise<void> {
  if ((await getLeaseRemaining(db, lease)) >= MIN_LEASE_MS) return;
  if (await renewLease(db, lease, LEASE_MS)) return;
  throw new UnavailableError("the lease was lost to another run", { code: "lease_lost" });
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
