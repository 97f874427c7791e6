/** Emergency grants (rule B9): asked for, approved by another, over by themselves. Times are the database's. */
import type { EmergencyGrant, Entitlement, RefType, UserId } from "@branchward/core";
import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";

export type GrantState = "requested" | "approved" | "expired" | "revoked" | "rejected";

export interface GrantRow {
  readonly id: string;
  readonly seq: number;
  readonly userId: UserId;
  readonly userName: string | null;
  readonly entitlement: Entitlement;
  readonly repository: string;
  readonly branch: string;
  readonly refType: RefType;
  readonly incarnation: string;
  /** Read with the clock and the branch: what has ended by either is `expired`, whether or not anybody has noted it. */
  readonly state: GrantState;
  readonly forMs: number;
  readonly reason: string;
  readonly requestedBy: string;
  readonly requestedAt: Date;
  readonly decidedBy: string | null;
  readonly decidedAt: Date | null;
  readonly expiresAt: Date | null;
  readonly endedBy: string | null;
  readonly endedAt: Date | null;
}

/** What a grant is now: its time ends it, and the end of its branch's life ends it whether or not it was approved. */
const stateNow = sql<GrantState>`case
  when emergency_grants.state = 'approved' and emergency_grants.expires_at <= clock_timestamp() then 'expired'
  when emergency_grants.state in ('requested', 'approved') and incarnations.state <> 'active' then 'expired'
  else emergency_grants.state end`;

function selectGrants(db: Queryable) {
  return db
    .selectFrom("emergency_grants")
    .innerJoin("incarnations", "incarnations.id", "emergency_grants.incarnation_id")
    .innerJoin("repositories", "repositories.id", "incarnations.repository_id")
    .leftJoin("directory_users", "directory_users.id", "emergency_grants.user_id")
    .select([
      "emergency_grants.id as id",
      "emergency_grants.seq as seq",
      sql<UserId>`emergency_grants.user_id`.as("userId"),
      "directory_users.user_name as userName",
      "entitlement",
      "repositories.name as repository",
      "incarnations.name as branch",
      "incarnations.ref_type as refType",
      "incarnations.id as incarnation",
      stateNow.as("state"),
      "for_ms as forMs",
      "reason",
      "requested_by as requestedBy",
      "requested_at as requestedAt",
      "decided_by as decidedBy",
      "decided_at as decidedAt",
      "expires_at as expiresAt",
      "emergency_grants.ended_by as endedBy",
      "emergency_grants.ended_at as endedAt",
    ]);
}

export interface NewGrant {
  readonly userId: UserId;
  readonly entitlement: Entitlement;
  readonly incarnationId: string;
  readonly forMs: number;
  readonly reason: string;
  readonly requestedBy: string;
}

/** Records what was asked for; it gives nothing before `approveGrant`. */
export async function insertGrant(trx: Queryable, grant: NewGrant): Promise<string> {
  const id = uuidv7();
  await trx
    .insertInto("emergency_grants")
    .values({
      id,
      user_id: grant.userId,
      entitlement: grant.entitlement,
      incarnation_id: grant.incarnationId,
      state: "requested",
      for_ms: grant.forMs,
      reason: grant.reason,
      requested_by: grant.requestedBy,
    })
    .execute();
  return id;
}

/** The grant, its row locked against another's decision. */
export async function lockGrant(trx: Queryable, id: string): Promise<GrantRow | undefined> {
  await trx.selectFrom("emergency_grants").select("id").where("id", "=", id).forUpdate().execute();
  return findGrant(trx, id);
}

export async function findGrant(db: Queryable, id: string): Promise<GrantRow | undefined> {
  return selectGrants(db).where("emergency_grants.id", "=", id).executeTakeFirst();
}

export interface GrantFilter {
  readonly limit: number;
  /** `seq` of the last row of the page before. */
  readonly before?: number;
  readonly state?: GrantState;
  readonly incarnation?: string;
}

/** Newest first. */
export async function listGrants(db: Queryable, filter: GrantFilter): Promise<readonly GrantRow[]> {
  let query = selectGrants(db).orderBy("emergency_grants.seq", "desc").limit(filter.limit);
  if (filter.before !== undefined) query = query.where("emergency_grants.seq", "<", filter.before);
  if (filter.state !== undefined) query = query.where(stateNow, "=", filter.state);
  if (filter.incarnation !== undefined) query = query.where("emergency_grants.incarnation_id", "=", filter.incarnation);
  return query.execute();
}

/** Its time begins now. */
export async function approveGrant(trx: Queryable, id: string, by: string): Promise<void> {
  await trx
    .updateTable("emergency_grants")
    .set({
      state: "approved",
      decided_by: by,
      decided_at: sql<Date>`clock_timestamp()`,
      expires_at: sql<Date>`clock_timestamp() + for_ms * interval '1 millisecond'`,
    })
    .where("id", "=", id)
    .where("state", "=", "requested")
    .execute();
}

export async function rejectGrant(trx: Queryable, id: string, by: string): Promise<void> {
  await trx
    .updateTable("emergency_grants")
    .set({ state: "rejected", decided_by: by, decided_at: sql<Date>`clock_timestamp()` })
    .where("id", "=", id)
    .where("state", "=", "requested")
    .execute();
}

/** Ends an approved one before its time, or takes a request back. */
export async function revokeGrant(trx: Queryable, id: string, by: string): Promise<void> {
  await trx
    .updateTable("emergency_grants")
    .set({ state: "revoked", ended_by: by, ended_at: sql<Date>`clock_timestamp()` })
    .where("id", "=", id)
    .where("state", "in", ["requested", "approved"])
    .execute();
}

/** Ends what was granted or asked for on a branch that was closed: reopened, it has standing grants alone (rule A7). */
export async function expireGrantsOf(trx: Queryable, incarnationId: string): Promise<void> {
  await trx
    .updateTable("emergency_grants")
    .set({ state: "expired", ended_at: sql<Date>`now()` })
    .where("incarnation_id", "=", incarnationId)
    .where("state", "in", ["requested", "approved"])
    .execute();
}

/** Moves the grants of an incarnation that was merged into another (rule A5). */
export async function moveGrants(trx: Queryable, from: string, to: string): Promise<void> {
  await trx
    .updateTable("emergency_grants")
    .set({ incarnation_id: to })
    .where("incarnation_id", "=", from)
    .where("state", "in", ["requested", "approved"])
    .execute();
}

/** Notes in the rows what the clock has ended. @returns how many */
export async function expireGrants(db: Queryable): Promise<number> {
  const result = await db
    .updateTable("emergency_grants")
    .set({ state: "expired", ended_at: sql<Date>`expires_at` })
    .where("state", "=", "approved")
    .where("expires_at", "<=", sql<Date>`clock_timestamp()`)
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}

/**
 * What was ever approved on the branch, of each user and entitlement the one that lasts longest: those that ended too,
 * since that they ended is why somebody loses (rule C1).
 */
export async function listEmergencies(db: Queryable, incarnationId: string): Promise<readonly EmergencyGrant[]> {
  const { rows } = await sql<EmergencyGrant>`${prepared}
    select distinct on (user_id, entitlement)
      id, user_id as "userId", entitlement, decided_by as "approvedBy", least(expires_at, ended_at) as until
    from emergency_grants
    where incarnation_id = ${incarnationId} and expires_at is not null
    order by user_id, entitlement, least(expires_at, ended_at) desc`.execute(db);
  return rows;
}
