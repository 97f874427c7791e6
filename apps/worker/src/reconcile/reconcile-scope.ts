/**
 * `scope.reconcile`: load → desired → read actual → plan → apply → read back → record, under a lease.
 * The job says only *look*; everything else is read here.
 */
import { hostname } from "node:os";
import { AppError, NotFoundError, UnavailableError } from "@branchward/core";
import type { JobRun, Queues } from "@branchward/queue";
import type { Logger } from "@branchward/runtime";
import {
  type ActivePolicy,
  acquireLease,
  type Database,
  ensureScopes,
  findBranch,
  findRest,
  findRetirementMode,
  isEndpointTried,
  type Lease,
  type LeaseRequest,
  listMergedScopes,
  releaseLease,
  requestWhole,
  requestScopesOf,
  seizeLease,
} from "@branchward/store";
import { isGateRefusal } from "../endpoint/breaker.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { OVERTAKEN } from "./hold-lease.ts";
import { LEASE_MS } from "./lease-times.ts";
import { loadScope } from "./load-scope.ts";
import { recordLeft } from "./record-left.ts";
import { type Reached, recordFailure, recordSync } from "./record-sync.ts";
import { runSync } from "./run-sync.ts";
import { createTimeline, type Timeline } from "./timeline.ts";

export interface ReconcileDeps {
  readonly db: Database;
  readonly queues: Queues;
  readonly activePolicy: ActivePolicy;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly pairingWindowMs: number;
  readonly log: Logger;
}

/** A scope asked for while a run worked is looked at again by the same run, so often; then its turn comes round by the queue. */
const MAX_TURNS = 3;

/** Brings one scope to what policy says; ends at once when another run has the lease, which will look again. */
export function createReconcileScope(deps: ReconcileDeps) {
  return async (scopeId: string, run: JobRun): Promise<void> => {
    for (let turn = 1; ; turn += 1) {
      const timeline = createTimeline(() => performance.now());
      timeline.enter("lease");
      const lease = await acquireLease(deps.db, scopeId, LEASE);
      if (lease === undefined) return;
      if (isReached(lease)) {
        // Asked for between the two, whose run found the lease taken.
        if ((await releaseLease(deps.db, lease)) && turn < MAX_TURNS) continue;
        return;
      }
      const reached = await reconcileUnderLease(deps, { lease, timeline, run, isRevocation: false });
      if (reached === undefined || reached.requested <= lease.requested) return;
      const delayMs = await findRest(deps.db, scopeId, lease.requested);
      if (delayMs > 0 || turn === MAX_TURNS) {
        await deps.queues.enqueueReconcile({ scopeId, endpoint: lease.endpoint, lane: "event", delayMs });
        return;
      }
    }
  };
}

/**
 * Runs a scope ahead of whoever works on it (rule C3).
 * @returns true when nothing that it was to end is left; false also where another took the lease, of whom nothing is known
 * yet
 */
export async function revokeScope(deps: ReconcileDeps, scopeId: string, run: JobRun): Promise<boolean> {
  const timeline = createTimeline(() => performance.now());
  timeline.enter("lease");
  const lease = await seizeLease(deps.db, scopeId, LEASE);
  if (lease === undefined) return true;
  const reached = await reconcileUnderLease(deps, { lease, timeline, run, isRevocation: true });
  if (reached !== undefined && reached.requested > lease.requested) {
    await deps.queues.enqueueReconcile({ scopeId, endpoint: lease.endpoint, lane: "event" });
  }
  return reached?.isMade === true;
}

const LEASE: LeaseRequest = { holder: `${hostname()}-${process.pid}`, leaseMs: LEASE_MS };

/** A job whose request another run has reached already: a revocation, or the run that was asked to look again. */
function isReached({ requested, reconciled, verdict }: Lease): boolean {
  return verdict !== null && requested <= reconciled;
}

interface HeldRun {
  readonly lease: Lease;
  readonly timeline: Timeline;
  readonly run: JobRun;
  readonly isRevocation: boolean;
}

