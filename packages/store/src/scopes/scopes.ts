/** Scopes: incarnation × endpoint, what was requested of them and what was reached. */
import type { Verdict } from "@branchward/core";
import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import { restMs } from "../branches/rests.ts";
import type { Queryable } from "../connection/database.ts";
import type { DueReason } from "../tables.ts";

export interface RequestedScope {
  readonly id: string;
  readonly incarnationId: string;
  readonly endpoint: string;
  readonly requested: number;
}

const requestedColumns = ["id", "incarnation_id as incarnationId", "endpoint", "requested"] as const;

/** Makes the missing scopes of an incarnation; existing ones stay as they are. */
export async function ensureScopes(
  trx: Queryable,
  incarnationId: string,
  endpoints: readonly string[],
  reason: string,
): Promise<void> {
  if (endpoints.length === 0) return;
  await trx
    .insertInto("scopes")
    // `requested` starts at 0: the request that follows in the same transaction makes it 1.
    .values(
      endpoints.map((endpoint) => ({ id: uuidv7(), incarnation_id: incarnationId, endpoint, reason, requested: 0 })),
    )
    .onConflict((conflict) => conflict.columns(["incarnation_id", "endpoint"]).doNothing())
    .execute();
}

/** As `ensureScopes`, for many incarnations at once. */
export async function ensureScopesOf(
  trx: Queryable,
  scopes: readonly { readonly incarnationId: string; readonly endpoint: string }[],
  reason: string,
): Promise<void> {
  if (scopes.length === 0) return;
  await sql`
    insert into scopes (id, incarnation_id, endpoint, reason, requested)
    select id, incarnation_id, endpoint, ${reason}, 0
    from unnest(
      ${scopes.map(() => uuidv7())}::uuid[],
      ${scopes.map(({ incarnationId }) => incarnationId)}::uuid[],
      ${scopes.map(({ endpoint }) => endpoint)}::text[]
    ) as wanted (id, incarnation_id, endpoint)
    on conflict (incarnation_id, endpoint) do nothing`.execute(trx);
}

/** Asks for another look at every scope of these incarnations, each for its reason. Rows are locked in id order. */
export async function requestScopesOf(
  trx: Queryable,
  incarnations: ReadonlyMap<string, string>,
): Promise<readonly RequestedScope[]> {
  if (incarnations.size === 0) return [];
  const ids = [...incarnations.keys()];
  const reasons = [...incarnations.values()];
  const result = await sql<RequestedScope>`
    with locked as (
      select scopes.id, asked.reason
      from scopes
      join unnest(${ids}::uuid[], ${reasons}::text[]) as asked (incarnation_id, reason) using (incarnation_id)
      order by scopes.id
      for no key update of scopes
    )
    update scopes
    set requested = requested + 1, requested_at = now(), reason = locked.reason, pushed = 0
    from locked
    where scopes.id = locked.id
    returning scopes.id, scopes.incarnation_id as "incarnationId", scopes.endpoint, scopes.requested`.execute(trx);
  return result.rows;
}

/** Asks for another look at the scopes of an incarnation whose verdict is older than so many milliseconds (rule C9). */
export async function requestStaleScopesOf(
  trx: Queryable,
  incarnationId: string,
  minIntervalMs: number,
): Promise<readonly RequestedScope[]> {
  const rows = await trx
    .selectFrom("scopes")
    .select("id")
    .where("incarnation_id", "=", incarnationId)
    .whereRef("requested", "<=", "reconciled")
    .where("verdict_at", "<", sql<Date>`now() - ${minIntervalMs} * interval '1 millisecond'`)
    .execute();
  return requestScopes(
    trx,
    rows.map(({ id }) => id),
    "checkout",
  );
}

/** Asks for another look at these scopes. Rows are locked in id order. */
export async function requestScopes(
  trx: Queryable,
  scopeIds: readonly string[],
  reason: string,
): Promise<readonly RequestedScope[]> {
  if (scopeIds.length === 0) return [];
  return trx
    .with("locked", (db) =>
      db
        .selectFrom("scopes")
        .select("id")
        // One parameter: a statement has 65,535 at most.
        .where(sql<boolean>`id = any(${[...scopeIds]}::uuid[])`)
        .orderBy("id")
        .forNoKeyUpdate(),
    )
    .updateTable("scopes")
    .set({ requested: sql<number>`requested + 1`, requested_at: sql<Date>`now()`, reason, pushed: 0 })
    .where("id", "in", (eb) => eb.selectFrom("locked").select("id"))
    .returning(requestedColumns)
    .execute();
}

