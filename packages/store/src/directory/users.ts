import { isDeepStrictEqual } from "node:util";
import {
  foldCase,
  ScimError,
  toSearchKeys,
  type JsonObject,
  type ListQuery,
  type ResourcePage,
  type ResourceType,
  type StoredResource,
} from "@branchward/scim";
import { sql, type Insertable, type RawBuilder, type Selectable } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";
import { recordingChanges, type DirectoryChange } from "./changes.ts";
import { commonColumns } from "./columns.ts";
import { countVisible, ownerOf, requireProvisioner, visibleUser, type DirectoryContext } from "./context.ts";
import type { AttributeSource } from "./filter-sql.ts";
import { toFormerValues } from "./former-values.ts";
import { compileHeld, deriveHeld, deriveHeldOfRow, withHeld } from "./held-groups.ts";
import { deleteMemberships, lockGroupsOf } from "./members.ts";
import type { DirectoryNoun } from "./noun.ts";
import { requireKey, selectPage, toExternalId, toUniquenessError } from "./resource-row.ts";
import type { DirectoryTables } from "./tables.ts";
import type { UserMarks } from "./user-marks.ts";

type UserTable = DirectoryTables["directory_users"];
type UserRow = Selectable<UserTable>;

const common = commonColumns("directory_users");

const attributeSource: AttributeSource = {
  document: sql`directory_users.search_keys`,
  findColumn: ({ extension, attribute, sub }) => {
    if (extension !== undefined) return undefined;
    if (attribute.name === "userName") return { key: sql`directory_users.user_name_key`, cast: "text", isKey: true };
    if (attribute.name === "active") return { key: sql`directory_users.active`, cast: "boolean" };
    return common.get(sub === undefined ? attribute.name : `${attribute.name}.${sub.name}`);
  },
  compileRelation: (filter) => compileHeld(filter),
};

/** Users of the directory. */
export function createUsers(marks: UserMarks): DirectoryNoun {
  return { ...users, list: (db, context, query) => listUsers({ db, marks }, context, query) };
}

