/** Break-glass holds: repair is suspended in what they cover, until they end by themselves. Times are the database's. */
import type { RefType } from "@branchward/core";
import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";
import { raiseFinding, resolveFindingMarked } from "../scopes/findings.ts";
import { prepared } from "../connection/prepared-statements.ts";
import { type RequestedScope, requestScopes } from "../scopes/scopes.ts";

/** A hold that stands on a scope. */
export interface StandingHold {
  readonly id: string;
  readonly reason: string;
  readonly madeBy: string;
  readonly until: Date;
}

export interface HeldScope {
  readonly repositoryId: string;
  readonly incarnationId: string;
  readonly endpoint: string;
}

/** The hold that stands on a scope now, the one that lasts longest. */
export async function findHold(db: Queryable, scope: HeldScope): Promise<StandingHold | null> {
  const row = await db
    .selectFrom("holds")
    .select(["id", "reason", "made_by as madeBy", "until_at as until"])
    .where("repository_id", "=", scope.repositoryId)
    .where("settled_at", "is", null)
    .where("ended_at", "is", null)
    .where("until_at", ">", sql<Date>`clock_timestamp()`)
    .where((where) =>
      where.or([where("incarnation_id", "is", null), where("incarnation_id", "=", scope.incarnationId)]),
    )
    .where((where) => where.or([where("endpoint", "is", null), where("endpoint", "=", scope.endpoint)]))
    .orderBy("until_at", "desc")
    .limit(1)
    .modifyEnd(prepared)
    .executeTakeFirst();
  return row ?? null;
}

export interface HoldRow extends StandingHold {
  readonly seq: number;
  readonly repository: string;
  /** Null for every branch of the repository. */
  readonly branch: string | null;
  readonly refType: RefType | null;
  readonly incarnation: string | null;
  /** Null for every endpoint. */
  readonly endpoint: string | null;
  readonly state: "standing" | "ended" | "expired";
  readonly madeAt: Date;
  readonly endedBy: string | null;
  readonly endedAt: Date | null;
}

const stateNow = sql<HoldRow["state"]>`case
  when holds.ended_at is not null then 'ended'
  when holds.until_at <= clock_timestamp() then 'expired'
  else 'standing' end`;

function selectHolds(db: Queryable) {
  return db
    .selectFrom("holds")
    .innerJoin("repositories", "repositories.id", "holds.repository_id")
    .leftJoin("incarnations", "incarnations.id", "holds.incarnation_id")
    .select([
      "holds.id as id",
      "holds.seq as seq",
      "repositories.name as repository",
      "incarnations.name as branch",
      "incarnations.ref_type as refType",
      "holds.incarnation_id as incarnation",
      "endpoint",
      "reason",
      stateNow.as("state"),
      "made_by as madeBy",
      "made_at as madeAt",
      "until_at as until",
      "holds.ended_by as endedBy",
      "holds.ended_at as endedAt",
    ]);
}

export async function getHold(db: Queryable, id: string): Promise<HoldRow | undefined> {
  return selectHolds(db).where("holds.id", "=", id).executeTakeFirst();
}

export interface HoldFilter {
  readonly limit: number;
  /** `seq` of the last row of the page before. */
  readonly before?: number;
  readonly state?: HoldRow["state"];
  /** Those that cover this branch. */
  readonly of?: { readonly repositoryId: string; readonly incarnationId: string };
}

/** Newest first. */
export async function listHolds(db: Queryable, filter: HoldFilter): Promise<readonly HoldRow[]> {
  let query = selectHolds(db).orderBy("holds.seq", "desc").limit(filter.limit);
  if (filter.before !== undefined) query = query.where("holds.seq", "<", filter.before);
  if (filter.state !== undefined) query = query.where(stateNow, "=", filter.state);
  const { of } = filter;
  if (of !== undefined) {
    query = query
      .where("holds.repository_id", "=", of.repositoryId)
      .where((where) =>
        where.or([where("holds.incarnation_id", "is", null), where("holds.incarnation_id", "=", of.incarnationId)]),
      );
  }
  return query.execute();
}

