/**
 * What changed, for live readers: deliveries, branches, syncs and findings in the order of the transactions that wrote
 * them, up to the oldest transaction still open. A row that changes again comes again, at its newest position only.
 */
import { sql } from "kysely";
import type { Queryable } from "./connection/database.ts";

export type LiveRowType = "delivery" | "branch" | "sync" | "finding";

/** A position among the rows of all types: (xid, type, seq). */
export interface LivePosition {
  /** xid8 as text. */
  readonly xid: string;
  /** Place of the type in the order within a transaction; 0 before the first. */
  readonly rank: number;
  readonly seq: number;
}

export interface LiveRow extends LivePosition {
  readonly type: LiveRowType;
  readonly id: string;
}

/** The position after which everything is yet to come: nothing below it is still being written. */
export async function findLivePosition(db: Queryable): Promise<LivePosition> {
  const { rows } = await sql<{ xid: string }>`
    select pg_snapshot_xmin(pg_current_snapshot())::text as xid`.execute(db);
  return { xid: rows[0]?.xid ?? "0", rank: 0, seq: 0 };
}

/** True for a position that this database has not reached: it is another one, or was restored. */
export async function isBeyond(db: Queryable, { xid }: LivePosition): Promise<boolean> {
  const { rows } = await sql<{ beyond: boolean }>`
    select ${xid}::xid8 > pg_snapshot_xmax(pg_current_snapshot()) as beyond`.execute(db);
  return rows[0]?.beyond ?? true;
}

/** Tables by their rank. */
const TABLES = [
  { rank: 1, type: "delivery", table: "deliveries" },
  { rank: 2, type: "branch", table: "incarnations" },
  { rank: 3, type: "sync", table: "syncs" },
  { rank: 4, type: "finding", table: "findings" },
] as const;

/** The rows after a position, oldest first. */
export async function listLiveRows(db: Queryable, after: LivePosition, limit: number): Promise<readonly LiveRow[]> {
  const parts = TABLES.map(
    ({ rank, type, table }) => sql`
      (select xid, ${sql.lit(rank)} as rank, seq, ${sql.lit(type)} as type, id
      from ${sql.table(table)}
      where xid >= ${after.xid}::xid8
        and (xid, ${sql.lit(rank)}, seq) > (${after.xid}::xid8, ${after.rank}::int, ${after.seq}::bigint)
        and xid < pg_snapshot_xmin(pg_current_snapshot())
      order by xid, seq
      limit ${limit})`,
  );
  const { rows } = await sql<LiveRow>`
    select rows.xid::text as xid, rank, seq, type, id
    from (${sql.join(parts, sql` union all `)}) as rows
    order by rows.xid, rank, seq
    limit ${limit}`.execute(db);
  return rows;
}
