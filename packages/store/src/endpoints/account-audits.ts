/** What a round of an audit makes of an endpoint's accounts that are ours to keep (rules C5, C9). */
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import type { RequestedAccount } from "../people/account-links.ts";
import type { AuditRound } from "./audits.ts";

/** An account as the endpoint lists it. */
export interface ListedAccount {
  readonly id: string;
  readonly userName: string;
  /** Null where the endpoint does not say. */
  readonly active: boolean | null;
}

/**
 * Notes which accounts were seen, and asks for another look at those that are open though their user is not, closed though
 * their user is, or of another name. What a run is asked for or at work on says nothing. @returns them: each needs a job
 */
export async function auditAccounts(
  trx: Queryable,
  endpoint: string,
  accounts: readonly ListedAccount[],
): Promise<readonly RequestedAccount[]> {
  if (accounts.length === 0) return [];
  const { rows } = await sql<RequestedAccount & { readonly differs: boolean }>`
    with seen as (
      select * from jsonb_to_recordset(${JSON.stringify(accounts)}::jsonb) as s(id text, "userName" text, active boolean)
    ), known as (
      select a.user_id, a.requested <= a.reconciled and (a.lease_until is null or a.lease_until < now()) and (
          coalesce(seen.active, u.active, false) <> coalesce(u.active, false)
          or lower(seen."userName") <> lower(a.user_name)
        ) as differs
      from account_links a
      join seen on seen.id = a.account_id
      left join directory_users u on u.id = a.user_id
      where a.endpoint = ${endpoint} and a.managed and a.state in ('linked', 'ended')
      order by a.user_id for update of a
    )
    update account_links set
      audited_at = clock_timestamp(),
      requested = requested + case when known.differs then 1 else 0 end,
      requested_at = case when known.differs then now() else requested_at end
    from known
    where account_links.endpoint = ${endpoint} and account_links.user_id = known.user_id
    returning account_links.endpoint, account_links.user_id as "userId", known.differs`.execute(trx);
  return rows.flatMap(({ differs, ...account }) => (differs ? [account] : []));
}

/** Asks for another look at accounts of active users that the whole round did not show. @returns them: each needs a job */
export async function requestUnseenAccounts(
  trx: Queryable,
  { endpoint, startedAt }: Pick<AuditRound, "endpoint" | "startedAt">,
): Promise<readonly RequestedAccount[]> {
  const { rows } = await sql<RequestedAccount>`
    with unseen as (
      select a.user_id from account_links a join directory_users u on u.id = a.user_id and u.active
      where a.endpoint = ${endpoint} and a.managed and a.state = 'linked' and a.requested <= a.reconciled
        and a.verified_at < ${startedAt} and (a.audited_at is null or a.audited_at < ${startedAt})
      order by a.user_id for update of a
    )
    update account_links set requested = requested + 1, requested_at = now()
    from unseen
    where account_links.endpoint = ${endpoint} and account_links.user_id = unseen.user_id
    returning account_links.endpoint, account_links.user_id as "userId"`.execute(trx);
  return rows;
}
