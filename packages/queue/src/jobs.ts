/** The job catalogue: every job that exists, with its payload (ids only), its queue and how it is tried. */
import { z } from "zod";

/** Urgency of a reconciliation. It is part of the deduplication id, so that an urgent add never joins a lazy one. */
export type Lane = "ci" | "event" | "audit";

/** BullMQ priorities; a job without one would overtake all. */
export const LANE_PRIORITY: Readonly<Record<Lane, number>> = { ci: 1, event: 2, audit: 3 };

export interface JobDefinition<Name extends string, Schema extends z.ZodType> {
  readonly name: Name;
  readonly schema: Schema;
  /** Runs of one job in a row before it waits for the sweeper or its timer. */
  readonly attempts: number;
  /** First pause between them; each further one doubles. */
  readonly backoffMs: number;
}

function defineJob<Name extends string, Schema extends z.ZodType>(
  job: JobDefinition<Name, Schema>,
): JobDefinition<Name, Schema> {
  return job;
}

const scopeJob = z.strictObject({ v: z.literal(1), scopeId: z.uuid() });
const revocationJob = z.strictObject({ v: z.literal(1), kind: z.enum(["user", "incarnation", "scope"]), id: z.uuid() });
const endpointJob = z.strictObject({ v: z.literal(1), endpoint: z.string() });
const accountJob = z.strictObject({ v: z.literal(1), endpoint: z.string(), userId: z.uuid() });
const repositoryJob = z.strictObject({ v: z.literal(1), repositoryId: z.uuid() });
/** `withMembers`: known accounts are put into the group that it is tried with, and taken out again. */
const probeJob = endpointJob.extend({ withMembers: z.boolean() });
const emptyJob = z.strictObject({ v: z.literal(1) });

export const jobs = {
  /** Makes one scope equal to policy. 3 attempts 250 ms apart bridge a restart of the endpoint; longer waits are `due_at` rows. */
  "scope.reconcile": defineJob({ name: "scope.reconcile", schema: scopeJob, attempts: 3, backoffMs: 250 }),
  /** Brings one user's account at one endpoint to what the directory says (rule C5); longer waits are `due_at` rows. */
  "account.reconcile": defineJob({ name: "account.reconcile", schema: accountJob, attempts: 3, backoffMs: 250 }),
  /** A timer of a scope came due: an expiry, the end of a pairing window, a retry. */
  "scope.wake": defineJob({ name: "scope.wake", schema: scopeJob, attempts: 3, backoffMs: 500 }),
  /** Ends access ahead of everything. What does not end at once is a row with its own time. */
  "access.revoke": defineJob({ name: "access.revoke", schema: revocationJob, attempts: 3, backoffMs: 250 }),
  /** Reads the next page of an endpoint's audit. */
  "endpoint.audit": defineJob({ name: "endpoint.audit", schema: endpointJob, attempts: 1, backoffMs: 500 }),
  /** Tries out what an endpoint can do. Who asks sees how it went; nobody waits for a second try. */
  "endpoint.probe": defineJob({ name: "endpoint.probe", schema: probeJob, attempts: 1, backoffMs: 500 }),
  /** Asks a repository's host for the branches that are to be looked up. What the host does not tell is a row with its own time. */
  "source.backfill": defineJob({ name: "source.backfill", schema: repositoryJob, attempts: 1, backoffMs: 500 }),
  /** Finds the scopes that directory changes affect. */
  "directory.changed": defineJob({ name: "directory.changed", schema: emptyJob, attempts: 5, backoffMs: 500 }),
  /** Re-enqueues what has no job: the queue is an index that can be rebuilt. */
  "outbox.sweep": defineJob({ name: "outbox.sweep", schema: emptyJob, attempts: 1, backoffMs: 500 }),
} as const;

export type JobName = keyof typeof jobs;
export type JobPayload<Name extends JobName> = z.output<(typeof jobs)[Name]["schema"]>;

/** The queue for everything that does not write to an endpoint. */
export const SYSTEM_QUEUE = "system";

/** The queue of revocations, for all endpoints: nothing else waits in it (rule C3). */
export const REVOCATION_QUEUE = "revocations";

/** The queue of look-ups at hosts: a slow host delays nothing but other look-ups. */
export const BACKFILL_QUEUE = "backfills";

/** One queue per endpoint, so that a slow endpoint delays nobody else. Queue names never hold `:`. */
export function reconcileQueue(endpoint: string): string {
  return `reconcile-${endpoint}`;
}
