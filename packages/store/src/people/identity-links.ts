/** Links made by hand between an actor of a source and a user of the directory (rule B5). */
import type { UserId } from "@branchward/core";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";

export interface IdentityLink {
  readonly source: string;
  /** As the source names them, byte for byte. */
  readonly actor: string;
  readonly userId: UserId;
  /** Null where the directory has the user no more. */
  readonly userName: string | null;
  readonly linkedBy: string;
  readonly linkedAt: Date;
}

/** All of them, or those of one source, by source and actor. */
export async function listLinks(db: Queryable, source?: string): Promise<readonly IdentityLink[]> {
  let query = db
    .selectFrom("identity_links")
    .leftJoin("directory_users", "directory_users.id", "identity_links.user_id")
    .select([
      "source",
      "actor",
      sql<UserId>`identity_links.user_id`.as("userId"),
      "directory_users.user_name as userName",
      "linked_by as linkedBy",
      "linked_at as linkedAt",
    ])
    .orderBy("source")
    .orderBy("actor");
  if (source !== undefined) query = query.where("source", "=", source);
  return query.execute();
}

export interface NewLink {
  readonly source: string;
  readonly actor: string;
  readonly userId: UserId;
  readonly linkedBy: string;
}

/** Links an actor to a user, in place of whom it was linked to before. */
export async function upsertLink(trx: Queryable, { source, actor, userId, linkedBy }: NewLink): Promise<void> {
  const set = { user_id: userId, linked_by: linkedBy, linked_at: sql<Date>`now()` };
  await trx
    .insertInto("identity_links")
    .values({ source, actor, ...set })
    .onConflict((conflict) => conflict.columns(["source", "actor"]).doUpdateSet(set))
    .execute();
}

/** False where there is no such link. */
export async function deleteLink(trx: Queryable, source: string, actor: string): Promise<boolean> {
  const result = await trx
    .deleteFrom("identity_links")
    .where("source", "=", source)
    .where("actor", "=", actor)
    .executeTakeFirst();
  return result.numDeletedRows === 1n;
}

/**
 * Makes the working copies that stand somewhere by an actor's claims those of this user, or nobody's: a stay keeps its
 * start, so that nothing is extended.
 * @returns the incarnations concerned
 */
export async function assignCheckouts(
  trx: Queryable,
  { source, actor, userId }: { readonly source: string; readonly actor: string; readonly userId: UserId | null },
): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string | null }>`
    update checkouts set user_id = ${userId}
    from deliveries
    where deliveries.id = checkouts.delivery_id and deliveries.source = ${source} and checkouts.actor = ${actor}
      and checkouts.trust = 'claim' and checkouts.ended_at is null and checkouts.user_id is distinct from ${userId}
    returning checkouts.incarnation_id as id`.execute(trx);
  return [...new Set(rows.flatMap(({ id }) => (id === null ? [] : [id])))];
}
