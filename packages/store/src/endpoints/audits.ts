/** Scheduled audits (rule C9): how far each endpoint's round is, and what the record expects of the groups that it reads. */
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";

export interface AuditRound {
  readonly endpoint: string;
  /** Where to go on; null at the start of a round. */
  readonly position: string | null;
  readonly startedAt: Date;
  /** How long ago that was when this part of it began. */
  readonly ageMs: number;
}

/** Makes the rounds of endpoints that have none yet, each due at a moment of its own within `spreadMs`. */
export async function ensureAudits(
  db: Queryable,
  { endpoints, spreadMs }: { readonly endpoints: readonly string[]; readonly spreadMs: number },
): Promise<void> {
  await sql`
    insert into endpoint_audits (endpoint, due_at)
    select name, now() + random() * ${spreadMs} * interval '1 millisecond' from unnest(${[...endpoints]}::text[]) as name
    on conflict do nothing`.execute(db);
}

/** Endpoints whose round is to begin or to go on. */
export async function listDueAudits(db: Queryable, quietMs: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("endpoint_audits")
    .select("endpoint")
    .where("due_at", "<", sql<Date>`now() - ${quietMs} * interval '1 millisecond'`)
    .execute();
  return rows.map(({ endpoint }) => endpoint);
}

/** Begins a round or goes on with it; undefined when it is not due. */
export async function continueAudit(db: Queryable, endpoint: string): Promise<AuditRound | undefined> {
  const { rows } = await sql<AuditRound>`
    update endpoint_audits set
      previous_round_at = case when position is null then round_started_at else previous_round_at end,
      round_started_at = case when position is null then now() else round_started_at end,
      groups = case when position is null then 0 else groups end,
      differing = case when position is null then 0 else differing end,
      due_at = now() + interval '1 minute'
    where endpoint = ${endpoint} and due_at <= now() + interval '50 milliseconds'
    returning endpoint, position, round_started_at as "startedAt",
      (extract(epoch from now() - round_started_at) * 1000)::float8 as "ageMs"`.execute(db);
  return rows[0];
}

/** A bound group and the members that the ledger has for it. */
export interface ExpectedGroup {
  readonly groupId: string;
  readonly scopeId: string;
  readonly displayName: string;
  readonly members: readonly string[];
  /** False while a run is asked for or under way: what is read then says nothing. */
  readonly isSettled: boolean;
}

/** What the record expects of these groups of an endpoint; unknown ids are left out. */
export async function listExpectedGroups(
  db: Queryable,
  endpoint: string,
  groupIds: readonly string[],
): Promise<readonly ExpectedGroup[]> {
  const { rows } = await sql<ExpectedGroup>`
    select entitlement_groups.group_id as "groupId", scopes.id as "scopeId", display_name as "displayName",
      array(
        select member from ledger_entries
        where scope_id = scopes.id and ledger_entries.entitlement = entitlement_groups.entitlement and ended_at is null
      ) as members,
      (requested <= reconciled and verdict is not null and (lease_until is null or lease_until < now())) as "isSettled"
    from entitlement_groups join scopes on scopes.id = scope_id
    where endpoint = ${endpoint} and group_id = any (${[...groupIds]}::text[])`.execute(db);
  return rows;
}

export interface AuditedPage {
  readonly endpoint: string;
  readonly groupIds: readonly string[];
  readonly differing: number;
  /** Null after the last page. */
  readonly position: string | null;
  readonly nextMs: number;
}

/** Notes that a page was read, and when the next is due. */
export async function saveAuditedPage(trx: Queryable, page: AuditedPage): Promise<void> {
  await sql`
    update entitlement_groups set audited_at = clock_timestamp()
    from scopes
    where scopes.id = scope_id and endpoint = ${page.endpoint} and group_id = any (${[...page.groupIds]}::text[])`.execute(
    trx,
  );
  await sql`
    update endpoint_audits set
      position = ${page.position},
      groups = groups + ${page.groupIds.length},
      differing = differing + ${page.differing},
      finished_at = case when ${page.position}::text is null then now() else finished_at end,
      due_at = now() + ${page.nextMs} * interval '1 millisecond'
    where endpoint = ${page.endpoint}`.execute(trx);
}

/** Scopes of an endpoint with a bound group that the whole round did not show. */
export async function listUnseenScopes(db: Queryable, { endpoint, startedAt }: AuditRound): Promise<readonly string[]> {
  const { rows } = await sql<{ scopeId: string }>`
    select distinct scopes.id as "scopeId"
    from entitlement_groups join scopes on scopes.id = scope_id
    where endpoint = ${endpoint} and group_id is not null and requested <= reconciled
      and bound_at < ${startedAt} and (audited_at is null or audited_at < ${startedAt})`.execute(db);
  return rows.map(({ scopeId }) => scopeId);
}

/** Of incarnations, those that have a scope at the endpoint: its id. */
export async function listScopesOfIncarnations(
  db: Queryable,
  endpoint: string,
  incarnationIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (incarnationIds.length === 0) return new Map();
  const rows = await db
    .selectFrom("scopes")
    .select(["id", "incarnation_id as incarnationId"])
    .where("endpoint", "=", endpoint)
    .where("incarnation_id", "in", incarnationIds)
    .execute();
  return new Map(rows.map(({ id, incarnationId }) => [incarnationId, id]));
}

/** How an endpoint is audited: what was achieved, since a budget bounds it. */
export interface AuditState {
  readonly endpoint: string;
  readonly roundStartedAt: Date | null;
  readonly finishedAt: Date | null;
  /** From the start of one round to the start of the next; null before two rounds. */
  readonly periodMs: number | null;
  readonly groups: number;
  readonly differing: number;
}

export async function listAuditStates(db: Queryable): Promise<readonly AuditState[]> {
  const { rows } = await sql<AuditState>`
    select endpoint, round_started_at as "roundStartedAt", finished_at as "finishedAt",
      (extract(epoch from round_started_at - previous_round_at) * 1000)::float8 as "periodMs", groups, differing
    from endpoint_audits`.execute(db);
  return rows;
}
