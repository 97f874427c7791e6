/** Which account of an endpoint a directory user is (rule C5), and what there is still to do about it. */
import type { UserId } from "@branchward/core";
import { foldCase } from "@branchward/scim";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";

export type AccountState =
  | "linked"
  | "pending-approval"
  | "rejected"
  | "missing"
  | "ambiguous"
  | "quarantined"
  /** The directory's user was deleted. */
  | "ended";

export interface AccountLink {
  readonly endpoint: string;
  readonly userId: UserId;
  /** The account; the candidate while it waits for approval or was rejected. */
  readonly accountId: string | null;
  readonly userName: string;
  readonly state: AccountState;
  readonly stateSince: Date;
  readonly createdByUs: boolean;
  readonly deactivatedByUs: boolean;
  /** Paths that we wrote. */
  readonly written: readonly string[];
  readonly verifiedAt: Date | null;
}

export interface RequestedAccount {
  readonly endpoint: string;
  readonly userId: UserId;
}

const linkColumns = sql`
  endpoint, user_id as "userId", account_id as "accountId", user_name as "userName", state, state_since as "stateSince",
  created_by_us as "createdByUs", deactivated_by_us as "deactivatedByUs", written, verified_at as "verifiedAt"`;

export interface AccountQuery {
  readonly endpoint: string;
  readonly userIds: readonly UserId[];
  /** How old a look may be that found an account, and one that found none. */
  readonly maxAgeMs: { readonly linked: number; readonly other: number };
}

/** What is known of these users at an endpoint; `isFresh` by the database's clock. */
export async function listAccountLinks(
  db: Queryable,
  { endpoint, userIds, maxAgeMs }: AccountQuery,
): Promise<readonly (AccountLink & { readonly isFresh: boolean })[]> {
  const { rows } = await sql<AccountLink & { isFresh: boolean }>`
    select ${linkColumns},
      coalesce(verified_at > now() - (
        case when state = 'linked' then ${maxAgeMs.linked}::float8 else ${maxAgeMs.other}::float8 end
      ) * interval '1 millisecond', false) as "isFresh"
    from account_links where endpoint = ${endpoint} and user_id = any(${userIds}::uuid[])`.execute(db);
  return rows;
}

export async function findAccountLink(
  db: Queryable,
  { endpoint, userId }: RequestedAccount,
): Promise<AccountLink | undefined> {
  const { rows } = await sql<AccountLink>`
    select ${linkColumns} from account_links where endpoint = ${endpoint} and user_id = ${userId}`.execute(db);
  return rows[0];
}

/** The endpoints at which an account of this user is linked and kept by us. */
export async function listKeptAccounts(db: Queryable, userId: string): Promise<readonly string[]> {
  const { rows } = await sql<{ endpoint: string }>`
    select endpoint from account_links
    where user_id = ${userId} and managed and state in ('linked', 'ended') order by endpoint`.execute(db);
  return rows.map(({ endpoint }) => endpoint);
}

