import { isDeepStrictEqual } from "node:util";
import {
  foldCase,
  ScimError,
  toSearchKeys,
  type JsonObject,
  type ResourceType,
  type StoredResource,
} from "@branchward/scim";
import { sql, type Insertable, type Selectable } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../database.ts";
import { commonColumns } from "./columns.ts";
import { requireProvisioner, visibleUser, type DirectoryContext } from "./context.ts";
import type { AttributeSource } from "./filter-sql.ts";
import { deleteMemberships, lockGroupsOf } from "./members.ts";
import type { DirectoryNoun, Write } from "./noun.ts";
import { requireKey, selectPage, toExternalId, toUniquenessError } from "./resource-row.ts";
import type { DirectoryTables } from "./tables.ts";

type UserTable = DirectoryTables["directory_users"];
type UserRow = Selectable<UserTable>;

const common = commonColumns("directory_users");

const attributeSource: AttributeSource = {
  document: sql`directory_users.search_keys`,
  findColumn: ({ extension, attribute, sub }) => {
    if (extension !== undefined) return undefined;
    if (attribute.name === "userName") return { key: sql`directory_users.user_name_key`, cast: "text" };
    if (attribute.name === "active") return { key: sql`directory_users.active`, cast: "boolean" };
    return common.get(sub === undefined ? attribute.name : `${attribute.name}.${sub.name}`);
  },
  compileRelation: () => undefined,
};

/** Users of the directory. */
export const users: DirectoryNoun = {
  async find(db, context, id) {
    const row = await db
      .selectFrom("directory_users")
      .selectAll()
      .where("id", "=", id)
      .where(visibleUser(context))
      .executeTakeFirst();
    return row && toResource(row);
  },

  async list(db, context, query) {
    const source = { table: "directory_users", visible: visibleUser(context), attributes: attributeSource } as const;
    const { totalResults, rows } = await selectPage(db, source, query);
    return { totalResults, resources: rows.map(toResource) };
  },

  async create({ trx, context, type, raise }, { attributes }) {
    requireProvisioner(context);
    const row = await trx
      .insertInto("directory_users")
      .values({ id: uuidv7(), client: context.client, ...toValues(type, toColumns(attributes, true)) })
      .returningAll()
      .executeTakeFirstOrThrow()
      .catch((error: unknown) => {
        throw toUniquenessError(error);
      });
    raise({ kind: "user.created", resourceId: row.id, details: { userName: row.user_name, active: row.active } });
    return toResource(row);
  },

  async update({ trx, context, type, raise }, id, { change }) {
    const before = await lockUser(trx, context, id, "no key update");
    requireProvisioner(context);
    const current = toResource(before);
    const { attributes } = change(current);
    const columns = toColumns(attributes, before.active);
    if (isDeepStrictEqual(toAttributes(columns), current.attributes)) return current;
    const row = await trx
      .updateTable("directory_users")
      .set({ ...toValues(type, columns), version: sql`version + 1`, updated_at: sql`now()` })
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirstOrThrow()
      .catch((error: unknown) => {
        throw toUniquenessError(error);
      });
    raiseUpdate(raise, { before, after: row, client: context.client });
    return toResource(row);
  },

  async delete({ trx, context, raise }, id, check) {
    await lockGroupsOf(trx, id);
    const row = await lockUser(trx, context, id, "update");
    requireProvisioner(context);
    check(toResource(row));
    for (const { groupId, kind } of await deleteMemberships(trx, id)) {
      if (kind === "entitlement") continue;
      raise({ kind: "group.members", resourceId: groupId, details: { added: [], removed: [id] } });
    }
    await trx.deleteFrom("directory_users").where("id", "=", id).execute();
    raise({ kind: "user.deleted", resourceId: id, details: { userName: row.user_name, active: row.active } });
  },
};

async function lockUser(
  trx: Queryable,
  context: DirectoryContext,
  id: string,
  strength: "update" | "no key update",
): Promise<UserRow> {
  const row = await trx
    .selectFrom("directory_users")
    .selectAll()
    .where("id", "=", id)
    .where(visibleUser(context))
    .$call((query) => (strength === "update" ? query.forUpdate() : query.forNoKeyUpdate()))
    .executeTakeFirst();
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

function toResource(row: UserRow): StoredResource {
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

function raiseUpdate(
  raise: Write["raise"],
  { before, after, client }: { before: UserRow; after: UserRow; client: string },
): void {
  const resourceId = after.id;
  if (before.active !== after.active) {
    raise({
      kind: after.active ? "user.reactivated" : "user.deactivated",
      resourceId,
      details: { client },
    });
  }
  if (before.user_name !== after.user_name) {
    raise({ kind: "user.renamed", resourceId, details: { from: before.user_name, to: after.user_name } });
  }
  const names = new Set([...Object.keys(before.attributes), ...Object.keys(after.attributes)]);
  const changed = [...names].filter((name) => !isDeepStrictEqual(before.attributes[name], after.attributes[name]));
  const attributes = before.external_id === after.external_id ? changed : ["externalId", ...changed];
  if (attributes.length > 0) raise({ kind: "user.changed", resourceId, details: { attributes } });
}
