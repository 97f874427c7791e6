import type { SyncId, Verdict } from "@branchward/core";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { containing } from "../like-pattern.ts";
import { findMemberSets, type MemberSet, saveMemberSets, type SyncMember } from "./member-sets.ts";
import { prepared } from "../connection/prepared-statements.ts";

/** What one run changed in one entitlement group. */
export interface SyncChange {
  readonly entitlement: string;
  readonly group: string;
  readonly operation: string;
  readonly added: readonly SyncMember[];
  readonly removed: readonly SyncMember[];
}

export interface SyncCall {
  readonly method: string;
  readonly path: string;
  readonly status: number | null;
  /** Since the start of the run; left out in syncs recorded before there was a timeline. */
  readonly offsetMs?: number;
  readonly durationMs: number;
}

/** A stretch of a run; offsets count from its start. */
export interface SyncPhase {
  readonly phase: "lease" | "load" | "read" | "write" | "verify" | "record";
  readonly offsetMs: number;
  readonly durationMs: number;
}

export interface NewSync {
  readonly id: string;
  readonly scopeId: string;
  readonly reason: string;
  readonly requested: number;
  readonly requestedAt: Date;
  readonly leaseToken: number;
  /** Which attempt of its job it was; 1 for the first. */
  readonly attempt: number;
  readonly policyVersionId: string | null;
  /** How long it took; it ends as it is recorded, by the database's clock. */
  readonly tookMs: number;
  readonly verdict: Verdict;
  readonly mismatches: readonly unknown[];
  readonly changes: readonly SyncChange[];
  /** Members that were as they ought to be. */
  readonly unchanged: readonly MemberSet[];
  readonly phases: readonly SyncPhase[];
  readonly calls: readonly SyncCall[];
  readonly error: { readonly code: string; readonly message: string } | null;
  /** What guards keep back, and why; left out where a run came to no plan. */
  readonly guarded?: GuardedPlan;
  /** Who is not added while a group of the policy is missing (rule B4); `user` is the directory's id here. */
  readonly withheldAdditions?: readonly MemberSet[];
  /** Differences found that Branchward did not cause. */
  readonly drift?: number;
}

/** A removal that a guard keeps back, in the words that people read. */
export interface WithheldMember {
  readonly entitlement: string;
  readonly user: string;
  readonly userId: string | null;
  readonly userName: string | null;
  readonly why: string;
}

/** What guards say of a plan (rules C1, C2). */
export interface GuardedPlan {
  readonly withheld: readonly WithheldMember[];
  /** The groups over their limit, and clients that deactivated too many. */
  readonly overLimit: readonly OverLimit[];
  /** Of the withheld removals; an approval names it. */
  readonly digest: string | null;
  /** Clients and authors whose doing it is: none of them may approve. */
  readonly causedBy: readonly string[];
}

export interface OverLimit {
  readonly kind: "entitlement-group" | "directory-group" | "deactivations";
  /** Entitlement, reference of the policy, or client. */
  readonly group: string;
  readonly removed: number;
  readonly baseline: number;
  /** ISO 8601: when it is no longer over by itself; left out where only an approval lets them go. */
  readonly freeAt?: string;
}

export async function insertSync(trx: Queryable, sync: NewSync): Promise<void> {
  const count = (side: "added" | "removed") => sync.changes.reduce((sum, change) => sum + change[side].length, 0);
  const unchanged = await saveMemberSets(trx, sync.unchanged);
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
      started_at: sql<Date>`clock_timestamp() - ${sync.tookMs} * interval '1 millisecond'`,
      finished_at: sql<Date>`clock_timestamp()`,
      verdict: sync.verdict,
      mismatches: JSON.stringify(sync.mismatches),
      added: count("added"),
      removed: count("removed"),
      changes: JSON.stringify(sync.changes),
      calls: JSON.stringify(sync.calls),
      attempt: sync.attempt,
      phases: JSON.stringify(sync.phases),
      unchanged,
      withheld_additions: await saveMemberSets(trx, sync.withheldAdditions ?? []),
      error: sync.error === null ? null : JSON.stringify(sync.error),
      drift: sync.drift ?? 0,
      ...toGuardColumns(sync.guarded),
    })
    .modifyEnd(prepared)
    .execute();
}

function toGuardColumns(guarded: GuardedPlan | undefined) {
  if (guarded === undefined) return {};
  return {
    withheld: JSON.stringify(guarded.withheld),
    over_limit: JSON.stringify(guarded.overLimit),
    plan_digest: guarded.digest,
    caused_by: [...guarded.causedBy],
  };
}

