import {
  computeDesired,
  type Desired,
  type GroupBinding as KnownGroup,
  type IncarnationId,
  type ScopeBranch,
  UnavailableError,
  type UserId,
} from "@branchward/core";
import {
  type ActivePolicy,
  type BranchRow,
  type Database,
  type Lease,
  listGroupBindings,
  loadAccessFacts,
} from "@branchward/store";

/** All that a run needs to know before it speaks to the endpoint. */
export interface LoadedScope {
  readonly branch: ScopeBranch;
  readonly desired: Desired;
  readonly policyVersion: string;
  readonly userNames: ReadonlyMap<UserId, string>;
  /** Groups bound here, those of incarnations merged into this one included: they go first (rule A5). */
  readonly knownGroups: readonly KnownGroup[];
  readonly now: Date;
}

export interface LoadDeps {
  readonly db: Database;
  readonly activePolicy: ActivePolicy;
}

/** Reads registry, policy and directory, and computes what ought to be. */
export async function loadScope(
  { db, activePolicy }: LoadDeps,
  { lease, merged, branch }: { readonly lease: Lease; readonly merged: readonly Lease[]; readonly branch: BranchRow },
): Promise<LoadedScope> {
  const active = await activePolicy.find(db);
  // Missing information never removes access.
  if (active === undefined) throw new UnavailableError("no policy version is in force yet", { code: "no_policy" });
  const facts = await loadAccessFacts(db, { policy: active.policy, branch, strictNames: lease.strictNames });
  const { id, state } = branch;
  return {
    branch: {
      incarnation: id,
      repository: branch.repository,
      branch: branch.name,
      refType: branch.refType,
      vcs: branch.vcs,
      state,
      endedAt: branch.endedAt,
    },
    desired: computeDesired({
      ...facts,
      incarnation: { ...facts.incarnation, id },
      endpoint: { name: lease.endpoint },
    }),
    policyVersion: active.version,
    userNames: new Map([...facts.users.byId].map(([userId, user]) => [userId, user.userName])),
    knownGroups: (await Promise.all([lease, ...merged].map((one) => listKnownGroups(db, one)))).flat(),
    now: facts.now,
  };
}

async function listKnownGroups(db: Database, lease: Lease): Promise<readonly KnownGroup[]> {
  const bindings = await listGroupBindings(db, lease.scopeId);
  const incarnation = lease.incarnationId as IncarnationId;
  return bindings.flatMap(({ entitlement, groupId }) =>
    groupId === null ? [] : [{ incarnation, entitlement, groupId }],
  );
}
