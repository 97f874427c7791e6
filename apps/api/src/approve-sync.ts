/** A person lets go what guards keep back: the plan as it was shown, for 24 hours, and not one's own doing (rules C1, C2). */
import { ConflictError, ForbiddenError, NotFoundError } from "@branchward/core";
import {
  type ActivePolicy,
  type Database,
  findLatestPlan,
  findSync,
  insertApproval,
  listHeldScopes,
  listMassDeactivations,
  type Queryable,
  type RemovalApproval,
  type RequestedScope,
  requestRevocations,
  requestScopes,
  type SyncDetails,
} from "@branchward/store";

export interface ApproveDeps {
  readonly db: Database;
  readonly activePolicy: ActivePolicy;
}

export interface ApprovalRequest {
  readonly syncId: string;
  /** Of the plan as shown. */
  readonly digest: string;
  /** The client whose token asks. */
  readonly by: string;
}

/** What is to be looked at again: scopes, and those whom a revocation waited for. */
export interface Approved {
  readonly scopes: readonly RequestedScope[];
  readonly users: readonly string[];
}

/**
 * Approves the withheld removals of a sync, and asks for every held scope.
 * @throws {NotFoundError} no such sync. @throws {ForbiddenError} `self_approval`.
 * @throws {ConflictError} `nothing_withheld`, or `plan_changed` since it was shown.
 */
export function approveSync({ db, activePolicy }: ApproveDeps, request: ApprovalRequest): Promise<Approved> {
  return db.transaction().execute((trx) => approve(trx, activePolicy, request));
}

async function approve(trx: Queryable, activePolicy: ActivePolicy, request: ApprovalRequest): Promise<Approved> {
  const sync = await findSync(trx, request.syncId);
  if (sync === undefined) throw new NotFoundError(`no sync has the id ${request.syncId}`);
  const { guarded } = sync;
  if (guarded.digest === null) {
    throw new ConflictError("this sync withholds nothing", { code: "nothing_withheld", expose: true });
  }
  if (request.digest !== guarded.digest || (await findLatestPlan(trx, sync.scopeId)) !== guarded.digest) {
    const message = "the plan has changed since it was shown: look at the scope's newest sync and approve that";
    throw new ConflictError(message, { code: "plan_changed", expose: true });
  }
  if (guarded.causedBy.includes(request.by)) {
    const message = `${request.by} caused these removals: somebody else has to approve them`;
    throw new ForbiddenError(message, { code: "self_approval", expose: true });
  }
  const deactivated = await listDeactivated(trx, activePolicy, sync);
  await insertApproval(trx, {
    kind: "sync",
    subject: sync.id,
    digest: guarded.digest,
    approvedBy: request.by,
    removals: [...listRemovals(sync), ...deactivated.map((userId) => ({ ...EVERYWHERE, userId }))],
  });
  await requestRevocations(
    trx,
    deactivated.map((id) => ({ kind: "user", id, cause: "inactive" })),
  );
  const held = await listHeldScopes(trx);
  return { scopes: await requestScopes(trx, [...new Set([...held, sync.scopeId])], "approval"), users: deactivated };
}

const EVERYWHERE = { scopeId: null, entitlement: null, reference: null };

/** In this scope, and through the groups over their limit in every other. */
function listRemovals({ scopeId, guarded }: SyncDetails): readonly RemovalApproval[] {
  const references = guarded.overLimit.filter(({ kind }) => kind === "directory-group").map(({ group }) => group);
  return guarded.withheld.flatMap(({ entitlement, userId }) =>
    userId === null
      ? []
      : [
          { scopeId, entitlement, reference: null, userId },
          ...references.map((reference) => ({ ...EVERYWHERE, reference, userId })),
        ],
  );
}

/** Everybody whom the clients over the limit deactivated, whatever they held. */
async function listDeactivated(
  trx: Queryable,
  activePolicy: ActivePolicy,
  { guarded }: SyncDetails,
): Promise<readonly string[]> {
  const clients = guarded.overLimit.filter(({ kind }) => kind === "deactivations").map(({ group }) => group);
  const active = await activePolicy.find(trx);
  if (clients.length === 0 || active === undefined) return [];
  const mass = await listMassDeactivations(trx, active.policy.guards);
  return [...new Set(mass.filter(({ client }) => clients.includes(client)).flatMap(({ userIds }) => userIds))];
}
