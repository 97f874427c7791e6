/** Revisions that answer for an incarnation: heads that it had, or that were queued for it (rules D1, D3), each with what its scopes had to reach. */
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";

/** Key of an incarnation whose revision the source did not tell. */
const UNKNOWN_REVISION = "";

/** A revision as heads are kept by. */
export function toRevisionKey(revision: string | null): string {
  return revision ?? UNKNOWN_REVISION;
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
    .where("revision", "=", toRevisionKey(revision))
    .executeTakeFirst();
  return row === undefined ? undefined : { requested: row.requested as Record<string, number>, ageMs: row.ageMs };
}
