import type { BranchEvent, DeliveryId, RefType, UserId } from "@branchward/core";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { containing } from "../like-pattern.ts";
import { prepared } from "../connection/prepared-statements.ts";

export interface NewDelivery {
  readonly id: string;
  readonly source: string;
  /** The source's id of the delivery. */
  readonly deliveryKey: string;
  readonly bodyDigest: Buffer;
  readonly event: string;
  readonly outcome: "accepted" | "ignored";
  readonly note: string | null;
  readonly repositoryId: string | null;
  readonly actor: string | null;
  /** Without secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly occurredAt: Date | null;
  /** The user that the actor is, as far as that is known. */
  readonly userId?: UserId | null;
  /** The device's token that it came with (rule B6). */
  readonly tokenId?: string | null;
}

/**
 * Inserts a delivery, unique by the source's id and by body (rule A4).
 * Waits for a concurrent twin; answers the first one's id when there is one already.
 */
export async function insertDelivery(
  trx: Queryable,
  delivery: NewDelivery,
): Promise<
  { readonly duplicate: false; readonly receivedAt: Date } | { readonly duplicate: true; readonly id: string }
> {
  const inserted = await trx
    .insertInto("deliveries")
    .modifyEnd(prepared)
    .values({
      id: delivery.id,
      source: delivery.source,
      delivery_key: delivery.deliveryKey,
      body_digest: delivery.bodyDigest,
      event: delivery.event,
      outcome: delivery.outcome,
      note: delivery.note,
      repository_id: delivery.repositoryId,
      actor: delivery.actor,
      headers: JSON.stringify(delivery.headers),
      body: delivery.body,
      occurred_at: delivery.occurredAt,
      user_id: delivery.userId ?? null,
      token_id: delivery.tokenId ?? null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning("received_at")
    .executeTakeFirst();
  if (inserted !== undefined) return { duplicate: false, receivedAt: inserted.received_at };
  const id = await findDuplicate(trx, delivery);
  if (id === undefined) throw new Error("a delivery conflicted with one that is not there");
  return { duplicate: true, id };
}

/** The id of the delivery that this one repeats, by the source's id first, then by body. */
export async function findDuplicate(
  db: Queryable,
  { source, deliveryKey, bodyDigest }: Pick<NewDelivery, "source" | "deliveryKey" | "bodyDigest">,
): Promise<string | undefined> {
  const row = await db
    .selectFrom("deliveries")
    .select("id")
    .where("source", "=", source)
    .where((where) => where.or([where("delivery_key", "=", deliveryKey), where("body_digest", "=", bodyDigest)]))
    .orderBy(sql`delivery_key = ${deliveryKey}`, "desc")
    .executeTakeFirst();
  return row?.id;
}

export async function insertBranchEvents(
  trx: Queryable,
  deliveryId: string,
  events: readonly (BranchEvent & { readonly incarnation: string | null })[],
  replayId: string | null = null,
): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map((event) => ({
    delivery_id: deliveryId,
    incarnation_id: event.incarnation,
    kind: event.kind,
    ref_type: event.refType,
    name: event.name,
    previous_name: event.previousName,
    before: event.before,
    after: event.after,
    note: event.note,
    replay_id: replayId,
  }));
  const insert = trx.insertInto("branch_events").values(rows);
  await (rows.length === 1 ? insert.modifyEnd(prepared) : insert).execute();
}

export interface DeliveryRow {
  readonly id: DeliveryId;
  readonly seq: number;
  readonly source: string;
  readonly deliveryKey: string;
  readonly event: string;
  readonly outcome: "accepted" | "ignored";
  readonly note: string | null;
  readonly repository: string | null;
  readonly actor: string | null;
  /** The user that the actor was when it came; null for nobody known. */
  readonly user: string | null;
  readonly occurredAt: Date | null;
  readonly receivedAt: Date;
}

function selectDeliveries(db: Queryable) {
  return db
    .selectFrom("deliveries")
    .leftJoin("repositories", "repositories.id", "deliveries.repository_id")
    .leftJoin("directory_users", "directory_users.id", "deliveries.user_id")
    .select([
      "deliveries.id as id",
      "deliveries.seq as seq",
      "deliveries.source as source",
      "deliveries.delivery_key as deliveryKey",
      "deliveries.event as event",
      "deliveries.outcome as outcome",
      "deliveries.note as note",
      "repositories.name as repository",
      "deliveries.actor as actor",
      "directory_users.user_name as user",
      "deliveries.occurred_at as occurredAt",
      "deliveries.received_at as receivedAt",
    ]);
}

export interface DeliveryFilter {
  readonly limit: number;
  /** `seq` of the last row of the page before. */
  readonly before?: number;
  readonly source?: string;
  readonly repository?: string;
  readonly event?: string;
  readonly outcome?: "accepted" | "ignored";
  /** Received at or after. */
  readonly since?: Date;
  /** Received before. */
  readonly until?: Date;
  /** Part of the repository's name, the actor, the event or the source's id of the delivery. */
  readonly text?: string;
}

/** Newest first. */
export async function listDeliveries(db: Queryable, filter: DeliveryFilter): Promise<readonly DeliveryRow[]> {
  let query = selectDeliveries(db).orderBy("deliveries.seq", "desc").limit(filter.limit);
  if (filter.before !== undefined) query = query.where("deliveries.seq", "<", filter.before);
  if (filter.source !== undefined) query = query.where("deliveries.source", "=", filter.source);
  if (filter.repository !== undefined) query = query.where("repositories.name", "=", filter.repository);
  if (filter.event !== undefined) query = query.where("deliveries.event", "=", filter.event);
  if (filter.outcome !== undefined) query = query.where("deliveries.outcome", "=", filter.outcome);
  if (filter.since !== undefined) query = query.where("deliveries.received_at", ">=", filter.since);
  if (filter.until !== undefined) query = query.where("deliveries.received_at", "<", filter.until);
  if (filter.text !== undefined) {
    const pattern = containing(filter.text);
    query = query.where((where) =>
      where.or([
        where("repositories.name", "ilike", pattern),
        where("deliveries.actor", "ilike", pattern),
        where("deliveries.event", "ilike", pattern),
        where("deliveries.delivery_key", "ilike", pattern),
      ]),
    );
  }
  return (await query.execute()).map(toDeliveryRow);
}

/** In no order; ids that are not there are left out. */
export async function listDeliveriesById(db: Queryable, ids: readonly string[]): Promise<readonly DeliveryRow[]> {
  if (ids.length === 0) return [];
  return (await selectDeliveries(db).where("deliveries.id", "in", ids).execute()).map(toDeliveryRow);
}

function toDeliveryRow<Row extends Omit<DeliveryRow, "id"> & { id: string }>(row: Row): Row & { id: DeliveryId } {
  return { ...row, id: row.id as DeliveryId };
}

export interface DeliveryDetails extends DeliveryRow {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The device's token that it came with; null for one that was signed. */
  readonly tokenId: string | null;
  readonly events: readonly RecordedBranchEvent[];
}

export interface RecordedBranchEvent extends BranchEvent {
  readonly at: Date;
  readonly incarnation: string | null;
  /** The replay that made it; null for the delivery itself. */
  readonly replay: string | null;
}

export async function findDelivery(db: Queryable, id: string): Promise<DeliveryDetails | undefined> {
  const row = await selectDeliveries(db)
    .select(["deliveries.headers as headers", "deliveries.body as body", "deliveries.token_id as tokenId"])
    .where("deliveries.id", "=", id)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const events = await db
    .selectFrom("branch_events")
    .select([
      "kind",
      "ref_type as refType",
      "name",
      "previous_name as previousName",
      "before",
      "after",
      "note",
      "created_at as at",
      "incarnation_id as incarnation",
      "replay_id as replay",
    ])
    .where("delivery_id", "=", id)
    .orderBy("id")
    .execute();
  const headers = row.headers as Record<string, string>;
  return { ...toDeliveryRow(row), headers, events: events satisfies readonly { refType: RefType }[] };
}

export interface BranchHistoryEvent extends BranchEvent {
  readonly at: Date;
  readonly delivery: DeliveryId;
  readonly source: string;
  readonly actor: string | null;
  /** The user that the actor was when it came; null for nobody known. */
  readonly user: string | null;
}

/** What happened to an incarnation, newest first. */
export async function listBranchHistory(
  db: Queryable,
  incarnationId: string,
  limit: number,
): Promise<readonly BranchHistoryEvent[]> {
  return db
    .selectFrom("branch_events")
    .innerJoin("deliveries", "deliveries.id", "branch_events.delivery_id")
    .leftJoin("directory_users", "directory_users.id", "deliveries.user_id")
    .select([
      "branch_events.created_at as at",
      "branch_events.kind as kind",
      "branch_events.ref_type as refType",
      "branch_events.name as name",
      "branch_events.previous_name as previousName",
      "branch_events.before as before",
      "branch_events.after as after",
      "branch_events.note as note",
      sql<DeliveryId>`deliveries.id`.as("delivery"),
      "deliveries.source as source",
      "deliveries.actor as actor",
      "directory_users.user_name as user",
    ])
    .where("branch_events.incarnation_id", "=", incarnationId)
    .orderBy("branch_events.id", "desc")
    .limit(limit)
    .execute();
}
