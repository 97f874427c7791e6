/** The producer's side: enqueueing in our terms. Adds carry ids only and are deduplicated by lane and scope. */
import type { JobsOptions, Queue } from "bullmq";
import type { QueueBackend } from "./backend.ts";
import {
  BACKFILL_QUEUE,
  jobs,
  type JobName,
  type Lane,
  LANE_PRIORITY,
  reconcileQueue,
  REVOCATION_QUEUE,
  SYSTEM_QUEUE,
} from "./jobs.ts";

export interface ReconcileRequest {
  readonly scopeId: string;
  readonly endpoint: string;
  readonly lane: Lane;
  /** How long the run may wait; a later add that may not ends the wait. None where left out. */
  readonly delayMs?: number;
}

/** Whose access ends. */
export interface RevocationJob {
  readonly kind: "user" | "incarnation" | "scope";
  readonly id: string;
}

export interface AccountRequest {
  readonly endpoint: string;
  readonly userId: string;
}

export interface Queues extends AsyncDisposable {
  /** Joins a job of the same lane that waits, follows one that runs, and ends a back-off or moves a delay. */
  enqueueReconcile(request: ReconcileRequest): Promise<void>;
  /** At most one per account waits, ahead of the scopes, which need it (rule C5); ends a back-off. */
  enqueueAccount(request: AccountRequest): Promise<void>;
  /** At most one per scope waits; a later call moves it. */
  enqueueWake(scopeId: string, delayMs: number): Promise<void>;
  /** Joins the one of the same subject that waits, follows one that runs. */
  enqueueRevocation(revocation: RevocationJob, delayMs?: number): Promise<void>;
  /** Reads the next page of the endpoint's audit, after everything else that waits for the endpoint. */
  enqueueAudit(endpoint: string, delayMs?: number): Promise<void>;
  /** Tries the endpoint out; joins the one like it that waits. */
  enqueueProbe(endpoint: string, asked: { readonly withMembers: boolean }): Promise<void>;
  /** Has the repository's host asked for what is to be looked up; joins the job that waits, follows one that runs. */
  enqueueBackfill(repositoryId: string): Promise<void>;
  /** Reads the directory's changes, after a pause where one is given. */
  enqueueDirectoryChanged(delayMs?: number): Promise<void>;
  /** Joins the sweep that waits or runs. */
  enqueueSweep(): Promise<void>;
  /** Jobs by state, per queue. */
  countJobs(): Promise<ReadonlyMap<string, Record<string, number>>>;
  /** BullMQ's own queues, to be looked at and nothing else. */
  listQueues(): readonly Queue[];
  ping(): Promise<void>;
}

/** Finished jobs stay an hour for the eye; the record of what they did is in PostgreSQL. */
const KEEP_FINISHED = { removeOnComplete: { age: 3_600, count: 500 }, removeOnFail: { age: 86_400, count: 2_000 } };

function jobOptions(name: JobName, extra: JobsOptions): JobsOptions {
  const { attempts, backoffMs } = jobs[name];
  return { attempts, backoff: { type: "exponential", delay: backoffMs }, ...KEEP_FINISHED, ...extra };
}

