/** The ledger: who held what on which incarnation, from when to when, by which rule, known and verified when. */
import type { Reason, UserId } from "@branchward/core";
import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";
import type { Lease } from "./leases.ts";

/** How a membership came to be: given by Branchward, found and right, or found and given by nobody whom it knows. */
export type LedgerOrigin = "sync" | "adoption" | "drift";

/** A membership about to begin, or found. */
export interface LedgerOpening {
  readonly entitlement: string;
  /** The endpoint's id of the account. */
  readonly member: string;
  readonly userId: UserId | null;
  readonly origin: LedgerOrigin;
  readonly reasons: readonly Reason[];
  /** True where an independent read has shown it. */
  readonly isVerified: boolean;
}

interface OpeningQuestion {
  readonly lease: Pick<Lease, "scopeId" | "token" | "incarnationId" | "endpoint">;
  readonly policyVersion: string | null;
}

/** Opens entries that are not open yet, guarded by the lease's token (rule C4). */
export async function openLedgerEntries(
  trx: Queryable,
  { lease, policyVersion }: OpeningQuestion,
  openings: readonly LedgerOpening[],
): Promise<void> {
  if (openings.length === 0) return;
  const rows = openings.map(({ isVerified, reasons, ...opening }) => ({
    ...opening,
    id: uuidv7(),
    reasons,
    refs: [...new Set(reasons.map(({ reference }) => reference))],
    verified: isVerified,
  }));
  await sql`
    insert into ledger_entries
      (id, scope_id, incarnation_id, endpoint, entitlement, member, user_id, origin, reasons, refs, policy_version_id, granted_at, verified_at)
    select row.id, scopes.id, scopes.incarnation_id, scopes.endpoint, row.entitlement, row.member, row."userId", row.origin,
      row.reasons, array(select jsonb_array_elements_text(row.refs)), ${policyVersion}::uuid, now(), case when row.verified then now() end
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      as row(id uuid, entitlement text, member text, "userId" uuid, origin text, reasons jsonb, refs jsonb, verified boolean)
    join scopes on scopes.id = ${lease.scopeId} and scopes.lease_token = ${lease.token}
    on conflict (scope_id, entitlement, member) where ended_at is null do nothing`.execute(trx);
}

/** An entry that has not ended. */
export interface OpenEntry {
  readonly id: string;
  readonly entitlement: string;
  readonly member: string;
  readonly userId: UserId | null;
  readonly origin: LedgerOrigin;
  readonly reasons: readonly Reason[];
  readonly grantedAt: Date;
  readonly verifiedAt: Date | null;
}

function selectOpen(db: Queryable) {
  return db
    .selectFrom("ledger_entries")
    .select([
      "id",
      "entitlement",
      "member",
      sql<UserId | null>`user_id`.as("userId"),
      "origin",
      sql<readonly Reason[]>`reasons`.as("reasons"),
      "granted_at as grantedAt",
      "verified_at as verifiedAt",
    ])
    .where("ended_at", "is", null);
}

export async function listOpenEntries(db: Queryable, scopeId: string): Promise<readonly OpenEntry[]> {
  return selectOpen(db).where("scope_id", "=", scopeId).execute();
}

/** What a run showed of the open entries of its scope. */
export interface LedgerChanges {
  /** Ids of entries that a read showed, whatever was planned. */
  readonly verified: readonly string[];
  readonly ended: readonly { readonly id: string; readonly cause: string }[];
}

/** Notes what a read showed. The caller holds the row of the scope. */
export async function settleLedgerEntries(trx: Queryable, { verified, ended }: LedgerChanges): Promise<void> {
  if (verified.length > 0) {
    await sql`
      update ledger_entries set verified_at = coalesce(verified_at, now()), ending_at = null
      where id = any (${[...verified]}::uuid[]) and (verified_at is null or ending_at is not null)`.execute(trx);
  }
  if (ended.length > 0) {
    await sql`
      update ledger_entries set ended_at = now(), ended_cause = asked.cause
      from unnest(${ended.map(({ id }) => id)}::uuid[], ${ended.map(({ cause }) => cause)}::text[]) as asked (id, cause)
      where ledger_entries.id = asked.id and ended_at is null`.execute(trx);
  }
}

