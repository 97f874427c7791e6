/** Heads that an incarnation had, each with what its scopes had to reach for it (rule D1). */
import { sql } from "kysely";
import type { Queryable } from "./database.ts";
import type { RequestedScope } from "./scopes.ts";

/** Key of an incarnation whose revision the source did not tell. */
const UNKNOWN_REVISION = "";

/** Records that an event set these values for a head; a head seen again takes the newer values. */
export async function recordHead(
  trx: Queryable,
  incarnationId: string,
  revision: string | null,
  scopes: readonly RequestedScope[],
): Promise<void> {
  const requested = JSON.stringify(Object.fromEntries(scopes.map((scope) => [scope.id, scope.requested])));
  await trx
    .insertInto("incarnation_heads")
    .values({ incarnation_id: incarnationId, revision: revision ?? UNKNOWN_REVISION, requested })
    .onConflict((conflict) =>
      conflict.columns(["incarnation_id", "revision"]).doUpdateSet({ requested, seen_at: sql<Date>`now()` }),
    )
    .execute();
}

export interface HeadRequest {
  /** Scope id → the value that it has to reach. */
  readonly requested: Readonly<Record<string, number>>;
  /** Age of the event that set it, by the database's clock. */
  readonly ageMs: number;
}

export async function findHead(
  db: Queryable,
  incarnationId: string,
  revision: string | null,
): Promise<HeadRequest | undefined> {
  const row = await db
    .selectFrom("incarnation_heads")
    .select(["requested", sql<number>`(extract(epoch from clock_timestamp() - seen_at) * 1000)::float8`.as("ageMs")])
    .where("incarnation_id", "=", incarnationId)
    .where("revision", "=", revision ?? UNKNOWN_REVISION)
    .executeTakeFirst();
  return row === undefined ? undefined : { requested: row.requested as Record<string, number>, ageMs: row.ageMs };
}
