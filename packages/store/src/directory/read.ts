/** What reconciliation reads of the directory, without a client's view: pure reads. */
import { foldDisplayName, type GroupId, type UserId } from "@branchward/core";
import { foldCase, type JsonObject } from "@branchward/scim";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";
import { isResourceId } from "./resource-row.ts";
import type { GroupKind } from "./tables.ts";

/** A group by what identifies it. */
export interface DirectoryGroup {
  readonly id: GroupId;
  readonly kind: GroupKind;
  readonly client: string;
  readonly externalId: string | null;
  readonly displayName: string;
}

/** A user with the attributes that policy may name. */
export interface DirectoryUserRecord {
  readonly id: UserId;
  readonly client: string;
  readonly externalId: string | null;
  readonly userName: string;
  readonly active: boolean;
  /** By canonical SCIM names, extensions under their URIs; without those above. */
  readonly attributes: JsonObject;
}

/** A user reached from a group, directly or through nested groups. */
export interface FlattenedMember {
  readonly userId: UserId;
  readonly userName: string;
  readonly active: boolean;
  /** Display names from the group asked for down to the one that holds the user: a shortest way. */
  readonly path: readonly string[];
}

const groupColumns = sql`id, kind, client, external_id as "externalId", display_name as "displayName"`;
const userColumns = sql`id, client, external_id as "externalId", user_name as "userName", active, attributes`;

/** Provisioned groups of a name, compared as uniqueness compares it; those of one client where it is given. */
export async function listGroupsByName(
  db: Queryable,
  name: string,
  client?: string,
): Promise<readonly DirectoryGroup[]> {
  const key = foldDisplayName(name);
  const { rows } = await sql<DirectoryGroup>`
    select ${groupColumns} from directory_groups
    where md5(display_key) = md5(${key}) and display_key = ${key} and kind = 'provisioned'
      and (${client ?? null}::text is null or client = ${client ?? null})
    order by id
  `.execute(db);
  return rows;
}

/** The group of that id, of either kind; undefined also for what is no id. */
export async function findGroup(db: Queryable, id: string): Promise<DirectoryGroup | undefined> {
  if (!isResourceId(id)) return undefined;
  const { rows } = await sql<DirectoryGroup>`
    select ${groupColumns} from directory_groups where id = ${id}
  `.execute(db);
  return rows[0];
}

/** Users by id, in the order of ids; unknown ids are left out. */
export async function listUsersById(db: Queryable, ids: readonly string[]): Promise<readonly DirectoryUserRecord[]> {
  const { rows } = await sql<DirectoryUserRecord>`${prepared}
    select ${userColumns} from directory_users where id = any(${ids}::uuid[]) order by id
  `.execute(db);
  return rows;
}

/** The user of that name, in any case, active or not. */
export async function findUserByUserName(db: Queryable, userName: string): Promise<DirectoryUserRecord | undefined> {
  const { rows } = await sql<DirectoryUserRecord>`${prepared}
    select ${userColumns} from directory_users where user_name_key = ${foldCase(userName)}
  `.execute(db);
  return rows[0];
}

/** The active users with that e-mail address, in any case. */
export async function listUsersByEmail(db: Queryable, email: string): Promise<readonly DirectoryUserRecord[]> {
  const keys = JSON.stringify({ emails: [{ value: foldCase(email) }] });
  const { rows } = await sql<DirectoryUserRecord>`
    select ${userColumns} from directory_users where active and search_keys @> ${keys}::jsonb order by id
  `.execute(db);
  return rows;
}

const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/**
 * The active users with exactly this value, byte for byte, in a single attribute of text: `externalId`, one of the
 * user, or one of the enterprise extension.
 */
