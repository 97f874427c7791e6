/** What guards count and what they keep back (rules C1, C2). */
import type { Guards, GuardedGroup, UserId } from "@branchward/core";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";
import { DIRECTORY_CURSOR } from "../directory/changes.ts";

interface CountRow {
  readonly key: string;
  readonly baseline: number;
  readonly current: number;
  /** When each went, in ms. */
  readonly removed: Readonly<Record<UserId, number>> | null;
}

/** How a scope's entitlement groups stand over the window; `remaining` counts all members. By entitlement. */
export async function countEntitlementGroups(
  trx: Queryable,
  { scopeId, windowMs }: { readonly scopeId: string; readonly windowMs: number },
): Promise<ReadonlyMap<string, GuardedGroup>> {
  const { rows } = await sql<CountRow>`
    with granted as (
      select entitlement, member, user_id, granted_at, ended_at, ending_at, ended_cause,
        greatest(now() - ${windowMs} * interval '1 millisecond', min(granted_at) over (partition by entitlement)) as start
      from ledger_entries
      where scope_id = ${scopeId} and origin <> 'drift'
        and (ended_at is null or ended_at > now() - ${windowMs} * interval '1 millisecond')
    )
    select entitlement as key,
      count(distinct member) filter (where granted_at <= start and (ended_at is null or ended_at > start)) as baseline,
      count(distinct member) filter (where ended_at is null and ending_at is null) as current,
      jsonb_object_agg(user_id, ceil(extract(epoch from ending_at) * 1000) order by ending_at) filter (
        where ending_at > now() - ${windowMs} * interval '1 millisecond' and ended_cause is distinct from 'superseded'
          and user_id is not null
      ) as removed
    from granted
    group by entitlement`.execute(trx);
  return new Map(
    rows.map(({ key, baseline, current, removed }) => [
      key,
      { baseline, removed: toTimes(removed), remaining: current },
    ]),
  );
}

/**
 * How the groups behind the policy's references stand over the window, given whom a plan would remove of what each gave:
 * those were members until they left. By reference.
 */
export async function countDirectoryGroups(
  trx: Queryable,
  { planned, windowMs }: { readonly planned: ReadonlyMap<string, readonly UserId[]>; readonly windowMs: number },
): Promise<ReadonlyMap<string, GuardedGroup>> {
  const groups = new Map<string, GuardedGroup>();
  for (const [reference, leaving] of planned) {
    const { rows } = await sql<CountRow>`
      with recursive bound as (
        select directory_groups.id, created_at from policy_bindings
        join directory_groups on directory_groups.id = group_id where reference = ${reference}
      ), below (id) as (
        select id from bound
        union
        select member_id from below join directory_members on group_id = below.id and member_kind = 'Group'
      ), members as (
        select member_id, min(added_at) as added_at
        from below join directory_members on group_id = below.id and member_kind = 'User'
        group by member_id
      ), gone as (
        select user_id, max(ending_at) as at from ledger_entries
        where user_id is not null and ending_at > now() - ${windowMs} * interval '1 millisecond' and refs @> array[${reference}]
          and ended_cause is distinct from 'superseded'
        group by user_id
      ), left_behind as (
        select user_id from gone union select unnest(${[...leaving]}::uuid[])
        except select member_id from members
      )
      select ${reference} as key,
        (select count(*) from members)::int as current,
        (select jsonb_object_agg(user_id, ceil(extract(epoch from at) * 1000)) from gone) as removed,
        (
          (select count(*) from members where added_at <= now() - ${windowMs} * interval '1 millisecond'
            or (select created_at from bound) > now() - ${windowMs} * interval '1 millisecond')
          + (select count(*) from left_behind)
        )::int as baseline`.execute(trx);
    for (const { baseline, current, removed } of rows) {
      groups.set(reference, { baseline, removed: toTimes(removed), remaining: current });
    }
  }
  return groups;
}

function toTimes(removed: CountRow["removed"]): GuardedGroup["removed"] {
  return new Map(Object.entries(removed ?? {}).map(([userId, at]) => [userId as UserId, new Date(at)]));
}

/** Notes removals that a plan is about to make: from here on guards count them. */
export async function markEnding(
  trx: Queryable,
  scopeId: string,
  removals: readonly { readonly entitlement: string; readonly member: string }[],
): Promise<void> {
  if (removals.length === 0) return;
  await sql`
    update ledger_entries set ending_at = now()
    from unnest(${removals.map((each) => each.entitlement)}::text[], ${removals.map((each) => each.member)}::text[])
      as asked (entitlement, member)
    where scope_id = ${scopeId} and ledger_entries.entitlement = asked.entitlement
      and ledger_entries.member = asked.member and ended_at is null and ending_at is null`.execute(trx);
}

/** A client that deactivated more users within one window than guards let pass (rule C2). */
export interface MassDeactivation {
  readonly client: string;
  /** Those that are still inactive, or deleted, and whose access is not gone yet. */
  readonly userIds: readonly UserId[];
}

/**
 * The deactivations that wait for an approval: time alone lets none of them go, nor that nobody has seen to them since the
 * directory recorded them.
 */