/** Ends every open entry of a scope: its groups are gone. */
export async function endLedgerOf(trx: Queryable, scopeId: string, cause: string): Promise<void> {
  await trx
    .updateTable("ledger_entries")
    .set({ ended_at: sql<Date>`now()`, ended_cause: cause })
    .where("scope_id", "=", scopeId)
    .where("ended_at", "is", null)
    .execute();
}

/** What the ledger knows of one membership, over all its entries. */
export interface KnownMembership {
  readonly entitlement: string;
  readonly member: string;
  readonly userId: UserId | null;
  /** True when a sync or an adoption ever gave it (rule C1). */
  readonly isGranted: boolean;
  /** True when it is open and a read has shown it: if it is gone, somebody else removed it. */
  readonly isVerified: boolean;
  /** Of the newest entry. */
  readonly reasons: readonly Reason[];
}

/** What the ledger knows of these memberships; those that it never met are left out. */
export async function findMemberships(
  db: Queryable,
  scopeId: string,
  pairs: readonly { readonly entitlement: string; readonly member: string }[],
): Promise<readonly KnownMembership[]> {
  if (pairs.length === 0) return [];
  const { rows } = await sql<KnownMembership>`
    select entitlement, member,
      (array_agg(user_id order by seq desc) filter (where user_id is not null))[1] as "userId",
      bool_or(origin <> 'drift') as "isGranted",
      bool_or(ended_at is null and verified_at is not null) as "isVerified",
      (array_agg(reasons order by seq desc))[1] as reasons
    from ledger_entries
    join unnest(${pairs.map((pair) => pair.entitlement)}::text[], ${pairs.map((pair) => pair.member)}::text[])
      as asked (entitlement, member) using (entitlement, member)
    where scope_id = ${scopeId}
    group by entitlement, member`.execute(db);
  return rows;
}

/** A membership that a revocation ends. */
export interface HeldMembership {
  readonly scopeId: string;
  readonly endpoint: string;
  readonly incarnationId: string;
  readonly entitlement: string;
  readonly member: string;
  /** The endpoint's id of the entitlement group; null while none is bound. */
  readonly groupId: string | null;
  readonly displayName: string | null;
}

/** All that a user holds by the ledger, by endpoint and scope (rule C3). */
export async function listHeldBy(db: Queryable, userId: string): Promise<readonly HeldMembership[]> {
  return db
    .selectFrom("ledger_entries")
    .leftJoin("entitlement_groups", (join) =>
      join
        .onRef("entitlement_groups.scope_id", "=", "ledger_entries.scope_id")
        .onRef("entitlement_groups.entitlement", "=", "ledger_entries.entitlement"),
    )
    .select([
      "ledger_entries.scope_id as scopeId",
      "ledger_entries.endpoint as endpoint",
      "ledger_entries.incarnation_id as incarnationId",
      "ledger_entries.entitlement as entitlement",
      "ledger_entries.member as member",
      "entitlement_groups.group_id as groupId",
      "entitlement_groups.display_name as displayName",
    ])
    .where("ledger_entries.user_id", "=", userId)
    .where("ledger_entries.ended_at", "is", null)
    .orderBy("ledger_entries.scope_id")
    .execute();
}

/** Ends one user's memberships of a scope, guarded by the lease's token; false when the lease was lost. */
export async function endMemberships(
  trx: Queryable,
  lease: Pick<Lease, "scopeId" | "token">,
  { userId, cause }: { readonly userId: string; readonly cause: string },
): Promise<boolean> {
  const held = await trx
    .selectFrom("scopes")
    .select("id")
    .where("id", "=", lease.scopeId)
    .where("lease_token", "=", lease.token)
    .forUpdate()
    .executeTakeFirst();
  if (held === undefined) return false;
  await trx
    .updateTable("ledger_entries")
    .set({ ended_at: sql<Date>`now()`, ended_cause: cause })
    .where("scope_id", "=", lease.scopeId)
    .where("user_id", "=", userId)
    .where("ended_at", "is", null)
    .execute();
  return true;
}
