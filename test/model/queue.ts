/** The queue as a set of jobs, run when the schedule says so: in any order, twice, or never. */
import type { Queues, RevocationJob } from "@branchward/queue";

export type Job =
  | { readonly kind: "reconcile"; readonly scopeId: string; readonly attempt: number }
  | { readonly kind: "wake"; readonly scopeId: string }
  | { readonly kind: "revocation"; readonly subject: RevocationJob; readonly attempt: number }
  | { readonly kind: "account"; readonly endpoint: string; readonly userId: string; readonly attempt: number }
  /** `delayMs`: how long it ought to wait, since an older transaction was still open. */
  | { readonly kind: "directory"; readonly delayMs: number };

export interface ModelQueue {
  readonly queues: Queues;
  readonly jobs: () => readonly Job[];
  /** Takes a job out. */
  take(index: number): Job | undefined;
  add(job: Job): void;
  /** The queue's store is wiped. */
  wipe(): void;
  /** From here on adds fail, as when the store is away. */
  setAway(isAway: boolean): void;
  isAway(): boolean;
}

/** What BullMQ did not say is that a job runs once: equal jobs that wait are one, and nothing else is promised. */
export function createModelQueue(): ModelQueue {
  const jobs = new Map<string, Job>();
  const state = { isAway: false };
  const add = (job: Job): void => {
    const key = toKey(job);
    if (!jobs.has(key)) jobs.set(key, job);
  };
  const enqueue = async (job: Job): Promise<void> => {
    if (state.isAway) throw new Error("the queue is away");
    add(job);
  };
  const reconcile = ({ scopeId }: { readonly scopeId: string }) => enqueue({ kind: "reconcile", scopeId, attempt: 1 });
  return {
    queues: {
      enqueueReconcile: reconcile,
      // A timer is a row; this job only makes it punctual, and the sweep finds the row without it.
      enqueueWake: (scopeId) => enqueue({ kind: "wake", scopeId }),
      enqueueAccount: ({ endpoint, userId }) => enqueue({ kind: "account", endpoint, userId, attempt: 1 }),
      enqueueAudit: () => Promise.resolve(),
      enqueueProbe: () => Promise.resolve(),
      // One that is to come later is a row as well.
      enqueueRevocation: async ({ kind, id }, delayMs = 0) => {
        if (delayMs === 0) await enqueue({ kind: "revocation", subject: { kind, id }, attempt: 1 });
      },
      enqueueBackfill: () => Promise.resolve(),
      enqueueDirectoryChanged: (delayMs = 0) => enqueue({ kind: "directory", delayMs }),
      enqueueSweep: () => Promise.resolve(),
      countJobs: () => Promise.resolve(new Map()),
      listQueues: () => [],
      ping: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
    jobs: () => [...jobs.values()],
    take(index) {
      const keys = [...jobs.keys()];
      const key = keys[index % Math.max(1, keys.length)];
      const job = key === undefined ? undefined : jobs.get(key);
      if (key !== undefined) jobs.delete(key);
      return job;
    },
    add,
    wipe: () => jobs.clear(),
    setAway(isAway) {
      state.isAway = isAway;
    },
    isAway: () => state.isAway,
  };
}

function toKey(job: Job): string {
  switch (job.kind) {
    case "directory":
      return job.kind;
    case "account":
      return `${job.kind} ${job.endpoint} ${job.userId}`;
    case "revocation":
      return `${job.kind} ${job.subject.kind} ${job.subject.id}`;
    default:
      return `${job.kind} ${job.scopeId}`;
  }
}
