/** Scopes that met a user without an account: what they wait for, and that it is looked for. */
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import type { RequestedAccount } from "./account-links.ts";

/** Takes the scopes that waited for an account. */
export async function takeWaitingScopes(
  trx: Queryable,
  { endpoint, userId }: RequestedAccount,
): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    delete from account_waits where endpoint = ${endpoint} and user_id = ${userId} returning scope_id as id`.execute(
    trx,
  );
  return rows.map(({ id }) => id);
}

/** Asks for another look at the accounts that a branch waits for. @returns them: each needs a job */
export async function requestAwaitedAccounts(
  trx: Queryable,
  incarnationId: string,
): Promise<readonly RequestedAccount[]> {
  const { rows } = await sql<RequestedAccount>`
    with locked as (
      select a.endpoint, a.user_id from account_links a
      where managed and state not in ('linked', 'ended') and exists (
        select from account_waits w join scopes s on s.id = w.scope_id and s.incarnation_id = ${incarnationId}
        where w.endpoint = a.endpoint and w.user_id = a.user_id
      )
      order by a.endpoint, a.user_id for update
    )
    update account_links set requested = requested + 1, requested_at = now()
    from locked
    where account_links.endpoint = locked.endpoint and account_links.user_id = locked.user_id
    returning account_links.endpoint, account_links.user_id as "userId"`.execute(trx);
  return rows;
}
