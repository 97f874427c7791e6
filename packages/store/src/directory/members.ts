/** Membership as sets: every statement works on all ids at once, none on all members unless the change is of all. */
import { ScimError, type Member, type MemberDelta, type MemberRead } from "@branchward/scim";
import { sql } from "kysely";
import type { Queryable } from "../database.ts";
import { visibleGroup, visibleUser, type DirectoryContext } from "./context.ts";
import { isResourceId } from "./resource-row.ts";
import type { GroupKind } from "./tables.ts";

/** What a delta really changed. */
export interface MembershipChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

interface MemberRow {
  readonly group_id: string;
  readonly value: string;
  readonly type: "User" | "Group";
  readonly display: string | null;
}

/** The members of groups by group id, in the order of ids. */
export async function selectMembers(
  db: Queryable,
  groupIds: readonly string[],
): Promise<ReadonlyMap<string, Member[]>> {
  const rows = await selectMemberRows(db, groupIds, undefined);
  const members = new Map<string, Member[]>(groupIds.map((id) => [id, []]));
  for (const row of rows) members.get(row.group_id)?.push(toMember(row));
  return members;
}

/** The members of a group as far as `read` asks for them (see `MemberRead`). */
export async function readGroupMembers(
  db: Queryable,
  groupId: string,
  read: MemberRead,
): Promise<readonly Member[] | undefined> {
  if (read === "none") return undefined;
  const most = read === "all" ? undefined : read.atMost;
  const rows = await selectMemberRows(db, [groupId], most === undefined ? undefined : most + 1);
  return most !== undefined && rows.length > most ? undefined : rows.map(toMember);
}

/**
 * Applies a delta to a group whose row is locked; touches nothing but the rows that differ.
 * @throws ScimError 400 invalidValue naming the members that do not exist for the client
 */
export async function applyMemberDelta(
  db: Queryable,
  { context, groupId, delta }: { context: DirectoryContext; groupId: string; delta: MemberDelta },
): Promise<MembershipChange> {
  const wanted = delta.add.map(({ value }) => value);
  const removed = delta.clear
    ? await deleteAllBut(db, groupId, wanted)
    : await deleteMembers(db, groupId, delta.remove);
  const added = await insertMembers(db, context, { groupId, ids: wanted });
  return { added, removed };
}

async function selectMemberRows(
  db: Queryable,
  groupIds: readonly string[],
  limit: number | undefined,
): Promise<readonly MemberRow[]> {
  if (groupIds.length === 0) return [];
  const { rows } = await sql<MemberRow>`
    select m.group_id, m.member_id as value, m.member_kind as type,
      coalesce(u.attributes ->> 'displayName', u.user_name, g.display_name) as display
    from (
      select group_id, member_id, member_kind from directory_members
      where group_id = any(${groupIds}::uuid[]) order by group_id, member_id limit ${limit ?? null}
    ) m
    left join directory_users u on u.id = m.member_id and m.member_kind = 'User'
    left join directory_groups g on g.id = m.member_id and m.member_kind = 'Group'
    order by m.group_id, m.member_id
  `.execute(db);
  return rows;
}

function toMember({ value, type, display }: MemberRow): Member {
  return { value, type, ...(display === null ? {} : { display }) };
}

async function deleteAllBut(db: Queryable, groupId: string, kept: readonly string[]): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    delete from directory_members m
    where m.group_id = ${groupId}
      and not exists (select 1 from unnest(${kept.filter(isResourceId)}::uuid[]) as k(id) where k.id = m.member_id)
    returning m.member_id as id
  `.execute(db);
  return rows.map(({ id }) => id);
}

async function deleteMembers(db: Queryable, groupId: string, ids: readonly string[]): Promise<readonly string[]> {
  const known = ids.filter(isResourceId);
  if (known.length === 0) return [];
  const { rows } = await sql<{ id: string }>`
    delete from directory_members
    where group_id = ${groupId} and member_id = any(${known}::uuid[])
    returning member_id as id
  `.execute(db);
  return rows.map(({ id }) => id);
}

async function insertMembers(
  db: Queryable,
  context: DirectoryContext,
  { groupId, ids }: { groupId: string; ids: readonly string[] },
): Promise<readonly string[]> {
  if (ids.length === 0) return [];
  requireNone(ids.filter((id) => !isResourceId(id)));
  if (ids.includes(groupId)) throw new ScimError(400, "a group cannot be its own member", "invalidValue");
  const { rows: missing } = await sql<{ id: string }>`
    select wanted.id from unnest(${ids}::uuid[]) as wanted(id)
    where not exists (
      select 1 from directory_members m where m.group_id = ${groupId} and m.member_id = wanted.id
    )
  `.execute(db);
  if (missing.length === 0) return [];
  const newIds = missing.map(({ id }) => id);
  const kinds = await lockMembers(db, context, newIds);
  requireNone(newIds.filter((id) => !kinds.has(id)));
  await sql`
    insert into directory_members (group_id, member_id, member_kind)
    select ${groupId}, id, kind
    from unnest(${newIds}::uuid[], ${newIds.map((id) => kinds.get(id))}::text[]) as added(id, kind)
  `.execute(db);
  return newIds;
}

/** Holds the rows of members against deletion until commit; entitlement groups are nobody's members (rule C7). */
async function lockMembers(
  db: Queryable,
  context: DirectoryContext,
  ids: readonly string[],
): Promise<ReadonlyMap<string, "User" | "Group">> {
  const { rows: users } = await sql<{ id: string }>`
    select id from directory_users where id = any(${ids}::uuid[]) and ${visibleUser(context)} order by id for key share
  `.execute(db);
  const kinds = new Map<string, "User" | "Group">(users.map(({ id }) => [id, "User"]));
  const others = ids.filter((id) => !kinds.has(id));
  if (others.length === 0) return kinds;
  const { rows: groups } = await sql<{ id: string }>`
    select id from directory_groups
    where id = any(${others}::uuid[]) and kind = 'provisioned' and ${visibleGroup(context)}
    order by id for key share
  `.execute(db);
  for (const { id } of groups) kinds.set(id, "Group");
  return kinds;
}

function requireNone(unknown: readonly string[]): void {
  if (unknown.length === 0) return;
  const named = unknown.slice(0, 10).join(", ");
  const more = unknown.length > 10 ? ` and ${unknown.length - 10} more` : "";
  throw new ScimError(400, `no such members: ${named}${more}`, "invalidValue");
}

/** A group that lost a member because that member was deleted. */
export interface LostMember {
  readonly groupId: string;
  readonly kind: GroupKind;
}

/** Takes a resource that is about to be deleted out of every group; the groups get a new version. */
export async function deleteMemberships(db: Queryable, memberId: string): Promise<readonly LostMember[]> {
  const { rows } = await sql<LostMember>`
    with lost as (delete from directory_members where member_id = ${memberId} returning group_id)
    update directory_groups set version = version + 1, updated_at = now()
    from lost where directory_groups.id = lost.group_id
    returning directory_groups.id as "groupId", directory_groups.kind
  `.execute(db);
  return rows;
}

/** Locks the groups that hold a member, in the order in which writers of groups wait for members: groups first. */
export async function lockGroupsOf(db: Queryable, memberId: string): Promise<void> {
  await sql`
    select 1 from directory_groups
    where id in (select group_id from directory_members where member_id = ${memberId})
    order by id for no key update
  `.execute(db);
}