/** The digest of the newest plan of a scope that kept something back; undefined when the newest sync keeps nothing. */
export async function findLatestPlan(db: Queryable, scopeId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("syncs")
    .select("plan_digest")
    .where("scope_id", "=", scopeId)
    .where("verdict", "<>", "failed")
    .where("reason", "<>", "revocation")
    .orderBy("seq", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.plan_digest ?? undefined;
}

/** How often drift was repaired in a scope of late (flapping: somebody else undoes what we do). */
export async function countDriftSince(
  db: Queryable,
  { scopeId, windowMs }: { readonly scopeId: string; readonly windowMs: number },
): Promise<number> {
  const row = await db
    .selectFrom("syncs")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("scope_id", "=", scopeId)
    .where("drift", ">", 0)
    .where("finished_at", ">", sql<Date>`now() - ${windowMs} * interval '1 millisecond'`)
    .executeTakeFirstOrThrow();
  return row.count;
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
  readonly attempt: number;
  readonly requestedAt: Date;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly policyVersion: string | null;
}

export interface SyncDetails extends SyncRow {
  readonly mismatches: readonly unknown[];
  readonly changes: readonly SyncChange[];
  readonly unchanged: readonly MemberSet[];
  readonly phases: readonly SyncPhase[];
  readonly calls: readonly SyncCall[];
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly scopeId: string;
  readonly guarded: GuardedPlan;
  readonly drift: number;
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
  readonly reason?: string;
  /** Finished at or after. */
  readonly since?: Date;
  /** Finished before. */
  readonly until?: Date;
  /** Part of the repository's, the branch's or the endpoint's name, or of the reason. */
  readonly text?: string;
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
      "syncs.attempt as attempt",
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
  if (filter.verdict !== undefined) query = query.where("syncs.verdict", "=", filter.verdict);
  if (filter.reason !== undefined) query = query.where("syncs.reason", "=", filter.reason);
  if (filter.since !== undefined) query = query.where("syncs.finished_at", ">=", filter.since);
  if (filter.until !== undefined) query = query.where("syncs.finished_at", "<", filter.until);
  if (isAboutScopes(filter)) query = query.where("syncs.scope_id", "in", selectScopes(db, filter));
  if (filter.text !== undefined) {
    const pattern = containing(filter.text);
    query = query.where((where) =>
      where.or([where("syncs.scope_id", "in", selectScopesLike(db, pattern)), where("syncs.reason", "ilike", pattern)]),
    );
  }
  return (await query.execute()).map(toSyncRow);
}

function isAboutScopes({ incarnation, repository, branch, endpoint }: SyncFilter): boolean {
  return [incarnation, repository, branch, endpoint].some((part) => part !== undefined);
}

/** Few beside their syncs: found first, so that no list joins every sync that it then leaves out. */
function selectScopes(db: Queryable, filter: SyncFilter) {
  let query = selectNamedScopes(db);
  if (filter.incarnation !== undefined) query = query.where("incarnations.id", "=", filter.incarnation);
  if (filter.repository !== undefined) query = query.where("repositories.name", "=", filter.repository);
  if (filter.branch !== undefined) query = query.where("incarnations.name", "=", filter.branch);
  if (filter.endpoint !== undefined) query = query.where("scopes.endpoint", "=", filter.endpoint);
  return query;
}

function selectScopesLike(db: Queryable, pattern: string) {
  return selectNamedScopes(db).where((where) =>
    where.or([
      where("repositories.name", "ilike", pattern),
      where("incarnations.name", "ilike", pattern),
      where("scopes.endpoint", "ilike", pattern),
    ]),
  );
}

function selectNamedScopes(db: Queryable) {
  return db
    .selectFrom("scopes")
    .innerJoin("incarnations", "incarnations.id", "scopes.incarnation_id")
    .innerJoin("repositories", "repositories.id", "incarnations.repository_id")
    .select("scopes.id");
}

/** In no order; ids that are not there are left out. */
export async function listSyncsById(db: Queryable, ids: readonly string[]): Promise<readonly SyncRow[]> {
  if (ids.length === 0) return [];
  return (await selectSyncs(db).where("syncs.id", "in", ids).execute()).map(toSyncRow);
}

export async function findSync(db: Queryable, id: string): Promise<SyncDetails | undefined> {
  const row = await selectSyncs(db)
    .select([
      "syncs.mismatches as mismatches",
      "syncs.changes as changes",
      "syncs.calls as calls",
      "syncs.phases as phases",
      "syncs.unchanged as unchangedDigest",
      "syncs.error as error",
      "syncs.scope_id as scopeId",
      "syncs.withheld as withheld",
      "syncs.over_limit as overLimit",
      "syncs.plan_digest as planDigest",
      "syncs.caused_by as causedBy",
      "syncs.drift as drift",
    ])
    .where("syncs.id", "=", id)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { mismatches, changes, calls, phases, unchangedDigest, error, withheld, overLimit, planDigest, ...rest } = row;
  const { causedBy, scopeId, drift, ...sync } = rest;
  return {
    ...toSyncRow(sync),
    scopeId,
    drift,
    guarded: {
      withheld: withheld as readonly WithheldMember[],
      overLimit: overLimit as readonly OverLimit[],
      digest: planDigest,
      causedBy,
    },
    unchanged: await findMemberSets(db, unchangedDigest),
    phases: phases as readonly SyncPhase[],
    mismatches: mismatches as readonly unknown[],
    changes: changes as readonly SyncChange[],
    calls: calls as readonly SyncCall[],
    error: error as SyncDetails["error"],
  };
}

function toSyncRow(row: Omit<SyncRow, "id"> & { id: string }): SyncRow {
  return { ...row, id: row.id as SyncId };
}
