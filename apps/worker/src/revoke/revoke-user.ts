/** Removes one user from everything that the ledger says they hold, scope by scope, each verified by a read. */
import { hostname } from "node:os";
import { AppError, UnavailableError, type UserId } from "@branchward/core";
import type { ScimClient } from "@branchward/scim";
import {
  type Database,
  endMemberships,
  endWithheldOf,
  findRetirementMode,
  type HeldMembership,
  insertSync,
  type Lease,
  listHeldBy,
  listKeptAccounts,
  listUsersById,
  notify,
  type Queryable,
  releaseLease,
  requestScopes,
  seizeLease,
  verifyAgain,
} from "@branchward/store";
import { uuidv7 } from "uuidv7";
import { isGateRefusal } from "../endpoint/breaker.ts";
import { deactivateAccount } from "../accounts/reconcile-account.ts";
import { applyOperation, type Endpoint, readGroup, type WriteBond } from "../endpoint/endpoint.ts";
import { UNBOUND } from "../endpoint/versions.ts";
import { holdLease } from "../reconcile/hold-lease.ts";
import { LEASE_MS, VERIFY_AGAIN_MS } from "../reconcile/lease-times.ts";
import type { ReconcileDeps } from "../reconcile/reconcile-scope.ts";
import { createTimeline, type Timeline } from "../reconcile/timeline.ts";
import { isWithheld } from "./is-withheld.ts";
import { SCOPES_AT_ONCE, type TakeTurn } from "./turns.ts";

/** How far a run came; it is about scopes, and accounts that are kept. */
export interface Revoked {
  readonly total: number;
  readonly outstanding: number;
  readonly lastError: string | null;
}

interface RevokeDeps extends Pick<ReconcileDeps, "db" | "activePolicy" | "endpoints" | "log"> {
  readonly queues: Pick<ReconcileDeps["queues"], "enqueueReconcile">;
  readonly takeTurn: TakeTurn;
}

const NOTHING_HELD: Revoked = { total: 0, outstanding: 0, lastError: null };

/** Ends what the user holds; somebody active again has nothing to lose. */
export async function revokeUser(deps: RevokeDeps, userId: string, cause: string): Promise<Revoked> {
  const [user] = await listUsersById(deps.db, [userId]);
  const held = await listHeldBy(deps.db, userId);
  if (user?.active === true) return giveBack(deps, held);
  const scopes = [...Map.groupBy(held, ({ scopeId }) => scopeId).values()];
  if (await isWithheld(deps, userId)) {
    const waits = "too many users were deactivated at once: it waits for an approval";
    return { total: scopes.length, outstanding: scopes.length, lastError: waits };
  }
  const task = { userId, userName: user?.userName ?? null, cause };
  const failures: string[] = [];
  const byEndpoint = Map.groupBy(scopes, ([first]) => first?.endpoint ?? "");
  const accounts = new Set(await listKeptAccounts(deps.db, userId));
  await Promise.all(
    [...accounts.union(new Set(byEndpoint.keys()))].map(async (name) => {
      const endpoint = deps.endpoints.get(name);
      if (endpoint === undefined) return;
      const attempt = async (work: () => Promise<string | null>): Promise<void> => {
        const failure = await deps.takeTurn(name, work).catch(tellStop);
        if (failure !== null) failures.push(failure);
      };
      if (accounts.has(name)) await attempt(() => closeAccount(deps, { endpoint: name, userId }));
      const pending = byEndpoint.get(name) ?? [];
      const work = async (): Promise<void> => {
        for (let memberships = pending.pop(); memberships !== undefined; memberships = pending.pop()) {
          const scope = { ...task, endpoint, memberships };
          await attempt(() => revokeIn(deps, scope));
        }
      };
      // No user has more scopes in the line than may be worked on: the turns go round.
      await Promise.all(Array.from({ length: SCOPES_AT_ONCE }, work));
    }),
  );
  return { total: scopes.length + accounts.size, outstanding: failures.length, lastError: failures[0] ?? null };
}

function tellStop(error: unknown): string {
  if (error instanceof UnavailableError) return error.message;
  throw error;
}

/** An earlier try may have taken something without knowing, which nobody else would look for. */
async function giveBack({ db, queues }: RevokeDeps, held: readonly HeldMembership[]): Promise<Revoked> {
  const ids = [...new Set(held.map(({ scopeId }) => scopeId))];
  for (const { id, endpoint } of await requestScopes(db, ids, "directory")) {
    await queues.enqueueReconcile({ scopeId: id, endpoint, lane: "event" });
  }
  return NOTHING_HELD;
}

async function isActive(db: Queryable, userId: string): Promise<boolean> {
  const [user] = await listUsersById(db, [userId]);
  return user?.active === true;
}

/** The account is closed first (rule C3); what keeps it open does not keep the groups. */
async function closeAccount(
  deps: RevokeDeps,
  account: { readonly endpoint: string; readonly userId: string },
): Promise<string | null> {
  try {
    await deactivateAccount(deps, { ...account, userId: parseUserId(account.userId) });
    return null;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return `the account at ${account.endpoint}: ${error.message}`;
  }
}

interface ScopeTask {
  readonly userId: string;
  readonly userName: string | null;
  readonly cause: string;
  readonly endpoint: Endpoint;
  /** Of one scope. */
  readonly memberships: readonly HeldMembership[];
}

