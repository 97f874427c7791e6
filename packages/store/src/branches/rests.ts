/**
 * When a scope may wait for its turn. A push moves a head and changes nobody's access: a branch that is pushed to again
 * and again, and was found right lately, is looked at once for many pushes. Who waits for its verdict gets it at once.
 */
import { type RawBuilder, sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";

/** So many pushes since anything else happened are looked at at once. */
const PUSHES_AT_ONCE = 1;
/** Once there were more, the next look waits until none has come for so long, */
const QUIET = "6 seconds";
/** and for so long after the last look at most. */
const LONGEST = "60 seconds";

/**
 * Of a row of `scopes`: milliseconds until its next look, where only pushes came since the request `seen`; else 0.
 * Nothing rests that is not verified.
 */
export function restMs(seen: RawBuilder<unknown>): RawBuilder<number> {
  return sql`case
    when verdict = 'verified' and pushed > ${sql.lit(PUSHES_AT_ONCE)} and scopes.requested - pushed <= ${seen}
    then greatest(0, ceil(1000 * extract(epoch from
      least(requested_at + ${sql.lit(QUIET)}::interval, verdict_at + ${sql.lit(LONGEST)}::interval) - now()
    )))::integer
    else 0 end`;
}

/** How long a scope may wait that was asked for again while a run worked that had seen the request `seen`. */
export async function findRest(db: Queryable, scopeId: string, seen: number): Promise<number> {
  const { rows } = await sql<{ ms: number }>`${prepared}
    select ${restMs(sql`${seen}::bigint`)} as ms from scopes where id = ${scopeId}`.execute(db);
  return rows[0]?.ms ?? 0;
}
