/** Stored deliveries applied again. */
import type { RefType } from "@branchward/core";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";

export interface Replay {
  readonly id: string;
  readonly deliveryId: string;
  /** The client that asked. */
  readonly by: string;
  readonly at: Date;
  readonly outcome: "accepted" | "ignored";
  readonly note: string | null;
  /** Scopes asked to be looked at. */
  readonly scopes: number;
}

const columns = [
  "id",
  "delivery_id as deliveryId",
  "requested_by as by",
  "created_at as at",
  "outcome",
  "note",
  "scopes",
] as const;

/** Opens a replay; waits for a concurrent twin. Undefined when one of this id is there already. */
export async function insertReplay(
  trx: Queryable,
  replay: Pick<Replay, "id" | "deliveryId" | "by" | "outcome" | "note">,
): Promise<Replay | undefined> {
  return trx
    .insertInto("delivery_replays")
    .values({
      id: replay.id,
      delivery_id: replay.deliveryId,
      requested_by: replay.by,
      outcome: replay.outcome,
      note: replay.note,
    })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .returning(columns)
    .executeTakeFirst();
}

/** Notes how many scopes a replay asked for. */
export async function setReplayScopes(trx: Queryable, id: string, scopes: number): Promise<void> {
  await trx.updateTable("delivery_replays").set({ scopes }).where("id", "=", id).execute();
}

export async function findReplay(db: Queryable, id: string): Promise<Replay | undefined> {
  return db.selectFrom("delivery_replays").select(columns).where("id", "=", id).executeTakeFirst();
}

/** Newest first. */
export async function listReplays(db: Queryable, deliveryId: string): Promise<readonly Replay[]> {
  return db
    .selectFrom("delivery_replays")
    .select(columns)
    .where("delivery_id", "=", deliveryId)
    .orderBy("created_at", "desc")
    .execute();
}

/** What a delivery means now: one that was ignored may be accepted under today's configuration. */
export async function setDeliveryOutcome(
  trx: Queryable,
  id: string,
  meaning: {
    readonly outcome: "accepted" | "ignored";
    readonly note: string | null;
    readonly repositoryId: string | null;
  },
): Promise<void> {
  await trx
    .updateTable("deliveries")
    .set({
      outcome: meaning.outcome,
      note: meaning.note,
      repository_id: sql<string | null>`coalesce(${meaning.repositoryId}::uuid, repository_id)`,
    })
    .where("id", "=", id)
    .execute();
}

/** The newest delivery of the repository; 0 where there is none. */
export async function findLastDeliverySeq(db: Queryable, repositoryId: string): Promise<number> {
  const row = await db
    .selectFrom("deliveries")
    .select((eb) => eb.fn.max("seq").as("seq"))
    .where("repository_id", "=", repositoryId)
    .executeTakeFirst();
  return row?.seq ?? 0;
}

/** The names of a repository's refs that deliveries after this one have changed. What a merge queue tries changes none. */
export async function listNamesChangedSince(
  trx: Queryable,
  repositoryId: string,
  deliverySeq: number,
): Promise<readonly { readonly refType: RefType; readonly name: string }[]> {
  const { rows } = await sql<{ refType: RefType; name: string }>`
    select distinct e.ref_type as "refType", named.name
    from deliveries d
    join branch_events e on e.delivery_id = d.id
    cross join lateral (values (e.name), (e.previous_name)) as named (name)
    where d.repository_id = ${repositoryId} and d.seq > ${deliverySeq}
      and e.kind <> 'checkout' and e.incarnation_id is not null and named.name is not null
      and e.note is distinct from 'merge-queue'`.execute(trx);
  return rows;
}

/** True when the working copy is known to have gone somewhere at or after this time. */
export async function hasCheckoutSince(
  trx: Queryable,
  { repositoryId, workingCopy, at }: { readonly repositoryId: string; readonly workingCopy: string; readonly at: Date },
): Promise<boolean> {
  const row = await trx
    .selectFrom("checkouts")
    .select("id")
    .where("repository_id", "=", repositoryId)
    .where("working_copy", "=", workingCopy)
    .where((where) => where.or([where("started_at", ">=", at), where("ended_at", ">=", at)]))
    .executeTakeFirst();
  return row !== undefined;
}
