import type { SyncId, Verdict } from "@branchward/core";
import type { Queryable } from "./database.ts";

/** What one run changed in one entitlement group. */
export interface SyncChange {
  readonly entitlement: string;
  readonly group: string;
  readonly operation: string;
  readonly added: readonly SyncMember[];
  readonly removed: readonly SyncMember[];
}

export interface SyncMember {
  readonly user: string;
  readonly userName: string | null;
  /** Why the member is there or is no longer. */
  readonly why: string;
}

export interface SyncCall {
  readonly method: string;
  readonly path: string;
  readonly status: number | null;
  readonly durationMs: number;
}

export interface NewSync {
  readonly id: string;
  readonly scopeId: string;
  readonly reason: string;
  readonly requested: number;
  readonly requestedAt: Date;
  readonly leaseToken: number;
  readonly policyVersionId: string | null;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly verdict: Verdict;
  readonly mismatches: readonly unknown[];
  readonly changes: readonly SyncChange[];
  readonly calls: readonly SyncCall[];
  readonly error: { readonly code: string; readonly message: string } | null;
}

export async function insertSync(trx: Queryable, sync: NewSync): Promise<void> {
  const count = (side: "added" | "removed") => sync.changes.reduce((sum, change) => sum + change[side].length, 0);
  await trx
    .insertInto("syncs")
    .values({
      id: sync.id,
      scope_id: sync.scopeId,
      reason: sync.reason,
      requested: sync.requested,
      requested_at: sync.requestedAt,
      lease_token: sync.leaseToken,
      policy_version_id: sync.policyVersionId,
      started_at: sync.startedAt,
      finished_at: sync.finishedAt,
      verdict: sync.verdict,
      mismatches: JSON.stringify(sync.mismatches),
      added: count("added"),
      removed: count("removed"),
      changes: JSON.stringify(sync.changes),
      calls: JSON.stringify(sync.calls),
      error: sync.error === null ? null : JSON.stringify(sync.error),
    })
    .execute();
}

export interface SyncRow {
  readonly id: SyncId;
  readonly seq: number;
  readonly reason: string;
  readonly repository: string;
  readonly branch: string;
  readonly refType: "branch" | "bookmark" | "topic";
  readonly incarnation: string;
  readonly endpoint: string;
  readonly verdict: Verdict;
  readonly added: number;
  readonly removed: number;
  readonly requestedAt: Date;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly policyVersion: string | null;
}

export interface SyncDetails extends SyncRow {
  readonly mismatches: readonly unknown[];
  readonly changes: readonly SyncChange[];
  readonly calls: readonly SyncCall[];
  readonly error: { readonly code: string; readonly message: string } | null;
}

export interface SyncFilter {
  readonly limit: number;
  /** `seq` of the last row of the page before. */
  readonly before?: number;
  readonly incarnation?: string;
  readonly repository?: string;
  readonly branch?: string;
  readonly endpoint?: string;
  readonly verdict?: Verdict;
}

function selectSyncs(db: Queryable) {
  return db
    .selectFrom("syncs")
    .innerJoin("scopes", "scopes.id", "syncs.scope_id")
    .innerJoin("incarnations", "incarnations.id", "scopes.incarnation_id")
    .innerJoin("repositories", "repositories.id", "incarnations.repository_id")
    .select([
      "syncs.id as id",
      "syncs.seq as seq",
      "syncs.reason as reason",
      "repositories.name as repository",
      "incarnations.name as branch",
      "incarnations.ref_type as refType",
      "incarnations.id as incarnation",
      "scopes.endpoint as endpoint",
      "syncs.verdict as verdict",
      "syncs.added as added",
      "syncs.removed as removed",
      "syncs.requested_at as requestedAt",
      "syncs.started_at as startedAt",
      "syncs.finished_at as finishedAt",
      "syncs.policy_version_id as policyVersion",
    ]);
}

/** Newest first. */
export async function listSyncs(db: Queryable, filter: SyncFilter): Promise<readonly SyncRow[]> {
  let query = selectSyncs(db).orderBy("syncs.seq", "desc").limit(filter.limit);
  if (filter.before !== undefined) query = query.where("syncs.seq", "<", filter.before);
  if (filter.incarnation !== undefined) query = query.where("incarnations.id", "=", filter.incarnation);
  if (filter.repository !== undefined) query = query.where("repositories.name", "=", filter.repository);
  if (filter.branch !== undefined) query = query.where("incarnations.name", "=", filter.branch);
  if (filter.endpoint !== undefined) query = query.where("scopes.endpoint", "=", filter.endpoint);
  if (filter.verdict !== undefined) query = query.where("syncs.verdict", "=", filter.verdict);
  return (await query.execute()).map(toSyncRow);
}

export async function findSync(db: Queryable, id: string): Promise<SyncDetails | undefined> {
  const row = await selectSyncs(db)
    .select([
      "syncs.mismatches as mismatches",
      "syncs.changes as changes",
      "syncs.calls as calls",
      "syncs.error as error",
    ])
    .where("syncs.id", "=", id)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    ...toSyncRow(row),
    mismatches: row.mismatches as readonly unknown[],
    changes: row.changes as readonly SyncChange[],
    calls: row.calls as readonly SyncCall[],
    error: row.error as SyncDetails["error"],
  };
}

function toSyncRow(row: Omit<SyncRow, "id"> & { id: string }): SyncRow {
  return { ...row, id: row.id as SyncId };
}