const users: Omit<DirectoryNoun, "list"> = {
  async find(db, context, id, { derived }) {
    const row = await findUser(db, context, id, derived);
    return row && withHeld(toResource(row), row.derived);
  },

  async createShort({ db, context, type, raise }, { attributes }) {
    requireProvisioner(context);
    const id = uuidv7();
    const columns = toColumns(attributes, true);
    const values = toValues(type, columns);
    const details = { userName: columns.user_name, active: columns.active };
    const change = { kind: "user.created", resourceId: id, details } as const;
    const { rows } = await sql<WrittenRow>`${prepared}
      with made as (
        insert into directory_users
          (id, client, user_name, user_name_key, external_id, active, attributes, search_keys)
        values (${id}, ${context.client}, ${values.user_name}, ${values.user_name_key}, ${values.external_id},
          ${values.active}, ${values.attributes}::jsonb, ${values.search_keys}::jsonb)
        returning version, created_at, updated_at
      ), noted as (${recordingChanges([change], "made")})
      select * from made
    `
      .execute(db)
      .catch((error: unknown) => {
        throw toUniquenessError(error);
      });
    raise(change);
    return toResource({ ...requireRow(rows), id, client: context.client, ...columns });
  },

  async updateShort({ db, context, type, raise }, id, { change, returns: { derived } }) {
    const before = await findUser(db, context, id, derived);
    if (before === undefined) throw new ScimError(404, `no User with id ${id}`);
    requireProvisioner(context);
    const current = toResource(before);
    const columns = toColumns(change(current).attributes, before.active);
    if (isDeepStrictEqual(toAttributes(columns), current.attributes)) return withHeld(current, before.derived);
    const values = toValues(type, columns);
    const changes = listUserChanges({ before, after: columns, client: context.client });
    const { rows } = await sql<WrittenRow>`${prepared}
      with made as (
        update directory_users set user_name = ${values.user_name}, user_name_key = ${values.user_name_key},
          external_id = ${values.external_id}, active = ${values.active}, attributes = ${values.attributes}::jsonb,
          search_keys = ${values.search_keys}::jsonb, version = version + 1, updated_at = now()
        where id = ${id} and version = ${before.version} and client = ${before.client}
        returning version, created_at, updated_at
      ), noted as (${recordingChanges(changes, "made")})
      select * from made
    `
      .execute(db)
      .catch((error: unknown) => {
        throw toUniquenessError(error);
      });
    const [row] = rows;
    if (row === undefined) return undefined;
    for (const made of changes) raise(made);
    return withHeld(toResource({ ...before, ...columns, ...row }), before.derived);
  },

  async update({ trx, context, type, raise }, id, { change, returns }) {
    const before = await lockUser(trx, { context, id, derived: returns.derived, strength: "no key update" });
    requireProvisioner(context);
    const current = toResource(before);
    const { attributes } = change(current);
    const columns = toColumns(attributes, before.active);
    if (isDeepStrictEqual(toAttributes(columns), current.attributes)) return withHeld(current, before.derived);
    const row = await trx
      .updateTable("directory_users")
      .set({ ...toValues(type, columns), version: sql`version + 1`, updated_at: sql`now()` })
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirstOrThrow()
      .catch((error: unknown) => {
        throw toUniquenessError(error);
      });
    for (const made of listUserChanges({ before, after: row, client: context.client })) raise(made);
    return withHeld(toResource(row), before.derived);
  },

  async delete({ trx, context, raise }, id, check) {
    await lockGroupsOf(trx, id);
    const row = await lockUser(trx, { context, id, derived: [], strength: "update" });
    requireProvisioner(context);
    check(toResource(row));
    for (const { groupId, kind } of await deleteMemberships(trx, id)) {
      if (kind === "entitlement") continue;
      raise({ kind: "group.members", resourceId: groupId, details: { added: [], removed: [id] } });
    }
    await trx.deleteFrom("directory_users").where("id", "=", id).execute();
    raise({ kind: "user.deleted", resourceId: id, details: { ...toDeleted(row), client: context.client } });
  },
};

async function listUsers(
  { db, marks }: { readonly db: Queryable; readonly marks: UserMarks },
  context: DirectoryContext,
  query: ListQuery,
): Promise<ResourcePage> {
  const derive = deriveHeld(context, query.read.derived);
  const owner = ownerOf(context);
  const isPlain = query.filter === undefined && query.sort === undefined && query.cursor === undefined;
  const mark = isPlain ? await marks.find(db, owner, query.startIndex - 1) : undefined;
  const { rows, ...page } = await selectPage(
    db,
    {
      table: "directory_users",
      visible: visibleUser(context),
      attributes: attributeSource,
      columns: ["user_name", "active"],
      nthId: (offset) => sql`
        directory_nth_user(${owner}, ${offset}, ${mark?.id ?? null}, ${mark?.nth ?? null}, ${mark?.shifts ?? null})
      `,
      total: countVisible(context, "users"),
      ...(derive === undefined ? {} : { derive }),
    },
    query,
  );
  return { ...page, resources: rows.map((row) => withHeld(toResource(row), row.derived)) };
}

/** What the database adds to what is written. */
type WrittenRow = Pick<UserRow, "version" | "created_at" | "updated_at">;

function requireRow(rows: readonly WrittenRow[]): WrittenRow {
  const [row] = rows;
  if (row === undefined) throw new Error("an insert returned no row");
  return row;
}

/** A user as it is read, with what derived attributes are made of. */
type ReadUser = Omit<UserRow, "search_keys" | "user_name_key"> & { readonly derived: unknown };

/** SQL of one user that the client sees. */
function selectUser(context: DirectoryContext, id: string, derived: readonly string[]): RawBuilder<ReadUser> {
  return sql`
    select id, client, external_id, attributes, version, created_at, updated_at, user_name, active,
      ${deriveHeldOfRow(context, derived)} as derived
    from directory_users where id = ${id} and ${visibleUser(context)}
  `;
}

