/** Names that narrow a branch until its rename, or that of its repository, is verified (rule A5). */
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";

/** Adds a name whose policy narrows these scopes until their rename is verified (rule A5). */
export async function addStrictName(trx: Queryable, incarnationId: string, name: string): Promise<void> {
  await trx
    .updateTable("scopes")
    .set({
      strict_names: sql<string[]>`array_append(array_remove(strict_names, ${name}), ${name})`,
      references_stale: true,
    })
    .where("incarnation_id", "=", incarnationId)
    .execute();
}

/** Has whoever loses access on these branches lose it by the renaming of their repository, whatever guards say (rule C1). */
export async function narrowByRenaming(
  trx: Queryable,
  branches: readonly { readonly id: string; readonly name: string }[],
): Promise<void> {
  await sql`
    with locked as (
      select scopes.id, asked.name
      from scopes
      join unnest(${branches.map(({ id }) => id)}::uuid[], ${branches.map(({ name }) => name)}::text[])
        as asked (incarnation_id, name) using (incarnation_id)
      order by scopes.id
      for no key update of scopes
    )
    update scopes set strict_names = array_append(array_remove(strict_names, locked.name), locked.name)
    from locked where scopes.id = locked.id`.execute(trx);
}

/** Former names whose policy still narrows the branch (rule A5), at one endpoint or at any. */
export async function listStrictNames(
  db: Queryable,
  incarnationId: string,
  endpoint?: string,
): Promise<readonly string[]> {
  let query = db.selectFrom("scopes").select("strict_names").where("incarnation_id", "=", incarnationId);
  if (endpoint !== undefined) query = query.where("endpoint", "=", endpoint);
  const rows = await query.execute();
  return [...new Set(rows.flatMap((row) => row.strict_names))];
}
