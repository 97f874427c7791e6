import {
  computeDesired,
  type Desired,
  type GroupBinding as KnownGroup,
  type Guards,
  type IncarnationId,
  type ScopeBranch,
  UnavailableError,
  type UserId,
} from "@branchward/core";
import {
  type ActivePolicy,
  type Database,
  findBranch,
  findHold,
  findRetirementMode,
  type Lease,
  listGroupBindings,
  listStrictNames,
  loadAccessFacts,
  type Queryable,
  readSnapshot,
} from "@branchward/store";
import type { KnownIntent } from "./resolve-intents.ts";

/** All that a run needs to know before it speaks to the endpoint. */
export interface LoadedScope {
  readonly branch: ScopeBranch;
  readonly desired: Desired;
  readonly policyVersion: string;
  /** Former names that narrow the desired state until this is verified (rule A5). */
  readonly strictNames: readonly string[];
  readonly userNames: ReadonlyMap<UserId, string>;
  /** Groups bound here, those of incarnations merged into this one included: they go first (rule A5). */
  readonly knownGroups: readonly KnownGroup[];
  /** Names that the record says these groups bear: what a run that was not recorded did to them is seen by it. */
  readonly recordedNames: readonly string[];
  /** Groups of the same that may have been made: their POST had no answer (rule C6). */
  readonly intents: readonly KnownIntent[];
  readonly guards: Guards;
  /** True while a hold suspends repair. */
  readonly isHeld: boolean;
  /** True where the endpoint is given up: all groups go. */
  readonly isRetired: boolean;
  readonly now: Date;
}

export interface LoadDeps {
  readonly db: Database;
  readonly activePolicy: ActivePolicy;
}

/**
 * Reads registry, policy and directory in one snapshot, and computes what ought to be: a group deleted, or a branch
 * renamed, between two reads would look like something that never was.
 */
export async function loadScope(
  { db, activePolicy }: LoadDeps,
  held: { readonly lease: Lease; readonly merged: readonly Lease[] },
): Promise<LoadedScope> {
  return readSnapshot(db, (trx) => loadIn(trx, activePolicy, held));
}

async function loadIn(
  trx: Queryable,
  activePolicy: ActivePolicy,
  { lease, merged }: { readonly lease: Lease; readonly merged: readonly Lease[] },
): Promise<LoadedScope> {
  const [active, branch, strictNames, retirement, groups] = await Promise.all([
    activePolicy.find(trx),
    findBranch(trx, lease.incarnationId),
    listStrictNames(trx, lease.incarnationId, lease.endpoint),
    findRetirementMode(trx, lease.endpoint),
    loadGroups(trx, [lease, ...merged]),
  ]);
  // Missing information never removes access.
  if (active === undefined) throw new UnavailableError("no policy version is in force yet", { code: "no_policy" });
  if (branch?.id !== lease.incarnationId)
    throw new UnavailableError("the branch was merged just now", { code: "merged" });
  const { id, repositoryId } = branch;
  const [facts, hold] = await Promise.all([
    loadAccessFacts(trx, { policy: active.policy, branch, strictNames }),
    findHold(trx, { repositoryId, incarnationId: id, endpoint: lease.endpoint }),
  ]);
  // A retired endpoint holds nothing of any branch, as if all were deleted long ago (rule B8).
  const isRetired = retirement !== undefined;
  const state = isRetired ? "deleted" : branch.state;
  return {
    branch: {
      incarnation: id,
      repository: branch.repository,
      branch: branch.name,
      refType: branch.refType,
      vcs: branch.vcs,
      state,
      endedAt: isRetired ? new Date(0) : branch.endedAt,
    },
    desired: computeDesired({
      ...facts,
      incarnation: { ...facts.incarnation, id, state },
      endpoint: { name: lease.endpoint },
    }),
    policyVersion: active.version,
    strictNames,
    userNames: new Map([...facts.users.byId].map(([userId, user]) => [userId, user.userName])),
    ...groups,
    guards: active.policy.guards,
    isHeld: hold !== null,
    isRetired,
    now: facts.now,
  };
}

async function loadGroups(
  trx: Queryable,
  leases: readonly Lease[],
): Promise<Pick<LoadedScope, "knownGroups" | "recordedNames" | "intents">> {
  const groups = await Promise.all(
    leases.map(async ({ scopeId, incarnationId }) => {
      const found = await listGroupBindings(trx, scopeId);
      return found.map((group) => ({ ...group, incarnation: incarnationId as IncarnationId }));
    }),
  );
  const knownGroups: KnownGroup[] = [];
  const recordedNames: string[] = [];
  const intents: KnownIntent[] = [];
  for (const { groupId, ...intent } of groups.flat()) {
    const { incarnation, entitlement, displayName } = intent;
    if (groupId !== null) {
      knownGroups.push({ incarnation, entitlement, groupId });
      recordedNames.push(displayName);
    }
    if (groupId === null || intent.sentMembers !== null) intents.push(intent);
  }
  return { knownGroups, recordedNames, intents };
}