/** Undefined when the lease was lost, and nothing was recorded. */
async function reconcileUnderLease(deps: ReconcileDeps, held: HeldRun): Promise<Reached | undefined> {
  const { lease, timeline, run, isRevocation } = held;
  const { attempt } = run;
  timeline.enter("load");
  const merged: Lease[] = [];
  try {
    const endpoint = deps.endpoints.get(lease.endpoint);
    const branch = await findBranch(deps.db, lease.incarnationId);
    if (branch === undefined) throw new NotFoundError(`incarnation ${lease.incarnationId} is not in the registry`);
    // Retired from the configuration after the job was added; or merged: the survivor's run sees to both.
    if (endpoint === undefined || branch.id !== lease.incarnationId) {
      await releaseLease(deps.db, lease);
      if (endpoint !== undefined) await requestSurvivor(deps, branch.id, lease.endpoint);
      return { requested: lease.requested, isMade: true };
    }
    if ((await findRetirementMode(deps.db, lease.endpoint)) === "leave") {
      return await recordLeft(deps.db, { lease, attempt, timeline });
    }
    const refusal = await endpoint.findRefusal();
    if (refusal !== undefined) throw refusal;
    await holdMerged(deps.db, lease, merged);
    const scope = await loadScope(deps, { lease, merged });
    const result = await runSync({ ...deps, endpoint, lease, merged, scope, timeline, isRevocation });
    const reached = await recordSync(deps, { lease, merged, scope, attempt, timeline, result });
    if (reached === undefined) await requestWholeLook(deps, lease);
    return reached;
  } catch (error) {
    for (const one of merged) await releaseLease(deps.db, one);
    if (isLeaseLost(error)) {
      await requestWholeLook(deps, lease);
      return undefined;
    }
    await requestProbe(deps, lease.endpoint, error);
    // An endpoint that names a time is not asked before it: the retries of the job would be. That a worker stops says nothing
    // of the endpoint, nor that the directory went on: where this was the last try, the sweeper finds the scope without a job.
    if (isGivenBack(error) || (isTransient(error) && !hasTime(error) && !run.lastAttempt)) {
      await releaseLease(deps.db, lease);
      throw error;
    }
    deps.log[isGateRefusal(error) ? "debug" : "warn"](
      { err: error, scopeId: lease.scopeId, endpoint: lease.endpoint },
      "sync failed",
    );
    return recordFailure(deps, { lease, attempt, timeline, error });
  }
}

/**
 * A run that lost its lease may have written after whoever has it now had read, where the endpoint refuses no stale fence:
 * it leaves a request for a look at all that bears our name there (rule C4).
 */
async function requestWholeLook({ db, queues, endpoints }: ReconcileDeps, { scopeId, endpoint }: Lease): Promise<void> {
  if (endpoints.get(endpoint)?.builtin !== false) return;
  const asked = await requestWhole(db, scopeId);
  if (asked !== undefined) await queues.enqueueReconcile({ scopeId, endpoint, lane: "event" });
}

function isLeaseLost(error: unknown): boolean {
  return error instanceof AppError && error.code === "lease_lost";
}

function isGivenBack(error: unknown): boolean {
  return error instanceof AppError && (error.code === "stopping" || error.code === OVERTAKEN);
}

/** How endpoints say that they do not take what is sent as it is sent. */
const UNKNOWN_WAYS = new Set<unknown>([400, 405, 415, 422, 501]);

/** An endpoint that refuses the usual way is tried out once, unasked: its card may tell another. */
async function requestProbe({ db, queues, endpoints }: ReconcileDeps, name: string, error: unknown): Promise<void> {
  const isRefusal = error instanceof AppError && UNKNOWN_WAYS.has(error.details["status"]);
  if (!isRefusal || endpoints.get(name)?.builtin !== false || (await isEndpointTried(db, name))) return;
  // Nobody has asked for anybody to be put anywhere.
  await queues.enqueueProbe(name, { withMembers: false });
}

function isTransient(error: unknown): boolean {
  return !(error instanceof AppError) || error.retry !== "never";
}

function hasTime(error: unknown): boolean {
  return error instanceof AppError && typeof error.retry === "object";
}

/** One run holds the leases of the survivor and of what was merged into it (rule A5). */
async function holdMerged(db: Database, lease: Lease, held: Lease[]): Promise<void> {
  for (const { scopeId } of await listMergedScopes(db, lease)) {
    const merged = await acquireLease(db, scopeId, LEASE);
    if (merged === undefined) throw new UnavailableError("a merged branch is being worked on", { code: "lease_taken" });
    held.push(merged);
  }
}

/** The survivor may have no scope here of its own: policy may have changed since the other one was made. */
async function requestSurvivor({ db, queues }: ReconcileDeps, incarnationId: string, endpoint: string): Promise<void> {
  const scopes = await db.transaction().execute(async (trx) => {
    await ensureScopes(trx, incarnationId, [endpoint], "rename");
    return requestScopesOf(trx, new Map([[incarnationId, "rename"]]));
  });
  for (const scope of scopes)
    await queues.enqueueReconcile({ scopeId: scope.id, endpoint: scope.endpoint, lane: "event" });
}