async function findUser(
  db: Queryable,
  context: DirectoryContext,
  id: string,
  derived: readonly string[],
): Promise<ReadUser | undefined> {
  const { rows } = await sql<ReadUser>`${prepared}${selectUser(context, id, derived)}`.execute(db);
  return rows[0];
}

interface UserLock {
  readonly context: DirectoryContext;
  readonly id: string;
  readonly derived: readonly string[];
  readonly strength: "update" | "no key update";
}

async function lockUser(trx: Queryable, { context, id, derived, strength }: UserLock): Promise<ReadUser> {
  const { rows } = await sql<ReadUser>`${selectUser(context, id, derived)} for ${sql.raw(strength)}`.execute(trx);
  const [row] = rows;
  if (row === undefined) throw new ScimError(404, `no User with id ${id}`);
  return row;
}

type UserValues = Omit<Insertable<UserTable>, "id" | "client">;
type UserColumns = Pick<UserRow, "user_name" | "external_id" | "active" | "attributes">;

/** What is kept of the attributes: all but what is derived, and the password, which is nobody's to keep. */
function toColumns(attributes: JsonObject, activeUnlessSaid: boolean): UserColumns {
  const { userName, externalId, active, password: _, groups: __, ...others } = attributes;
  return {
    user_name: requireKey("userName", userName),
    external_id: toExternalId(externalId),
    active: typeof active === "boolean" ? active : activeUnlessSaid,
    attributes: others,
  };
}

function toValues(type: ResourceType, columns: UserColumns): UserValues {
  return {
    ...columns,
    user_name_key: requireKey("userName", foldCase(columns.user_name)),
    attributes: JSON.stringify(columns.attributes),
    search_keys: JSON.stringify(toSearchKeys(type, columns.attributes)),
  };
}

function toResource(row: Omit<UserRow, "search_keys" | "user_name_key">): StoredResource {
  return {
    id: row.id,
    version: String(row.version),
    created: row.created_at,
    lastModified: row.updated_at,
    attributes: toAttributes(row),
    members: undefined,
  };
}

function toAttributes({ user_name, external_id, active, attributes }: UserColumns): JsonObject {
  return {
    ...(external_id === null ? {} : { externalId: external_id }),
    userName: user_name,
    ...attributes,
    active,
  };
}

function listUserChanges({
  before,
  after,
  client,
}: {
  readonly before: ReadUser;
  readonly after: UserColumns;
  readonly client: string;
}): readonly DirectoryChange[] {
  const resourceId = before.id;
  const changes: DirectoryChange[] = [];
  if (before.active !== after.active) {
    changes.push({ kind: after.active ? "user.reactivated" : "user.deactivated", resourceId, details: { client } });
  }
  if (before.user_name !== after.user_name) {
    changes.push({ kind: "user.renamed", resourceId, details: { from: before.user_name, to: after.user_name } });
  }
  const names = new Set([...Object.keys(before.attributes), ...Object.keys(after.attributes)]);
  const changed = [...names].filter((name) => !isDeepStrictEqual(before.attributes[name], after.attributes[name]));
  const attributes = before.external_id === after.external_id ? changed : ["externalId", ...changed];
  if (attributes.length > 0) {
    changes.push({
      kind: "user.changed",
      resourceId,
      details: { attributes, ...toFormerValues(toNamed(before), attributes) },
    });
  }
  return changes;
}

function toDeleted(row: UserColumns) {
  const names = { userName: row.user_name, userNameKey: foldCase(row.user_name) };
  const named = toNamed(row);
  return { ...names, active: row.active, ...toFormerValues(named, Object.keys(named)) };
}

/** What a pattern may name but for the name, of which changes tell by themselves. */
function toNamed({ external_id, attributes }: UserColumns): JsonObject {
  return external_id === null ? attributes : { ...attributes, externalId: external_id };
}
