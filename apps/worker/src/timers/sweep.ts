/** `scope.wake` and `outbox.sweep`: timers are rows, and what has no job gets one. */
import { policyReferences } from "@branchward/core";
import type { Queues } from "@branchward/queue";
import {
  type ActivePolicy,
  type Database,
  type DueScope,
  expireGrants,
  listAccountsToReconcile,
  listDueAudits,
  listDueLookups,
  listDueRevocations,
  listUnreconciled,
  noteLostGroups,
  type Queryable,
  raiseTokenFindings,
  requestDueScope,
  requestDueScopes,
  requestRevocations,
  requestSuspectLookups,
  resolveUnmentioned,
  settleEndedHolds,
  settleLineageBreaks,
  settleScopeFindings,
} from "@branchward/store";
import { raiseAccountFindings } from "../accounts/account-findings.ts";

export interface SweepDeps {
  readonly activePolicy: ActivePolicy;
  readonly db: Database;
  readonly queues: Queues;
  /** By the name of the source: hosts that can be asked. */
  readonly hosts: ReadonlyMap<string, unknown>;
}

/** How often the sweeper looks. */
export const SWEEP_EVERY_MS = 5_000;
/** A scope asked for longer ago than this should have been taken by its own job. */
const QUIET_MS = 3_000;
const BATCH = 500;
/** Tokens end after days: whose last one does is looked at this often. */
const TOKENS_EVERY_MS = 600_000;

/** Asks for a scope whose timer came due. */
export function createWake(deps: SweepDeps) {
  return async (scopeId: string): Promise<void> => {
    const scopes = await deps.db.transaction().execute(async (trx) => {
      const scope = await requestDueScope(trx, scopeId);
      return requestExpired(trx, scope === undefined ? [] : [scope]);
    });
    await enqueueDue(deps, scopes);
  };
}

/** What expires ends ahead of everything (rule C3). */
async function requestExpired(trx: Queryable, scopes: readonly DueScope[]): Promise<readonly DueScope[]> {
  const expired = scopes.filter(({ dueReason }) => dueReason === "expiry");
  await requestRevocations(
    trx,
    expired.map(({ id }) => ({ kind: "scope", id, cause: "expired" })),
  );
  return scopes;
}

async function enqueueDue({ queues }: SweepDeps, scopes: readonly DueScope[]): Promise<void> {
  for (const { id, endpoint, dueReason } of scopes) {
    if (dueReason === "expiry") await queues.enqueueRevocation({ kind: "scope", id });
    else await queues.enqueueReconcile({ scopeId: id, endpoint, lane: "event" });
  }
}

/** Keeps the findings of the policy in step with what its scopes found, and with the groups that it names. */
async function settlePolicyFindings(trx: Queryable, activePolicy: ActivePolicy): Promise<void> {
  await settleScopeFindings(trx);
  await settleLineageBreaks(trx);
  const active = await activePolicy.find(trx);
  if (active === undefined) return;
  const { groups } = policyReferences(active.policy);
  await resolveUnmentioned(trx, groups);
  await noteLostGroups(trx, groups);
}

/** Branches that have been suspect since before their host could be asked, or whose job was lost. */
async function enqueueLookups({ db, queues, hosts }: SweepDeps): Promise<void> {
  if (hosts.size === 0) return;
  await requestSuspectLookups(db, { sources: [...hosts.keys()], limit: BATCH });
  const repositories = await listDueLookups(db, { quietMs: QUIET_MS, limit: BATCH });
  for (const repositoryId of repositories) await queues.enqueueBackfill(repositoryId);
}

/** Finds timers and requests that no job looks after: a wiped queue, a crash between commit and enqueue. */
export function createSweep(deps: SweepDeps) {
  const { db, queues } = deps;
  const state = { tokensAt: Number.NEGATIVE_INFINITY };
  return async (): Promise<void> => {
    const due = await db.transaction().execute(async (trx) => requestExpired(trx, await requestDueScopes(trx, BATCH)));
    await enqueueDue(deps, due);
    const revocations = await listDueRevocations(db, { quietMs: QUIET_MS, limit: BATCH });
    for (const { kind, subject } of revocations) await queues.enqueueRevocation({ kind, id: subject });
    for (const endpoint of await listDueAudits(db, QUIET_MS)) await queues.enqueueAudit(endpoint);
    await enqueueLookups(deps);
    await expireGrants(db);
    // Ended holds are rows like timers: whoever was down at their end sees to them later.
    const released = await db.transaction().execute((trx) => settleEndedHolds(trx, BATCH));
    for (const scope of released) {
      await queues.enqueueReconcile({ scopeId: scope.id, endpoint: scope.endpoint, lane: "event" });
    }
    const forgotten = await listUnreconciled(db, { quietMs: QUIET_MS, limit: BATCH });
    for (const { id, endpoint, restMs } of forgotten) {
      // Said anew by the record's clock: a delay or back-off counts from the clock of the worker that began it.
      await queues.enqueueReconcile({ scopeId: id, endpoint, lane: "event", delayMs: restMs });
    }
    await db.transaction().execute((trx) => settlePolicyFindings(trx, deps.activePolicy));
    const accounts = await listAccountsToReconcile(db, { quietMs: QUIET_MS, limit: BATCH });
    for (const account of accounts) await queues.enqueueAccount(account);
    await raiseAccountFindings(db);
    await queues.enqueueDirectoryChanged();
    if (performance.now() - state.tokensAt < TOKENS_EVERY_MS) return;
    state.tokensAt = performance.now();
    await raiseTokenFindings(db);
  };
}
