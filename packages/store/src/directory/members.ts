/** Membership as sets: every statement works on all ids at once, none on all members unless the change is of all. */
import { ScimError, type Member, type MemberDelta, type MemberRead } from "@branchward/scim";
import { sql, type Selectable } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";
import { ownerOf, type DirectoryContext } from "./context.ts";
import { isResourceId } from "./resource-row.ts";
import type { DirectoryTables, GroupKind } from "./tables.ts";

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
  const rows = await selectMemberRows(db, groupIds);
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
  if (read === "none" || (read !== "all" && (await hasMoreMembers(db, groupId, read.atMost)))) return undefined;
  return (await selectMemberRows(db, [groupId])).map(toMember);
}

async function hasMoreMembers(db: Queryable, groupId: string, than: number): Promise<boolean> {
  const { rows } = await sql<{
    more: boolean;
  }>`${prepared}select directory_has_more_members(${groupId}, ${than}) as more`.execute(db);
  return rows[0]?.more ?? false;
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

async function selectMemberRows(db: Queryable, groupIds: readonly string[]): Promise<readonly MemberRow[]> {
  if (groupIds.length === 0) return [];
  const { rows } = await sql<MemberRow>`${prepared}
    select group_id, value, type, display from directory_list_members(${groupIds}::uuid[])
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
  requireAddable(groupId, ids);
  const { rows } = await sql<{ added: readonly string[] | null; unknown: readonly string[] | null }>`
    select added::text[], unknown::text[]
    from directory_add_members(${groupId}, ${ids}::uuid[], ${ownerOf(context)})
  `.execute(db);
  const [result] = rows;
  requireNone(result?.unknown ?? []);
  return result?.added ?? [];
}

/** What a group of provisioned members shows of itself. */
type MemberHolder = Omit<
  Selectable<DirectoryTables["directory_groups"]>,
  "search_keys" | "display_key" | "incarnation" | "entitlement" | "kind" | "fence"
>;

/** A change of the members of a provisioned group, and of nothing else of it. */
export interface ShortMemberPatch {
  readonly context: DirectoryContext;
  readonly groupId: string;
  /** The group as the writer saw it, where that decided what to write. */
  readonly seen: Pick<MemberHolder, "display_name" | "external_id" | "attributes" | "version"> | undefined;
  readonly delta: MemberDelta;
  /** Whether the version must be the one that was seen. */
  readonly isConditional: boolean;
  /** More members than this are told of; null asks nothing. */
  readonly most: number | null;
}

interface PatchedMembers extends MembershipChange {
  readonly group: MemberHolder;
  readonly hasMore: boolean;
}

/**
 * Applies a delta and records the change, in one statement that locks the group; undefined where the group is no longer
 * what was seen, or is none. @throws ScimError 400 invalidValue naming the members that do not exist for the client
 */
export async function patchMembersShort(
  db: Queryable,
  { context, groupId, seen, delta, isConditional, most }: ShortMemberPatch,
): Promise<PatchedMembers | undefined> {
  const adding = delta.add.map(({ value }) => value);
  requireAddable(groupId, adding);
  const attributes = seen === undefined ? null : JSON.stringify(seen.attributes);
  const { rows } = await sql<PatchRow>`${prepared}
    select client, external_id, display_name, attributes, version, created_at, updated_at,
      state, added, removed, unknown, more as "hasMore"
    from directory_change_members(
      ${groupId}, ${ownerOf(context)}, ${seen?.display_name ?? null}, ${seen?.external_id ?? null},
      ${attributes}::jsonb, ${isConditional ? (seen?.version ?? null) : null},
      ${delta.remove.filter(isResourceId)}::uuid[], ${adding}::uuid[], ${most}
    )
  `.execute(db);
  const [row] = rows;
  requireNone(row?.unknown ?? []);
  if (row?.state !== "done") return undefined;
  const { state: _, unknown: __, added, removed, hasMore, ...group } = row;
  return { group: { id: groupId, ...group }, added, removed, hasMore };
}

type PatchRow = Omit<MemberHolder, "id"> &
  Omit<PatchedMembers, "group"> & { readonly state: string; readonly unknown: readonly string[] | null };

function requireAddable(groupId: string, ids: readonly string[]): void {
  requireNone(ids.filter((id) => !isResourceId(id)));
  if (ids.includes(groupId)) throw new ScimError(400, "a group cannot be its own member", "invalidValue");
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