export async function listUsersByAttribute(
  db: Queryable,
  attribute: string,
  value: string,
): Promise<readonly DirectoryUserRecord[]> {
  if (attribute === "externalId") {
    const { rows } = await sql<DirectoryUserRecord>`
      select ${userColumns} from directory_users where active and external_id = ${value} order by id
    `.execute(db);
    return rows;
  }
  // Keys are folded where the schema says so; containment in them is indexed, and finds too many at most.
  const keys = [value, foldCase(value)].flatMap((key) => [
    { [attribute]: key },
    { [ENTERPRISE]: { [attribute]: key } },
  ]);
  const found = sql.join(
    keys.map((key) => sql`search_keys @> ${JSON.stringify(key)}::jsonb`),
    sql` or `,
  );
  const { rows } = await sql<DirectoryUserRecord>`
    select ${userColumns} from directory_users where active and (${found}) order by id
  `.execute(db);
  return rows.filter(({ attributes }) => {
    const extension = attributes[ENTERPRISE];
    const held = Object.hasOwn(attributes, attribute) ? attributes[attribute] : readOwn(extension, attribute);
    return held === value;
  });
}

function readOwn(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

/** The provisioned groups that hold a user, directly or through nested groups. */
export async function listGroupIdsOfUser(db: Queryable, userId: string): Promise<readonly GroupId[]> {
  const { rows } = await sql<{ id: GroupId }>`
    with recursive held as (
      select m.group_id as id from directory_members m where m.member_id = ${userId}
      union
      select m.group_id from held join directory_members m on m.member_id = held.id
    )
    select g.id from held join directory_groups g using (id) where g.kind = 'provisioned' order by g.id
  `.execute(db);
  return rows.map(({ id }) => id);
}

/**
 * The users of each group, active or not, by group id; groups may nest in cycles. Unknown groups have no entry.
 * Members are in the order of user ids.
 */
export async function listFlattenedMembers(
  db: Queryable,
  groupIds: readonly string[],
): Promise<ReadonlyMap<string, readonly FlattenedMember[]>> {
  const groups = await selectReachableGroups(db, groupIds);
  const users = await selectDirectUsers(db, [...groups.keys()]);
  const known = groupIds.filter((id) => groups.has(id));
  return new Map(known.map((id) => [id, flatten(id, groups, users)]));
}

interface ReachableGroup {
  readonly displayName: string;
  readonly children: readonly string[];
}

async function selectReachableGroups(
  db: Queryable,
  groupIds: readonly string[],
): Promise<ReadonlyMap<string, ReachableGroup>> {
  const { rows } = await sql<ReachableGroup & { id: string }>`${prepared}
    with recursive reachable as (
      select id from unnest(${groupIds}::uuid[]) as asked(id)
      union
      select m.member_id from reachable join directory_members m on m.group_id = reachable.id and m.member_kind = 'Group'
    )
    select g.id, g.display_name as "displayName", array(
      select m.member_id::text from directory_members m
      where m.group_id = g.id and m.member_kind = 'Group' order by m.member_id
    ) as children
    from reachable join directory_groups g using (id)
  `.execute(db);
  return new Map(rows.map(({ id, ...group }) => [id, group]));
}

type DirectUser = Omit<FlattenedMember, "path">;

async function selectDirectUsers(
  db: Queryable,
  groupIds: readonly string[],
): Promise<ReadonlyMap<string, readonly DirectUser[]>> {
  const { rows } = await sql<DirectUser & { groupId: string }>`${prepared}
    select m.group_id as "groupId", u.id as "userId", u.user_name as "userName", u.active
    from directory_members m join directory_users u on u.id = m.member_id
    where m.group_id = any(${groupIds}::uuid[]) and m.member_kind = 'User'
  `.execute(db);
  return Map.groupBy(rows, ({ groupId }) => groupId);
}

/** Breadth first, so that the first way to a user is a shortest one. */
function flatten(
  rootId: string,
  groups: ReadonlyMap<string, ReachableGroup>,
  users: ReadonlyMap<string, readonly DirectUser[]>,
): readonly FlattenedMember[] {
  const members = new Map<string, FlattenedMember>();
  const paths = new Map<string, readonly string[]>([[rootId, []]]);
  for (const [id, above] of paths) {
    const group = groups.get(id);
    if (group === undefined) continue;
    const path = [...above, group.displayName];
    for (const { userId, userName, active } of users.get(id) ?? []) {
      if (!members.has(userId)) members.set(userId, { userId, userName, active, path });
    }
    for (const child of group.children) if (!paths.has(child)) paths.set(child, path);
  }
  return [...members.values()].toSorted((left, right) => (left.userId < right.userId ? -1 : 1));
}
