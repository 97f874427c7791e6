/** Who works on a scope, and what a run leaves of it: every row that a run writes is guarded by the token (rule C4). */
import type { Verdict } from "@branchward/core";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";
import type { DueReason } from "../tables.ts";

/** A held lease. Its token guards every row that the holder records (rule C4). */
export interface Lease {
  readonly scopeId: string;
  readonly token: number;
  readonly incarnationId: string;
  readonly endpoint: string;
  /** `requested` as read before loading; what the run stamps as reached. */
  readonly requested: number;
  readonly requestedAt: Date;
  readonly reason: string;
  readonly reconciled: number;
  readonly failures: number;
  readonly verdict: Verdict | null;
  /** True where another held it before and did not give it back: a write of theirs may still arrive (rule C4). */
  readonly isTakenOver: boolean;
  /** Of the ledger as it was last written for the scope. */
  readonly ledgerDigest: Buffer | null;
}

export interface LeaseRequest {
  readonly holder: string;
  readonly leaseMs: number;
}

/** Takes the lease when it is free or expired, by the database's clock; undefined when another holds it. */
export function acquireLease(db: Queryable, scopeId: string, request: LeaseRequest): Promise<Lease | undefined> {
  return takeLease(db, scopeId, { ...request, isForced: false });
}

/** Takes the lease whoever holds it: the holder writes and records nothing any more (rules C3, C4). */
export function seizeLease(db: Queryable, scopeId: string, request: LeaseRequest): Promise<Lease | undefined> {
  return takeLease(db, scopeId, { ...request, isForced: true });
}

async function takeLease(
  db: Queryable,
  scopeId: string,
  { holder, leaseMs, isForced }: LeaseRequest & { readonly isForced: boolean },
): Promise<Lease | undefined> {
  const { rows } = await sql<Lease>`${prepared}
    with was as (
      select id, lease_until from scopes
      where id = ${scopeId} and (${isForced} or lease_until is null or lease_until < now())
      for no key update
    )
    update scopes set
      lease_token = lease_token + 1,
      lease_holder = ${holder},
      lease_until = now() + ${leaseMs} * interval '1 millisecond'
    from was
    where scopes.id = was.id
    returning scopes.id as "scopeId", lease_token as token, incarnation_id as "incarnationId", endpoint, requested,
      requested_at as "requestedAt", reason, reconciled, failures, verdict, was.lease_until is not null as "isTakenOver", ledger_digest as "ledgerDigest"`.execute(
    db,
  );
  return rows[0];
}

/** Extends the lease if it is still held with this token; false when it was lost. */
export async function renewLease(db: Queryable, lease: Lease, leaseMs: number): Promise<boolean> {
  const result = await db
    .updateTable("scopes")
    .set({ lease_until: sql<Date>`now() + ${leaseMs} * interval '1 millisecond'` })
    .where("id", "=", lease.scopeId)
    .where("lease_token", "=", lease.token)
    .where("lease_until", ">", sql<Date>`now()`)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Milliseconds for which the lease is still held, by the database's clock; 0 when it was lost. */
export async function getLeaseRemaining(db: Queryable, lease: Lease): Promise<number> {
  const row = await db
    .selectFrom("scopes")
    .select(sql<number>`greatest(0, extract(epoch from lease_until - clock_timestamp()) * 1000)::int`.as("remainingMs"))
    .where("id", "=", lease.scopeId)
    .where("lease_token", "=", lease.token)
    .executeTakeFirst();
  return row?.remainingMs ?? 0;
}

/** When a scope is to be looked at again: at a moment of the record, or a while from when it is settled. */
export type Due = { readonly reason: DueReason } & ({ readonly at: Date } | { readonly inMs: number });

export interface ScopeOutcome {
  readonly verdict: Verdict;
  readonly mismatches: readonly unknown[];
  /** The first of them counts, by the database's clock: every worker has another. */
  readonly due: readonly Due[];
  readonly failures: number;
  /** Left out where nothing is known of the members, as after a failure. */
  readonly ledgerDigest?: Buffer;
  /** Former names that need narrow the desired state no more (rule A5): those that the run had read. */
  readonly settledNames: readonly string[];
}

export interface SettledScope {
  readonly requested: number;
  /** How long until it is due; null where it is not. */
  readonly dueInMs: number | null;
}

/**
 * Records what a run reached and releases the lease, guarded by its token.
 * @returns undefined when the lease was lost and nothing was recorded.
 */
export async function settleScope(
  trx: Queryable,
  lease: Lease,
  outcome: ScopeOutcome,
): Promise<SettledScope | undefined> {
  return trx
    .updateTable("scopes")
    .set({
      reconciled: lease.requested,
      verdict: outcome.verdict,
      verdict_at: sql<Date>`now()`,
      mismatches: JSON.stringify(outcome.mismatches),
      ...toDueColumns(outcome.due),
      failures: outcome.failures,
      ...(outcome.ledgerDigest === undefined ? {} : { ledger_digest: outcome.ledgerDigest }),
      // A rename may have added another while the run worked.
      strict_names: sql<string[]>`array(
        select name from unnest(strict_names) as name where name <> all (${[...outcome.settledNames]}::text[])
      )`,
      // Former names count among the references while they narrow.
      references_stale: sql<boolean>`references_stale or strict_names && ${[...outcome.settledNames]}::text[]`,
      lease_holder: null,
      lease_until: null,
    })
    .where("id", "=", lease.scopeId)
    .where("lease_token", "=", lease.token)
    .returning([
      "requested",
      sql<number | null>`
        case when due_at is not null then greatest(0, ceil(extract(epoch from due_at - now()) * 1000))::float8 end
      `.as("dueInMs"),
    ])
    .modifyEnd(prepared)
    .executeTakeFirst();
}

/** A look that is to come a deadline after a write is no less wanted for a run in between (rule C4). */
function toDueColumns(due: readonly Due[]) {
  const first = sql`(
    select coalesce(at, now() + "inMs" * interval '1 millisecond') as at, reason
    from jsonb_to_recordset(${JSON.stringify(due)}::jsonb) as due (at timestamptz, "inMs" float8, reason text)
    union all
    select scopes.due_at, scopes.due_reason where scopes.due_reason = 'verify' and scopes.due_at > now()
    order by 1 limit 1
  )`;
  return {
    due_at: sql<Date | null>`(select at from ${first} as first)`,
    due_reason: sql<DueReason | null>`(select reason from ${first} as first)`,
  };
}

/** Has a scope looked at once more in so many milliseconds, unless it is due before (rule C4). */
export async function verifyAgain(trx: Queryable, scopeId: string, inMs: number): Promise<void> {
  await sql`
    update scopes set due_at = now() + ${inMs} * interval '1 millisecond', due_reason = 'verify'
    where id = ${scopeId} and (due_at is null or due_at > now() + ${inMs} * interval '1 millisecond')`.execute(trx);
}

/** Gives the lease back without a result. @returns whether more was asked for than was reached, by runs that found it taken */
export async function releaseLease(db: Queryable, lease: Lease): Promise<boolean> {
  const row = await db
    .updateTable("scopes")
    .set({ lease_holder: null, lease_until: null })
    .where("id", "=", lease.scopeId)
    .where("lease_token", "=", lease.token)
    .returning(sql<boolean>`requested > reconciled`.as("isAskedFor"))
    .executeTakeFirst();
  return row?.isAskedFor ?? false;
}