/**
 * Asks for a look at a scope that takes nothing for granted: what a run without the lease wrote may stand beside the groups
 * that are bound (rule C4). It counts as a failure of the scope, so that no later reason makes the look a lesser one.
 */
export async function requestWhole(trx: Queryable, scopeId: string): Promise<RequestedScope | undefined> {
  return trx
    .updateTable("scopes")
    .set({
      requested: sql<number>`requested + 1`,
      requested_at: sql<Date>`now()`,
      reason: "recheck",
      pushed: 0,
      failures: sql<number>`greatest(failures, 1)`,
    })
    .where("id", "=", scopeId)
    .returning(requestedColumns)
    .executeTakeFirst();
}

/** A scope that is asked for and not reached, and how long it may still wait for its turn. */
export interface UnreconciledScope extends RequestedScope {
  readonly restMs: number;
}

/** Scopes asked for and not reached, quiet for `quietMs`: what the sweeper looks after. Oldest first. */
export async function listUnreconciled(
  db: Queryable,
  { quietMs, limit }: { readonly quietMs: number; readonly limit: number },
): Promise<readonly UnreconciledScope[]> {
  return db
    .selectFrom("scopes")
    .select(requestedColumns)
    .select(restMs(sql`reconciled`).as("restMs"))
    .where(sql<boolean>`requested > reconciled`)
    .where("requested_at", "<", sql<Date>`now() - ${quietMs} * interval '1 millisecond'`)
    .where((where) => where.or([where("lease_until", "is", null), where("lease_until", "<", sql<Date>`now()`)]))
    .orderBy("requested_at")
    .limit(limit)
    .execute();
}

/** Takes the timers that came due and asks for their scopes. */
export async function requestDueScopes(db: Queryable, limit: number): Promise<readonly DueScope[]> {
  return db
    .with("due", (with_) =>
      with_
        .selectFrom("scopes")
        .select("id")
        .where("due_at", "<=", sql<Date>`now()`)
        .orderBy("id")
        .limit(limit)
        .forNoKeyUpdate()
        .skipLocked(),
    )
    .updateTable("scopes")
    .set({
      requested: sql<number>`requested + 1`,
      requested_at: sql<Date>`now()`,
      reason: "timer",
      pushed: 0,
      due_at: null,
    })
    .where("id", "in", (eb) => eb.selectFrom("due").select("id"))
    .returning([...requestedColumns, "due_reason as dueReason"])
    .execute();
}

export interface DueScope extends RequestedScope {
  readonly dueReason: DueReason | null;
}

/** As `requestDueScopes`, for one scope; undefined when its timer is not due. */
export async function requestDueScope(trx: Queryable, scopeId: string): Promise<DueScope | undefined> {
  const row = await trx
    .updateTable("scopes")
    .set({
      requested: sql<number>`requested + 1`,
      requested_at: sql<Date>`now()`,
      reason: "timer",
      pushed: 0,
      due_at: null,
    })
    .where("id", "=", scopeId)
    .where("due_at", "<=", sql<Date>`now()`)
    .returning([...requestedColumns, "due_reason as dueReason"])
    .executeTakeFirst();
  return row;
}

export interface ScopeState {
  readonly id: string;
  readonly endpoint: string;
  readonly requested: number;
  readonly reconciled: number;
  readonly verdict: Verdict | null;
  readonly verdictAt: Date | null;
  readonly mismatches: readonly unknown[];
  readonly lastSync: string | null;
  readonly dueAt: Date | null;
}

export async function listScopesOf(db: Queryable, incarnationId: string): Promise<readonly ScopeState[]> {
  const rows = await db
    .selectFrom("scopes")
    .select([
      "id",
      "endpoint",
      "requested",
      "reconciled",
      "verdict",
      "verdict_at as verdictAt",
      "mismatches",
      "due_at as dueAt",
    ])
    .select((eb) =>
      eb
        .selectFrom("syncs")
        .select("syncs.id")
        .whereRef("syncs.scope_id", "=", "scopes.id")
        .orderBy("seq", "desc")
        .limit(1)
        .as("lastSync"),
    )
    .where("incarnation_id", "=", incarnationId)
    .orderBy("endpoint")
    .execute();
  return rows.map((row) => ({ ...row, mismatches: row.mismatches as readonly unknown[] }));
}

/** In no order; ids that are not there are left out. */
export async function listScopesById(
  db: Queryable,
  ids: readonly string[],
): Promise<readonly Pick<ScopeState, "id" | "endpoint">[]> {
  return db
    .selectFrom("scopes")
    .select(["id", "endpoint"])
    .where("id", "in", [...ids])
    .execute();
}