/** Of these accounts, those that are or ever were linked to another user than this one. */
export async function listTakenAccounts(
  db: Queryable,
  { endpoint, userId, accountIds }: RequestedAccount & { readonly accountIds: readonly string[] },
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    select account_id as id from account_links
    where endpoint = ${endpoint} and account_id = any(${accountIds}) and user_id <> ${userId}
      and state in ('linked', 'ended')`.execute(db);
  return new Set(rows.map(({ id }) => id));
}

/** How long a name freed by deletion is nobody else's (rule C5). */
const QUARANTINE_DAYS = 90;

/** Whether another user of that name, as the directory compares names, was deleted from it of late. */
export async function isNameQuarantined(db: Queryable, userName: string): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`
    select exists (
      select from directory_changes
      where kind = 'user.deleted'
        and coalesce(details ->> 'userNameKey', lower(details ->> 'userName')) in (${foldCase(userName)}, lower(${userName}))
        and created_at > now() - ${QUARANTINE_DAYS} * interval '1 day'
    ) as found`.execute(db);
  return rows[0]?.found ?? false;
}

export interface AccountFinding extends RequestedAccount {
  readonly accountId: string | null;
  readonly userName: string;
  readonly state: AccountState;
}

/** Keeps what look-ups found at an endpoint where accounts are not ours to make. */
export async function saveFoundAccounts(db: Queryable, found: readonly AccountFinding[]): Promise<void> {
  if (found.length === 0) return;
  await sql`
    insert into account_links (endpoint, user_id, account_id, user_name, state, managed, verified_at)
    select f.endpoint, f."userId", f."accountId", f."userName", f.state, false, clock_timestamp()
    from jsonb_to_recordset(${JSON.stringify(found)}::jsonb)
      as f(endpoint text, "userId" uuid, "accountId" text, "userName" text, state text)
    order by 1, 2
    on conflict (endpoint, user_id) do update set
      account_id = excluded.account_id,
      user_name = excluded.user_name,
      state_since = case when account_links.state = excluded.state then account_links.state_since else now() end,
      state = excluded.state,
      verified_at = excluded.verified_at`.execute(db);
}

/** Has these users looked up again by the next run, whatever is known of them. */
export async function forgetAccountLooks(db: Queryable, endpoint: string, userIds: readonly UserId[]): Promise<void> {
  await sql`
    update account_links set verified_at = null
    where endpoint = ${endpoint} and user_id = any(${userIds}::uuid[])`.execute(db);
}

export interface MissingAccounts {
  readonly endpoint: string;
  readonly scopeId: string;
  readonly users: readonly { readonly userId: UserId; readonly userName: string }[];
}

/**
 * Asks for accounts that a run of the scope missed, made or opened. @returns those not asked for before, and those that have
 * become usable since the run looked: they need a job, which asks for the scope
 */
export async function requestMissingAccounts(
  trx: Queryable,
  { endpoint, scopeId, users }: MissingAccounts,
): Promise<readonly RequestedAccount[]> {
  if (users.length === 0) return [];
  const list = JSON.stringify(users);
  const { rows } = await sql<RequestedAccount>`
    insert into account_links (endpoint, user_id, user_name, state, managed, requested)
    select ${endpoint}, u."userId", u."userName", 'missing', true, 1
    from jsonb_to_recordset(${list}::jsonb) as u("userId" uuid, "userName" text)
    order by u."userId"
    on conflict (endpoint, user_id) do update set
      managed = true, requested = account_links.requested + 1, requested_at = now()
      where not account_links.managed or (account_links.state = 'linked' and not account_links.deactivated_by_us)
    returning endpoint, user_id as "userId"`.execute(trx);
  await sql`
    insert into account_waits (endpoint, user_id, scope_id)
    select ${endpoint}, u."userId", ${scopeId}
    from jsonb_to_recordset(${list}::jsonb) as u("userId" uuid)
    order by u."userId"
    on conflict do nothing`.execute(trx);
  return rows;
}

/** Asks for another look at the accounts of these users, where we keep them. */
export async function requestAccountsOf(
  trx: Queryable,
  userIds: readonly string[],
): Promise<readonly RequestedAccount[]> {
  if (userIds.length === 0) return [];
  const { rows } = await sql<RequestedAccount>`
    with locked as (
      select endpoint, user_id from account_links
      where user_id = any(${userIds}::uuid[]) and managed and state <> 'ended'
      order by endpoint, user_id for update
    )
    update account_links set requested = requested + 1, requested_at = now()
    from locked
    where account_links.endpoint = locked.endpoint and account_links.user_id = locked.user_id
    returning account_links.endpoint, account_links.user_id as "userId"`.execute(trx);
  return rows;
}

/** A held lease on one account; its token guards what the holder records. */
export interface AccountLease extends RequestedAccount {
  readonly token: number;
  readonly requested: number;
  readonly failures: number;
}

/** Undefined when another works on it, or nothing is known of it. */
export async function acquireAccountLease(
  db: Queryable,
  { endpoint, userId }: RequestedAccount,
  leaseMs: number,
): Promise<AccountLease | undefined> {
  const { rows } = await sql<AccountLease>`
    update account_links
    set lease_token = lease_token + 1, lease_until = now() + ${leaseMs} * interval '1 millisecond'
    where endpoint = ${endpoint} and user_id = ${userId} and (lease_until is null or lease_until < now())
    returning endpoint, user_id as "userId", lease_token as token, requested, failures`.execute(db);
  return rows[0];
}

/** Whether the lease is held for `leaseMs` from now on. */
export async function renewAccountLease(db: Queryable, lease: AccountLease, leaseMs: number): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`
    update account_links set lease_until = now() + ${leaseMs} * interval '1 millisecond'
    where endpoint = ${lease.endpoint} and user_id = ${lease.userId} and lease_token = ${lease.token}
      and lease_until > now()`.execute(db);
  return numAffectedRows === 1n;
}

export interface AccountOutcome {
  readonly accountId: string | null;
  readonly userName: string;
  readonly state: AccountState;
  readonly createdByUs: boolean;
  readonly deactivatedByUs: boolean;
  readonly written: readonly string[];
}

/**
 * How long until an account that somebody has to settle at the endpoint is looked at again: by itself, for nothing tells
 * that it was. A look costs some three calls.
 */
const LOOK_AGAIN_MINUTES = 5;

/** Records what a run reached and gives the lease back. @returns `requested` now; undefined when the lease was lost */
export async function settleAccount(
  trx: Queryable,
  lease: AccountLease,
  outcome: AccountOutcome,
): Promise<number | undefined> {
  const { rows } = await sql<{ requested: number }>`
    update account_links set
      account_id = ${outcome.accountId},
      user_name = ${outcome.userName},
      state_since = case when state = ${outcome.state} then state_since else now() end,
      state = ${outcome.state},
      created_by_us = ${outcome.createdByUs},
      deactivated_by_us = ${outcome.deactivatedByUs},
      written = ${[...outcome.written]}::text[],
      reconciled = ${lease.requested},
      verified_at = clock_timestamp(),
      failures = 0, error = null, lease_until = null,
      due_at = case when ${outcome.state} <> 'linked' and exists (
        select from account_waits w join directory_users u on u.id = w.user_id and u.active
        where w.endpoint = account_links.endpoint and w.user_id = account_links.user_id
      ) then now() + ${LOOK_AGAIN_MINUTES} * interval '1 minute' end
    where endpoint = ${lease.endpoint} and user_id = ${lease.userId} and lease_token = ${lease.token}
    returning requested`.execute(trx);
  return rows[0]?.requested;
}

/** Notes, while a run goes on, what must not be lost with it: an account that was made or closed by us. */
export async function noteAccount(
  db: Queryable,
  lease: AccountLease,
  note: { readonly createdByUs?: true; readonly deactivatedByUs?: boolean },
): Promise<void> {
  await sql`
    update account_links set
      created_by_us = created_by_us or ${note.createdByUs ?? false},
      deactivated_by_us = coalesce(${note.deactivatedByUs ?? null}::boolean, deactivated_by_us)
    where endpoint = ${lease.endpoint} and user_id = ${lease.userId} and lease_token = ${lease.token}`.execute(db);
}

/** Records that a run failed and gives the lease back; `due_at` has it tried again. */
export async function failAccount(
  db: Queryable,
  lease: AccountLease,
  { error, afterMs }: { readonly error: string; readonly afterMs: number },
): Promise<void> {
  await sql`
    update account_links set
      reconciled = ${lease.requested}, failures = failures + 1, error = ${error},
      due_at = now() + ${afterMs} * interval '1 millisecond', lease_until = null
    where endpoint = ${lease.endpoint} and user_id = ${lease.userId} and lease_token = ${lease.token}`.execute(db);
}

/** Takes what came due, and finds what was asked for and has no job: what the sweeper looks after. */
export async function listAccountsToReconcile(
  db: Queryable,
  { quietMs, limit }: { readonly quietMs: number; readonly limit: number },
): Promise<readonly RequestedAccount[]> {
  await sql`
    with due as (
      select endpoint, user_id from account_links where due_at <= now()
      order by endpoint, user_id limit ${limit} for update skip locked
    )
    update account_links set requested = requested + 1, requested_at = now() - interval '1 hour', due_at = null
    from due where account_links.endpoint = due.endpoint and account_links.user_id = due.user_id`.execute(db);
  const { rows } = await sql<RequestedAccount>`
    select endpoint, user_id as "userId" from account_links
    where requested > reconciled and requested_at < now() - ${quietMs} * interval '1 millisecond'
      and (lease_until is null or lease_until < now())
    order by requested_at limit ${limit}`.execute(db);
  return rows;
}

/** An account as people see it. */
export interface ShownAccount {
  readonly userId: UserId;
  readonly userName: string;
  readonly accountId: string | null;
  readonly state: AccountState;
  readonly since: Date;
  readonly createdByUs: boolean;
  readonly deactivatedByUs: boolean;
  readonly verifiedAt: Date | null;
  /** Why the last run failed; null when it did not. */
  readonly error: string | null;
}

export interface AccountFilter {
  readonly endpoint: string;
  readonly state?: AccountState | undefined;
  readonly limit: number;
  /** The last user of the page before. */
  readonly before?: string | undefined;
}

/** Accounts at an endpoint, those of the newest users first. */
export async function listAccounts(
  db: Queryable,
  { endpoint, state, limit, before }: AccountFilter,
): Promise<readonly ShownAccount[]> {
  const { rows } = await sql<ShownAccount>`
    select user_id as "userId", user_name as "userName", account_id as "accountId", state, state_since as since,
      created_by_us as "createdByUs", deactivated_by_us as "deactivatedByUs", verified_at as "verifiedAt", error
    from account_links
    where endpoint = ${endpoint} and (${state ?? null}::text is null or state = ${state ?? null})
      and (${before ?? null}::uuid is null or user_id < ${before ?? null}::uuid)
    order by user_id desc limit ${limit}`.execute(db);
  return rows;
}

export interface AdoptionDecision {
  readonly endpoint: string;
  /** By id, or by the name that it was listed under. */
  readonly user: string;
  readonly decision: "approve" | "reject";
  readonly decidedBy: string;
}

/** Approves or rejects the account that waits for it. @returns undefined when none of this user does */
export async function decideAdoption(
  trx: Queryable,
  { endpoint, user, decision, decidedBy }: AdoptionDecision,
): Promise<RequestedAccount | undefined> {
  const { rows } = await sql<RequestedAccount>`
    update account_links set
      state = ${decision === "approve" ? "linked" : "rejected"}, state_since = now(), decided_by = ${decidedBy},
      managed = true, requested = requested + 1, requested_at = now()
    where endpoint = ${endpoint} and state = 'pending-approval'
      and (user_id::text = ${user} or lower(user_name) = lower(${user}))
    returning endpoint, user_id as "userId"`.execute(trx);
  return rows[0];
}

/** Users without a usable account at an endpoint, summed. */
export interface MissingSummary {
  readonly endpoint: string;
  readonly count: number;
  readonly isWaiting: boolean;
  /** Some of their names. */
  readonly userNames: readonly string[];
}

/** Users who have had no account for 24 h (rule C5), and those whose candidate waits for approval (`isWaiting`). */
export async function summarizeMissingAccounts(db: Queryable): Promise<readonly MissingSummary[]> {
  const { rows } = await sql<MissingSummary>`
    select endpoint, count(*)::int as count, state = 'pending-approval' as "isWaiting",
      (array_agg(user_name order by state_since))[1:5] as "userNames"
    from account_links
    where state not in ('linked', 'ended') and (state = 'pending-approval' or state_since < now() - interval '24 hours')
    group by endpoint, state = 'pending-approval'`.execute(db);
  return rows;
}