/** Closing closes the queues, not the backend. */
export function createQueues(backend: QueueBackend, endpoints: readonly string[]): Queues {
  const reconcile = new Map<string, Queue>();
  for (const endpoint of endpoints) reconcile.set(endpoint, backend.createQueue(reconcileQueue(endpoint)));
  const system = backend.createQueue(SYSTEM_QUEUE);
  const revocations = backend.createQueue(REVOCATION_QUEUE);
  const backfills = backend.createQueue(BACKFILL_QUEUE);

  async function enqueueReconcile({ scopeId, endpoint, lane, delayMs = 0 }: ReconcileRequest): Promise<void> {
    const queue = reconcile.get(endpoint);
    // An endpoint retired from the configuration: its scopes stay recorded, nothing runs for them.
    if (queue === undefined) return;
    const deduplication = { id: `${lane}-${scopeId}`, keepLastIfActive: true, reschedule: true };
    const options = jobOptions("scope.reconcile", { priority: LANE_PRIORITY[lane], delay: delayMs, deduplication });
    await queue.add("scope.reconcile", { v: 1, scopeId }, options);
  }

  return {
    enqueueReconcile,
    ...createEndpointAdds(reconcile),
    async enqueueWake(scopeId, delayMs) {
      const deduplication = { id: `wake-${scopeId}`, replace: true, keepLastIfActive: true };
      const options = jobOptions("scope.wake", { priority: LANE_PRIORITY.event, delay: delayMs, deduplication });
      await system.add("scope.wake", { v: 1, scopeId }, options);
    },
    async enqueueRevocation({ kind, id }, delayMs = 0) {
      const deduplication = { id: `${kind}-${id}`, keepLastIfActive: true, reschedule: true };
      const options = jobOptions("access.revoke", { priority: LANE_PRIORITY.ci, delay: delayMs, deduplication });
      await revocations.add("access.revoke", { v: 1, kind, id }, options);
    },
    enqueueBackfill: (repositoryId) => addBackfill(backfills, repositoryId),
    async enqueueDirectoryChanged(delayMs = 0) {
      const deduplication = { id: "directory", keepLastIfActive: true, reschedule: true };
      const options = jobOptions("directory.changed", { priority: LANE_PRIORITY.ci, delay: delayMs, deduplication });
      await system.add("directory.changed", { v: 1 }, options);
    },
    async enqueueSweep() {
      const options = jobOptions("outbox.sweep", { priority: LANE_PRIORITY.event, deduplication: { id: "sweep" } });
      await system.add("outbox.sweep", { v: 1 }, options);
    },
    async countJobs() {
      const counts = new Map<string, Record<string, number>>();
      counts.set(SYSTEM_QUEUE, await system.getJobCounts());
      counts.set(REVOCATION_QUEUE, await revocations.getJobCounts());
      counts.set(BACKFILL_QUEUE, await backfills.getJobCounts());
      for (const [endpoint, queue] of reconcile) counts.set(reconcileQueue(endpoint), await queue.getJobCounts());
      return counts;
    },
    listQueues: () => [system, revocations, backfills, ...reconcile.values()],
    ping: () => backend.ping(),
    async [Symbol.asyncDispose]() {
      await Promise.all([system, revocations, backfills, ...reconcile.values()].map((queue) => queue.close()));
    },
  };
}

async function addBackfill(backfills: Queue, repositoryId: string): Promise<void> {
  const deduplication = { id: `backfill-${repositoryId}`, keepLastIfActive: true };
  const options = jobOptions("source.backfill", { priority: LANE_PRIORITY.event, deduplication });
  await backfills.add("source.backfill", { v: 1, repositoryId }, options);
}

/** Adds to the queue of an endpoint that are about no scope; nothing where the endpoint is not configured. */
function createEndpointAdds(
  reconcile: ReadonlyMap<string, Queue>,
): Pick<Queues, "enqueueAccount" | "enqueueAudit" | "enqueueProbe"> {
  return {
    async enqueueAccount({ endpoint, userId }) {
      const deduplication = { id: `account-${userId}`, keepLastIfActive: true, reschedule: true };
      const options = jobOptions("account.reconcile", { priority: LANE_PRIORITY.ci, deduplication });
      await reconcile.get(endpoint)?.add("account.reconcile", { v: 1, endpoint, userId }, options);
    },
    async enqueueAudit(endpoint, delayMs = 0) {
      const deduplication = { id: "audit", replace: true, keepLastIfActive: true };
      const options = jobOptions("endpoint.audit", { priority: LANE_PRIORITY.audit, delay: delayMs, deduplication });
      await reconcile.get(endpoint)?.add("endpoint.audit", { v: 1, endpoint }, options);
    },
    async enqueueProbe(endpoint, { withMembers }) {
      const deduplication = { id: withMembers ? "probe-with-members" : "probe" };
      const options = jobOptions("endpoint.probe", { priority: LANE_PRIORITY.ci, deduplication });
      await reconcile.get(endpoint)?.add("endpoint.probe", { v: 1, endpoint, withMembers }, options);
    },
  };
}