export async function listMassDeactivations(
  db: Queryable,
  { windowMs, maxDeactivations, maxDeactivationShare }: Guards,
): Promise<readonly MassDeactivation[]> {
  const { rows } = await sql<MassDeactivation>`
    with standing as (
      select subject as id from revocations where kind = 'user' and done_at is null
      union
      select resource_id from directory_changes
      where kind in ('user.deactivated', 'user.deleted')
        and (xid, id) > (
          coalesce((select xid from cursors where name = ${DIRECTORY_CURSOR}), '0'),
          coalesce((select id from cursors where name = ${DIRECTORY_CURSOR}), 0)
        )
    ), since (at) as (
      select least(now() - ${windowMs} * interval '1 millisecond', min(created_at)) - ${windowMs} * interval '1 millisecond'
      from directory_changes
      where kind in ('user.deactivated', 'user.deleted') and resource_id in (select id from standing)
    ), gone as (
      select details ->> 'client' as client, resource_id as id, max(directory_changes.created_at) as at
      from directory_changes left join directory_users on directory_users.id = resource_id
      where kind in ('user.deactivated', 'user.deleted') and details ->> 'client' is not null
        and details ->> 'active' is distinct from 'false' and directory_users.active is not true
        and directory_changes.created_at > (select at from since)
      group by details ->> 'client', resource_id
    ), reached as (
      select *, count(*) over (partition by client order by at
        range between ${windowMs} * interval '1 millisecond' preceding and current row) as count
      from gone
    ), counted as (
      select client, id, at, max(count) over (partition by client order by at
        range between current row and ${windowMs} * interval '1 millisecond' following) as count
      from reached
    )
    select client, array_agg(id order by id) as "userIds" from counted
    where count > ${maxDeactivations}::int
      and count > ${maxDeactivationShare}::float8 * ((select count(*) from directory_users where active) + count)
      and (at > now() - ${windowMs} * interval '1 millisecond' or id in (select id from standing))
    group by client
    order by client`.execute(db);
  return rows;
}

/** What a person approved (rules B1, C1, C2). */
export interface ApprovedRemoval {
  readonly entitlement: string | null;
  readonly reference: string | null;
  readonly userId: UserId;
}

/** The approvals in force that let removals of this scope go; a null entitlement and reference is a deactivation's. */
export async function listApprovedRemovals(
  db: Queryable,
  { scopeId, userIds }: { readonly scopeId: string; readonly userIds: readonly UserId[] },
): Promise<readonly ApprovedRemoval[]> {
  const { rows } = await sql<ApprovedRemoval>`
    select entitlement, reference, user_id as "userId"
    from approved_removals join approvals on approvals.id = approval_id
    where expires_at > now() and user_id = any (${[...userIds]}::uuid[])
      and (approved_removals.scope_id = ${scopeId} or approved_removals.scope_id is null)`.execute(db);
  return rows;
}

/** A removal kept back. */
export interface WithheldRemoval {
  readonly entitlement: string;
  readonly member: string;
  readonly userId: UserId | null;
  readonly cause: string;
}

/** Makes the kept-back removals of a scope these. */
export async function saveWithheldRemovals(
  trx: Queryable,
  { scopeId, syncId }: { readonly scopeId: string; readonly syncId: string },
  removals: readonly WithheldRemoval[],
): Promise<void> {
  const rows = JSON.stringify(removals);
  await sql`
    with asked as (
      select * from jsonb_to_recordset(${rows}::jsonb) as row(entitlement text, member text, "userId" uuid, cause text)
    ), forgotten as (
      delete from withheld_removals
      where scope_id = ${scopeId} and (entitlement, member) not in (select entitlement, member from asked)
    )
    insert into withheld_removals (scope_id, entitlement, member, user_id, cause, sync_id)
    select ${scopeId}, entitlement, member, "userId", cause, ${syncId} from asked
    on conflict (scope_id, entitlement, member) do update set cause = excluded.cause, sync_id = excluded.sync_id`.execute(
    trx,
  );
}

/** Forgets what of the user's was kept back in a scope. @returns whether anything was */
export async function endWithheldOf(
  trx: Queryable,
  { scopeId, userId }: { readonly scopeId: string; readonly userId: string },
): Promise<boolean> {
  const result = await trx
    .deleteFrom("withheld_removals")
    .where("scope_id", "=", scopeId)
    .where("user_id", "=", userId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** The scopes in which removals are kept back. */
export async function listHeldScopes(db: Queryable): Promise<readonly string[]> {
  const rows = await db.selectFrom("withheld_removals").select("scope_id").distinct().orderBy("scope_id").execute();
  return rows.map((row) => row.scope_id);
}

/** Who keeps what on an incarnation because a guard withholds the removal, at any endpoint: part of the effective set. */
export async function listWithheldOf(
  db: Queryable,
  incarnationId: string,
): Promise<readonly { readonly entitlement: string; readonly userId: UserId }[]> {
  const { rows } = await sql<{ entitlement: string; userId: UserId }>`${prepared}
    select distinct entitlement, user_id as "userId"
    from withheld_removals join scopes on scopes.id = scope_id
    where incarnation_id = ${incarnationId} and user_id is not null`.execute(db);
  return rows;
}
