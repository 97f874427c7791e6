/** Where working copies are (rule B6): one open row each, ended when the working copy moves on. */
import type { CheckoutClaim, Trust, UserId } from "@branchward/core";
import { type RawBuilder, sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";
import { nameKey } from "../name-key.ts";
import { prepared } from "../connection/prepared-statements.ts";

export interface CheckoutEvent {
  readonly repositoryId: string;
  readonly deliveryId: string;
  readonly actor: string;
  readonly trust: Trust;
  readonly userId: string | null;
  readonly checkout: CheckoutClaim;
  /** min(occurredAt, receivedAt). */
  readonly startedAt: Date;
  /** By the database's clock. */
  readonly receivedAt: Date;
}

export interface CheckoutMove {
  /** Incarnations whose just-in-time grants may have changed. */
  readonly touched: readonly string[];
  /** The incarnation that the working copy is on now; null when it is on none that the registry knows. */
  readonly entered: string | null;
  /** Why nothing moved. */
  readonly note: "stale" | "unchanged" | null;
}

interface OpenRow {
  readonly id: string;
  readonly name_key: string;
  readonly incarnation_id: string | null;
  readonly user_id: string | null;
  readonly trust: Trust;
  readonly started_at: Date;
}

/** Moves a working copy to where the event says it is. A repeated checkout of the same branch extends nothing. */
export async function moveCheckout(trx: Queryable, event: CheckoutEvent): Promise<CheckoutMove> {
  const { repositoryId, checkout, startedAt } = event;
  const open = await trx
    .selectFrom("checkouts")
    .select(["id", "name_key", "incarnation_id", "user_id", "trust", "started_at"])
    .where("repository_id", "=", repositoryId)
    .where("working_copy", "=", checkout.workingCopy)
    .where("ended_at", "is", null)
    .forUpdate()
    .executeTakeFirst();
  if (open !== undefined && isOlder(event, open)) return { touched: [], entered: null, note: "stale" };
  const key = checkout.name === null ? null : nameKey(checkout.refType, checkout.name);
  const live = key === null ? null : await findLive(trx, event, key);
  // A branch made anew under the name is another one (rule A6): standing on it begins now.
  const isElsewhere = live !== null && live !== open?.incarnation_id;
  if (open !== undefined && isSameStay(open, key, event.userId) && !isElsewhere) {
    const isRaised = open.trust === "claim" && event.trust === "token";
    if (isRaised) await trx.updateTable("checkouts").set({ trust: "token" }).where("id", "=", open.id).execute();
    const touched = isRaised && open.incarnation_id !== null ? [open.incarnation_id] : [];
    return { touched, entered: open.incarnation_id, note: "unchanged" };
  }
  if (open !== undefined) await endCheckout(trx, open.id, startedAt);
  if (checkout.name !== null && key !== null)
    await startCheckout(trx, event, { name: checkout.name, key, incarnationId: live });
  const entered = live;
  const touched = [open?.incarnation_id, entered].filter((id): id is string => typeof id === "string");
  return { touched: [...new Set(touched)], entered, note: null };
}

/** A stay that began after this was received is one of before the database's clock went back, and orders nothing. */
function isOlder({ startedAt, receivedAt }: CheckoutEvent, open: OpenRow): boolean {
  return open.started_at > startedAt && open.started_at <= receivedAt;
}

/** A better proof of who is there makes the stay no other, and no longer. */
function isSameStay(open: OpenRow, key: string | null, userId: string | null): boolean {
  return open.name_key === key && open.user_id === userId;
}

async function endCheckout(trx: Queryable, id: string, at: Date): Promise<void> {
  await trx.updateTable("checkouts").set({ ended_at: at }).where("id", "=", id).execute();
}

/** The branch that bears the name, null while the registry does not know it (rule A1). */
async function findLive(
  trx: Queryable,
  { repositoryId, checkout }: CheckoutEvent,
  key: string,
): Promise<string | null> {
  const live = await trx
    .selectFrom("incarnations")
    .select("id")
    .where("repository_id", "=", repositoryId)
    .where("ref_type", "=", checkout.refType)
    .where("name_key", "=", key)
    .where("state", "<>", "deleted")
    .executeTakeFirst();
  return live?.id ?? null;
}

async function startCheckout(
  trx: Queryable,
  event: CheckoutEvent,
  on: { readonly name: string; readonly key: string; readonly incarnationId: string | null },
): Promise<void> {
  const { refType, workingCopy } = event.checkout;
  await trx
    .insertInto("checkouts")
    .values({
      id: uuidv7(),
      repository_id: event.repositoryId,
      working_copy: workingCopy,
      delivery_id: event.deliveryId,
      actor: event.actor,
      trust: event.trust,
      user_id: event.userId,
      incarnation_id: on.incarnationId,
      ref_type: refType,
      name: on.name,
      name_key: on.key,
      started_at: event.startedAt,
    })
    .execute();
}

/** What binds working copies that were on a name before the registry knew it, to these that bear the names now. */
export function bindWaitingCheckouts(
  repositoryId: string,
  incarnations: readonly { readonly id: string; readonly name_key: string }[],
): RawBuilder<object> {
  return sql`
    update checkouts set incarnation_id = known.id
    from unnest(
      ${incarnations.map(({ id }) => id)}::uuid[], ${incarnations.map((known) => known.name_key)}::text[]
    ) as known (id, name_key)
    where repository_id = ${repositoryId} and checkouts.name_key = known.name_key
      and incarnation_id is null and ended_at is null`;
}

/** Moves the working copies of an incarnation that was merged into another (rule A5). */
export async function moveCheckouts(trx: Queryable, from: string, to: string): Promise<void> {
  await trx
    .updateTable("checkouts")
    .set({ incarnation_id: to })
    .where("incarnation_id", "=", from)
    .where("ended_at", "is", null)
    .execute();
}

/** Ends every stay on a branch that was closed (rule A7): reopened, it has standing grants alone. */
export async function endCheckoutsOf(trx: Queryable, incarnationId: string): Promise<void> {
  await trx
    .updateTable("checkouts")
    .set({ ended_at: sql<Date>`now()` })
    .where("incarnation_id", "=", incarnationId)
    .where("ended_at", "is", null)
    .execute();
}

/** Ends the stays that a device told of, once its token is revoked. @returns the incarnations that it left */
export async function endCheckoutsOfToken(trx: Queryable, tokenId: string): Promise<readonly string[]> {
  const rows = await trx
    .updateTable("checkouts")
    .from("deliveries")
    .set({ ended_at: sql<Date>`now()` })
    .whereRef("deliveries.id", "=", "checkouts.delivery_id")
    .where("deliveries.token_id", "=", tokenId)
    .where("checkouts.ended_at", "is", null)
    .returning("checkouts.incarnation_id as id")
    .execute();
  return [...new Set(rows.flatMap(({ id }) => (id === null ? [] : [id])))];
}

export interface OpenCheckout {
  readonly userId: UserId;
  readonly workingCopy: string;
  readonly trust: Trust;
  readonly startedAt: Date;
}

/** How long it is known of a user that he was there: that he left ends what he held, as its time does. */
export const LEFT_FOR = "7 days";

/** Who was on the branch lately and left, as far as the actor is known; of each the last stay. */
export async function listLeftCheckouts(
  db: Queryable,
  incarnationId: string,
): Promise<readonly (OpenCheckout & { readonly endedAt: Date })[]> {
  const rows = await db
    .selectFrom("checkouts")
    .distinctOn("user_id")
    .select([
      sql<UserId>`user_id`.as("userId"),
      "working_copy as workingCopy",
      "trust",
      "started_at as startedAt",
      sql<Date>`ended_at`.as("endedAt"),
    ])
    .where("incarnation_id", "=", incarnationId)
    .where("user_id", "is not", null)
    .where("ended_at", ">", sql<Date>`now() - ${LEFT_FOR}::interval`)
    .orderBy("user_id")
    .orderBy("ended_at", "desc")
    .modifyEnd(prepared)
    .execute();
  return rows;
}

/** Who is on the branch now, as far as the actor is known. */
export async function listOpenCheckouts(db: Queryable, incarnationId: string): Promise<readonly OpenCheckout[]> {
  const rows = await db
    .selectFrom("checkouts")
    .select([sql<UserId>`user_id`.as("userId"), "working_copy as workingCopy", "trust", "started_at as startedAt"])
    .where("incarnation_id", "=", incarnationId)
    .where("user_id", "is not", null)
    .where("ended_at", "is", null)
    .orderBy("started_at")
    .modifyEnd(prepared)
    .execute();
  return rows;
}

/** A working copy on the branch, whether or not its actor is known. */
export interface StandingCheckout extends Omit<OpenCheckout, "userId"> {
  readonly userId: UserId | null;
  readonly actor: string;
}

/** Every working copy that stands on the branch, newest first. */
export async function listStandingCheckouts(
  db: Queryable,
  incarnationId: string,
): Promise<readonly StandingCheckout[]> {
  return db
    .selectFrom("checkouts")
    .select([
      sql<UserId | null>`user_id`.as("userId"),
      "working_copy as workingCopy",
      "actor",
      "trust",
      "started_at as startedAt",
    ])
    .where("incarnation_id", "=", incarnationId)
    .where("ended_at", "is", null)
    .orderBy("started_at", "desc")
    .execute();
}