export interface NewHold {
  readonly repositoryId: string;
  readonly incarnationId: string | null;
  readonly endpoint: string | null;
  readonly forMs: number;
  readonly reason: string;
  readonly madeBy: string;
}

/** Makes a hold, raises its finding, and asks for the scopes that it covers. */
export async function insertHold(
  trx: Queryable,
  hold: NewHold,
): Promise<{ readonly id: string; readonly requested: readonly RequestedScope[] }> {
  const id = uuidv7();
  await trx
    .insertInto("holds")
    .values({
      id,
      repository_id: hold.repositoryId,
      incarnation_id: hold.incarnationId,
      endpoint: hold.endpoint,
      reason: hold.reason,
      made_by: hold.madeBy,
      until_at: sql<Date>`clock_timestamp() + ${hold.forMs} * interval '1 millisecond'`,
    })
    .execute();
  const made = await getHold(trx, id);
  if (made === undefined) throw new Error("a hold that was just made is not there");
  await raiseFinding(trx, { kind: "hold", subject: toSubject(made), severity: "warning", message: toMessage(made) });
  return { id, requested: await requestHeld(trx, [id]) };
}

/** Ends a hold that stands. @returns the scopes asked for; undefined where it stands no more */
export async function endHold(trx: Queryable, id: string, by: string): Promise<readonly RequestedScope[] | undefined> {
  const row = await trx
    .updateTable("holds")
    .set({ ended_by: by, ended_at: sql<Date>`clock_timestamp()` })
    .where("id", "=", id)
    .where("ended_at", "is", null)
    .where("until_at", ">", sql<Date>`clock_timestamp()`)
    .returning("id")
    .executeTakeFirst();
  return row === undefined ? undefined : settleHolds(trx, [id]);
}

/** Sees to the holds whose time is over: their findings are resolved and what they covered is asked for. */
export async function settleEndedHolds(trx: Queryable, limit: number): Promise<readonly RequestedScope[]> {
  const rows = await trx
    .selectFrom("holds")
    .select("id")
    .where("settled_at", "is", null)
    .where("until_at", "<=", sql<Date>`clock_timestamp()`)
    .orderBy("id")
    .limit(limit)
    .forUpdate()
    .skipLocked()
    .execute();
  return settleHolds(
    trx,
    rows.map(({ id }) => id),
  );
}

async function settleHolds(trx: Queryable, ids: readonly string[]): Promise<readonly RequestedScope[]> {
  if (ids.length === 0) return [];
  for (const id of ids) await resolveFindingMarked(trx, "hold", toMark(id));
  await trx
    .updateTable("holds")
    .set({ settled_at: sql<Date>`clock_timestamp()` })
    .where("id", "in", ids)
    .execute();
  return requestHeld(trx, ids);
}

/** Asks for the scopes that holds cover. */
async function requestHeld(trx: Queryable, ids: readonly string[]): Promise<readonly RequestedScope[]> {
  const { rows } = await sql<{ id: string }>`
    select distinct scopes.id
    from holds
    join incarnations on incarnations.repository_id = holds.repository_id
      and (holds.incarnation_id is null or holds.incarnation_id = incarnations.id)
    join scopes on scopes.incarnation_id = incarnations.id
      and (holds.endpoint is null or holds.endpoint = scopes.endpoint)
    where holds.id = any (${[...ids]}::uuid[])`.execute(trx);
  return requestScopes(
    trx,
    rows.map(({ id }) => id),
    "hold",
  );
}

function toSubject({ id, repository, branch, endpoint }: HoldRow): string {
  const where = endpoint === null ? "" : ` at ${endpoint}`;
  return `${repository}${branch === null ? "" : `:${branch}`}${where}${toMark(id)}`;
}

/** With what its subject ends: the names before it may be others by the time that the hold is over. */
function toMark(id: string): string {
  return ` #${id.slice(-8)}`;
}

function toMessage({ id, madeBy, until, reason }: HoldRow): string {
  return `${madeBy} holds repair until ${until.toISOString()}: ${reason}; revocations go on; end it with: branchward hold end ${id}`;
}
