import { sql } from "kysely";
import type { Queryable } from "./connection/database.ts";
import type { ChangeCursor } from "./directory/changes.ts";

/** Reads how far a reader has come and keeps others from reading on until the transaction ends. */
export async function lockCursor(trx: Queryable, name: string): Promise<ChangeCursor> {
  await sql`insert into cursors (name, xid, id) values (${name}, '0', 0) on conflict do nothing`.execute(trx);
  const { rows } = await sql<ChangeCursor>`
    select xid::text as xid, id from cursors where name = ${name} for update
  `.execute(trx);
  return rows[0] ?? { xid: "0", id: 0 };
}

export async function saveCursor(trx: Queryable, name: string, { xid, id }: ChangeCursor): Promise<void> {
  await sql`update cursors set xid = ${xid}::xid8, id = ${id} where name = ${name}`.execute(trx);
}
