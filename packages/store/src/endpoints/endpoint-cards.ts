/** What endpoints were seen to do when they were tried out. */
import type { EndpointCard } from "@branchward/core";
import { sql } from "kysely";
import type { Database, Queryable } from "../connection/database.ts";
import { wakeFailed } from "./endpoint-gates.ts";

/** The outcome of the last try. */
export interface RecordedCard {
  readonly endpoint: string;
  /** Of the last try that came to its end; null before. */
  readonly card: EndpointCard | null;
  readonly at: Date | null;
  /** Why the last try did not come to its end; null when it did. */
  readonly error: string | null;
}

/** What is recorded of these endpoints. */
export async function listEndpointCards(db: Queryable, endpoints: readonly string[]): Promise<readonly RecordedCard[]> {
  const { rows } = await sql<RecordedCard>`
    select endpoint, card, card_at as at, card_error as error from endpoint_states where endpoint = any(${endpoints})`.execute(
    db,
  );
  return rows;
}

export async function findEndpointCard(db: Queryable, endpoint: string): Promise<EndpointCard | undefined> {
  const [recorded] = await listEndpointCards(db, [endpoint]);
  return recorded?.card ?? undefined;
}

/** True once an endpoint was tried out, however that ended. */
export async function isEndpointTried(db: Queryable, endpoint: string): Promise<boolean> {
  const [recorded] = await listEndpointCards(db, [endpoint]);
  return recorded !== undefined && recorded.at !== null;
}

/** Records how a try ended; a card stays when a later try fails. What failed there is due: it may go by the new card. */
export async function saveEndpointCard(
  db: Database,
  endpoint: string,
  outcome: { readonly card: EndpointCard } | { readonly error: string },
): Promise<void> {
  const card = "card" in outcome ? JSON.stringify(outcome.card) : null;
  const error = "error" in outcome ? outcome.error : null;
  await db.transaction().execute(async (trx) => {
    await sql`
      insert into endpoint_states (endpoint, card, card_at, card_error)
      values (${endpoint}, ${card}::jsonb, now(), ${error})
      on conflict (endpoint) do update set
        card = coalesce(excluded.card, endpoint_states.card),
        card_at = excluded.card_at, card_error = excluded.card_error, updated_at = now()`.execute(trx);
    if (card !== null) await wakeFailed(trx, endpoint);
  });
}

/** Notes the group that a try is about to make, so that another one finds it after a crash; null once it is gone. */
export async function saveProbeGroup(db: Queryable, endpoint: string, externalId: string | null): Promise<void> {
  await sql`
    insert into endpoint_states (endpoint, probe_external_id) values (${endpoint}, ${externalId})
    on conflict (endpoint) do update set probe_external_id = excluded.probe_external_id`.execute(db);
}

export async function findProbeGroup(db: Queryable, endpoint: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("endpoint_states")
    .select("probe_external_id")
    .where("endpoint", "=", endpoint)
    .executeTakeFirst();
  return row?.probe_external_id ?? undefined;
}

/** Accounts at an endpoint that are known to be somebody's. */
export async function listLinkedAccountIds(db: Queryable, endpoint: string, limit: number): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    select account_id as id from account_links
    where endpoint = ${endpoint} and state = 'linked' and account_id is not null order by user_id limit ${limit}`.execute(
    db,
  );
  return rows.map(({ id }) => id);
}