/** Why the user may still be there; null when a read shows that they are not, or nothing is to be taken any more. */
async function revokeIn({ db, queues, log }: RevokeDeps, task: ScopeTask): Promise<string | null> {
  const [first] = task.memberships;
  if (first === undefined) return null;
  const timeline = createTimeline(() => performance.now());
  timeline.enter("lease");
  const holder = `${hostname()}-${process.pid}`;
  const lease = await seizeLease(db, first.scopeId, { holder, leaseMs: LEASE_MS });
  if (lease === undefined) return null;
  try {
    if (!(await isDue(db, task, lease))) return null;
    timeline.enter("write");
    const client = task.endpoint.connect((call) => timeline.addCall(call), {
      lane: "revocation",
      beforeWrite: () => holdLease(db, lease),
    });
    const failure = await removeFromGroups(client, task, lease);
    timeline.enter("record");
    await record(db, { ...task, lease, timeline, failure });
    return failure;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    log[isGateRefusal(error) ? "debug" : "warn"](
      { err: error, scopeId: lease.scopeId, endpoint: lease.endpoint },
      "revocation failed",
    );
    return `${lease.endpoint}: ${error.message}`;
  } finally {
    const isAskedFor = await releaseLease(db, lease);
    // Whoever was cut off here, or found the lease taken, has not reached what it was asked for.
    if (isAskedFor || lease.isTakenOver) {
      await queues.enqueueReconcile({ scopeId: lease.scopeId, endpoint: lease.endpoint, lane: "event" });
    }
  }
}

/** Much may have changed since the revocation began, which goes from scope to scope; groups that are left are not ours (rule B8). */
async function isDue(db: Database, { userId }: ScopeTask, { endpoint }: Lease): Promise<boolean> {
  return !(await isActive(db, userId)) && (await findRetirementMode(db, endpoint)) !== "leave";
}

/** One group that cannot be written keeps nobody in the others. @throws {AppError} the first failure, when all were tried */
async function removeFromGroups(client: ScimClient, task: ScopeTask, lease: Lease): Promise<string | null> {
  const refusals: string[] = [];
  const errors: AppError[] = [];
  for (const membership of task.memberships) {
    try {
      const refusal = await removeFromGroup(client, { ...task, membership }, lease);
      if (refusal !== null) refusals.push(refusal);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      errors.push(error);
    }
  }
  const [error] = errors;
  if (error !== undefined) throw error;
  return refusals[0] ?? null;
}

async function removeFromGroup(
  client: ScimClient,
  { membership, userId }: Pick<ScopeTask, "userId"> & { readonly membership: HeldMembership },
  lease: Lease,
): Promise<string | null> {
  const { groupId, entitlement, member, displayName } = membership;
  if (groupId === null) return `the group of ${entitlement} is not known yet at ${lease.endpoint}`;
  const removals = [{ member, userId: parseUserId(userId), cause: "inactive" as const }];
  // Bound to no version: nothing was read to go by, and whoever else writes must not hold a revocation back.
  const bond = { lease, versions: UNBOUND };
  const refusal = await tryRemoval(client, { kind: "removeMembers", entitlement, groupId, removals }, bond);
  const group = await readGroup(client, groupId);
  if (group?.members.includes(member) !== true) return null;
  const why = refusal ?? "it answered that it had removed them";
  return `${displayName ?? groupId} at ${lease.endpoint} still shows the member: ${why}`;
}

/** An endpoint may refuse to remove who is not there: the read decides. */
async function tryRemoval(
  client: ScimClient,
  operation: Parameters<typeof applyOperation>[1],
  bond: WriteBond,
): Promise<string | null> {
  try {
    await applyOperation(client, operation, bond);
    return null;
  } catch (error) {
    if (error instanceof AppError && error.retry === "never") return error.message;
    throw error;
  }
}

function parseUserId(id: string): UserId {
  return id as UserId;
}

interface Recorded extends ScopeTask {
  readonly lease: Lease;
  readonly timeline: Timeline;
  readonly failure: string | null;
}

async function record(db: RevokeDeps["db"], recorded: Recorded): Promise<void> {
  const { lease, timeline, failure, memberships, userId, userName, cause, endpoint } = recorded;
  await db.transaction().execute(async (trx) => {
    if (failure === null) {
      if (!(await endMemberships(trx, lease, { userId, cause }))) return;
      // What is held otherwise, and what an approval names, is a run's to tell.
      if (await endWithheldOf(trx, { scopeId: lease.scopeId, userId }))
        await requestScopes(trx, [lease.scopeId], "directory");
    }
    // A write of the run that lost the lease may still arrive, where no fence holds it back (rule C4).
    if (lease.isTakenOver && !endpoint.builtin) await verifyAgain(trx, lease.scopeId, VERIFY_AGAIN_MS);
    await insertSync(trx, {
      ...timeline.read(),
      id: uuidv7(),
      scopeId: lease.scopeId,
      reason: "revocation",
      requested: lease.requested,
      requestedAt: lease.requestedAt,
      leaseToken: lease.token,
      attempt: 1,
      policyVersionId: null,
      verdict: failure === null ? "verified" : "diverged",
      mismatches: [],
      changes: memberships.map(({ entitlement, displayName, groupId, member }) => ({
        entitlement,
        group: displayName ?? groupId ?? entitlement,
        operation: "removeMembers",
        added: [],
        removed: failure === null ? [{ user: member, userName, why: WHY[cause] ?? cause }] : [],
      })),
      unchanged: [],
      error: failure === null ? null : { code: "revocation_outstanding", message: failure },
    });
    // Active again while the write was under way: what it took is theirs.
    if (await isActive(trx, userId)) await requestScopes(trx, [lease.scopeId], "directory");
    await notify(trx, "scopes", lease.incarnationId);
  });
}

const WHY: Readonly<Record<string, string>> = { inactive: "the user is deactivated" };
