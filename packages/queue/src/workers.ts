/** The consumer's side: one worker per queue, payloads checked before a processor sees them, errors translated. */
import { AppError } from "@branchward/core";
import { type Job, UnrecoverableError } from "bullmq";
import type { QueueBackend, WorkerHandle, WorkerSettings } from "./backend.ts";
import {
  BACKFILL_QUEUE,
  type JobName,
  type JobPayload,
  jobs,
  reconcileQueue,
  REVOCATION_QUEUE,
  SYSTEM_QUEUE,
} from "./jobs.ts";

export interface JobRun {
  readonly jobId: string;
  /** 1 for the first run. */
  readonly attempt: number;
  readonly lastAttempt: boolean;
  /** When the job was added, by the adder's clock. */
  readonly addedAt: Date;
}

/** The compiler checks that every job of the catalogue has its processor. */
export type Processors = {
  readonly [Name in JobName]: (payload: JobPayload<Name>, run: JobRun) => Promise<void>;
};

export interface WorkersOptions {
  readonly backend: QueueBackend;
  readonly processors: Processors;
  /** Endpoint name → scopes reconciled at once. */
  readonly endpoints: ReadonlyMap<string, number>;
  readonly onFailure: (failure: { jobName: string; jobId: string; error: unknown }) => void;
}

export interface Workers extends AsyncDisposable {
  waitUntilReady(): Promise<void>;
  /** False when a worker has stopped consuming. */
  areRunning(): boolean;
}

/** A lock of 10 s checked every 5 s brings a killed worker's job back after some 10 s; BullMQ's 30 s defaults took 60 (measured). */
const SETTINGS: WorkerSettings = {
  lockDuration: 10_000,
  stalledInterval: 5_000,
  maxStalledCount: 3,
  runRetryDelay: 1_000,
  drainDelay: 10,
};
const SYSTEM_CONCURRENCY = 4;
/**
 * Subjects revoked at once; how much of it reaches one endpoint is bounded there. Whoever waits for a slow endpoint holds
 * one of these, and no connection: three times the 20 deactivations that guards let pass at once.
 */
const REVOCATION_CONCURRENCY = 60;
/** Repositories looked up at once. */
const BACKFILL_CONCURRENCY = 2;

/** Starts consuming at once. Disposing waits for running jobs. */
export function startWorkers({ backend, processors, endpoints, onFailure }: WorkersOptions): Workers {
  const process = async (job: Job<unknown>): Promise<void> => {
    try {
      await runProcessor(processors, job);
    } catch (error) {
      onFailure({ jobName: job.name, jobId: job.id ?? "", error });
      throw toQueueError(error);
    }
  };
  const workers: WorkerHandle[] = [
    backend.createWorker(SYSTEM_QUEUE, process, { ...SETTINGS, concurrency: SYSTEM_CONCURRENCY }),
    backend.createWorker(REVOCATION_QUEUE, process, { ...SETTINGS, concurrency: REVOCATION_CONCURRENCY }),
    backend.createWorker(BACKFILL_QUEUE, process, { ...SETTINGS, concurrency: BACKFILL_CONCURRENCY }),
  ];
  for (const [endpoint, concurrency] of endpoints) {
    workers.push(backend.createWorker(reconcileQueue(endpoint), process, { ...SETTINGS, concurrency }));
  }
  return {
    async waitUntilReady() {
      await Promise.all(workers.map((worker) => worker.waitUntilReady()));
    },
    areRunning: () => workers.every((worker) => worker.isRunning()),
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
}

async function runProcessor(processors: Processors, job: Job<unknown>): Promise<void> {
  const attempts = job.opts.attempts ?? 1;
  const run: JobRun = {
    jobId: job.id ?? "",
    attempt: job.attemptsMade + 1,
    lastAttempt: job.attemptsMade + 1 >= attempts,
    addedAt: new Date(job.timestamp),
  };
  switch (job.name) {
    case "scope.reconcile":
      return processors["scope.reconcile"](jobs["scope.reconcile"].schema.parse(job.data), run);
    case "account.reconcile":
      return processors["account.reconcile"](jobs["account.reconcile"].schema.parse(job.data), run);
    case "scope.wake":
      return processors["scope.wake"](jobs["scope.wake"].schema.parse(job.data), run);
    case "access.revoke":
      return processors["access.revoke"](jobs["access.revoke"].schema.parse(job.data), run);
    case "endpoint.probe":
      return processors["endpoint.probe"](jobs["endpoint.probe"].schema.parse(job.data), run);
    case "endpoint.audit":
      return processors["endpoint.audit"](jobs["endpoint.audit"].schema.parse(job.data), run);
    case "source.backfill":
      return processors["source.backfill"](jobs["source.backfill"].schema.parse(job.data), run);
    case "directory.changed":
      return processors["directory.changed"](jobs["directory.changed"].schema.parse(job.data), run);
    case "outbox.sweep":
      return processors["outbox.sweep"](jobs["outbox.sweep"].schema.parse(job.data), run);
    default:
      throw new UnrecoverableError(`unknown job ${job.name}`);
  }
}

function toQueueError(error: unknown): Error {
  if (error instanceof UnrecoverableError) return error;
  if (error instanceof AppError && error.retry === "never")
    return new UnrecoverableError(`${error.code}: ${error.message}`);
  return error instanceof Error ? error : new Error(String(error));
}
