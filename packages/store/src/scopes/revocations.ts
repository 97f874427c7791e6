/** Revocations (rule C3): rows that stand until everything they name is verified gone; the queue only makes them prompt. */
import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";

/** Whose access is to end: a user's everywhere, an incarnation's, or what has expired in one scope. */
export type RevocationKind = "user" | "incarnation" | "scope";

export interface RevocationRequest {
  readonly kind: RevocationKind;
  readonly id: string;
  /** Why: `inactive`, `deleted`, `closed`, `expired`. */
  readonly cause: string;
}

/** Asks for revocations in the transaction that knows their causes; one that stands already is asked once more. */
export async function requestRevocations(trx: Queryable, requests: readonly RevocationRequest[]): Promise<void> {
  if (requests.length === 0) return;
  await trx
    .insertInto("revocations")
    .values(requests.map(({ kind, id, cause }) => ({ id: uuidv7(), kind, subject: id, cause })))
    .onConflict((conflict) =>
      conflict
        .columns(["kind", "subject"])
        .where("done_at", "is", null)
        .doUpdateSet((eb) => ({
          requested: sql<number>`revocations.requested + 1`,
          cause: eb.ref("excluded.cause"),
          due_at: sql<Date>`now()`,
        })),
    )
    .execute();
}

/**
 * Asks for the revocation of a scope of which the ledger shows somebody whose time is over; one that stands is left to its
 * own pauses. @returns whether it was asked for
 */
export async function requestExpiredRevocation(trx: Queryable, scopeId: string): Promise<boolean> {
  const { rows } = await sql`
    insert into revocations (id, kind, subject, cause)
    select ${uuidv7()}, 'scope', ${scopeId}, 'expired' where exists (
      select from ledger_entries where scope_id = ${scopeId} and ended_at is null and jsonb_array_length(reasons) > 0
        and not exists (
          select from jsonb_array_elements(reasons) as reason
          where reason ->> 'until' is null or (reason ->> 'until')::timestamptz > now()
        )
    )
    on conflict (kind, subject) where done_at is null do nothing
    returning id`.execute(trx);
  return rows.length > 0;
}

export interface Revocation {
  readonly id: string;
  readonly kind: RevocationKind;
  readonly subject: string;
  readonly cause: string;
  readonly requested: number;
  readonly requestedAt: Date;
  readonly dueAt: Date;
  readonly attempts: number;
  /** Memberships or scopes that it was about when it began; null before. */
  readonly total: number | null;
  readonly outstanding: number | null;
  readonly lastError: string | null;
  readonly doneAt: Date | null;
}

function selectRevocations(db: Queryable) {
  return db
    .selectFrom("revocations")
    .select([
      "id",
      "kind",
      "subject",
      "cause",
      "requested",
      "requested_at as requestedAt",
      "due_at as dueAt",
      "attempts",
      "total",
      "outstanding",
      "last_error as lastError",
      "done_at as doneAt",
    ]);
}

/** The one that stands for this subject. */
export async function findOpenRevocation(
  db: Queryable,
  { kind, id }: Pick<RevocationRequest, "kind" | "id">,
): Promise<Revocation | undefined> {
  return selectRevocations(db)
    .where("kind", "=", kind)
    .where("subject", "=", id)
    .where("done_at", "is", null)
    .executeTakeFirst();
}

/**
 * What people call a revocation's subject: the user, also one who was deleted since, else the branch, and of a scope the
 * endpoint too. Null where nothing knows it any more.
 */
export async function nameRevoked(
  db: Queryable,
  { kind, subject }: Pick<Revocation, "kind" | "subject">,
): Promise<string | null> {
  if (kind === "user") {
    const { rows } = await sql<{ name: string | null }>`
      select coalesce(
        (select user_name from directory_users where id = ${subject}),
        (select details ->> 'userName' from directory_changes where kind = 'user.deleted' and resource_id = ${subject} limit 1)
      ) as name`.execute(db);
    return rows[0]?.name ?? null;
  }
  const { rows } = await sql<{ name: string }>`
    select r.name || ':' || i.name || coalesce(' at ' || s.endpoint, '') as name
    from incarnations i
    join repositories r on r.id = i.repository_id
    left join scopes s on s.id = ${subject}
    where i.id = coalesce((select incarnation_id from scopes where id = ${subject}), ${subject})`.execute(db);
  return rows[0]?.name ?? null;
}

/** Users who are active again have nothing to lose: what stands for them is looked at once more. @returns whose. */
export async function wakeRevocations(trx: Queryable, userIds: readonly string[]): Promise<readonly string[]> {
  if (userIds.length === 0) return [];
  const rows = await trx
    .updateTable("revocations")
    .set({ due_at: sql<Date>`now()` })
    .where("kind", "=", "user")
    .where("subject", "in", userIds)
    .where("done_at", "is", null)
    .returning("subject")
    .execute();
  return rows.map(({ subject }) => subject);
}

/** Standing ones first, then the newest. */
export async function listRevocations(db: Queryable, limit: number): Promise<readonly Revocation[]> {
  return selectRevocations(db)
    .orderBy(sql`done_at is not null`)
    .orderBy("requested_at", "desc")
    .limit(limit)
    .execute();
}

/** Standing ones whose time has come, oldest first: what the sweeper looks after. */
export async function listDueRevocations(
  db: Queryable,
  { quietMs, limit }: { readonly quietMs: number; readonly limit: number },
): Promise<readonly Revocation[]> {
  return selectRevocations(db)
    .where("done_at", "is", null)
    .where("due_at", "<", sql<Date>`now() - ${quietMs} * interval '1 millisecond'`)
    .orderBy("due_at")
    .limit(limit)
    .execute();
}

export interface RevocationOutcome {
  readonly total: number;
  readonly outstanding: number;
  readonly lastError: string | null;
  readonly retryMs: number;
}

/**
 * Records how far a run came. Nothing outstanding ends it, unless it was asked for anew. @returns whether it is done;
 * undefined where another run had ended it before
 */
export async function settleRevocation(
  trx: Queryable,
  revocation: Pick<Revocation, "id" | "requested">,
  { total, outstanding, lastError, retryMs }: RevocationOutcome,
): Promise<boolean | undefined> {
  const { rows } = await sql<{ done: boolean }>`
    update revocations set
      attempts = attempts + 1,
      total = greatest(coalesce(total, 0), ${total}),
      outstanding = ${outstanding},
      last_error = ${lastError},
      due_at = case when requested > ${revocation.requested} then now() else now() + ${retryMs} * interval '1 millisecond' end,
      done_at = case when ${outstanding} = 0 and requested = ${revocation.requested} then now() end
    where id = ${revocation.id} and done_at is null
    returning done_at is not null as done`.execute(trx);
  return rows[0]?.done;
}
