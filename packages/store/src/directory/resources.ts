/** Resources of the types that configuration adds: one table for all of them, nothing of theirs drives policy. */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import {
  isJsonObject,
  ScimError,
  toSearchKeys,
  type JsonObject,
  type JsonValue,
  type ResourceType,
  type StoredResource,
} from "@branchward/scim";
import { sql, type RawBuilder, type Selectable } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";
import { commonColumns } from "./columns.ts";
import { requireProvisioner, type DirectoryContext } from "./context.ts";
import type { AttributeSource } from "./filter-sql.ts";
import type { DirectoryNoun } from "./noun.ts";
import { selectPage, type PageRow, toExternalId, toUniquenessError } from "./resource-row.ts";
import type { DirectoryTables } from "./tables.ts";

type ResourceRow = Selectable<DirectoryTables["directory_resources"]>;

const common = commonColumns("directory_resources");

const attributeSource: AttributeSource = {
  document: sql`directory_resources.search_keys`,
  findColumn: ({ extension, attribute, sub }) =>
    extension === undefined
      ? common.get(sub === undefined ? attribute.name : `${attribute.name}.${sub.name}`)
      : undefined,
  compileRelation: () => undefined,
};

function visible(type: ResourceType, context: DirectoryContext): RawBuilder<boolean> {
  return context.kind === "provisioning"
    ? sql`directory_resources.type = ${type.name} and directory_resources.client = ${context.client}`
    : sql`directory_resources.type = ${type.name}`;
}

async function lock(
  trx: Queryable,
  { type, context, id }: { readonly type: ResourceType; readonly context: DirectoryContext; readonly id: string },
): Promise<ResourceRow> {
  const query = trx.selectFrom("directory_resources").selectAll().where("id", "=", id).where(visible(type, context));
  const row = await query.forUpdate().executeTakeFirst();
  if (row === undefined) throw new ScimError(404, `no ${type.name} with id ${id}`);
  requireProvisioner(context);
  return row;
}

/** The resources of a type. */
export function createResources(type: ResourceType): DirectoryNoun {
  return {
    async find(db, context, id) {
      const query = db.selectFrom("directory_resources").selectAll().where("id", "=", id).where(visible(type, context));
      const row = await query.executeTakeFirst();
      return row && toResource(row);
    },

    async list(db, context, query) {
      const source = {
        table: "directory_resources",
        visible: visible(type, context),
        attributes: attributeSource,
      } as const;
      const { rows, ...page } = await selectPage(db, source, query);
      return { ...page, resources: rows.map(toResource) };
    },

    async create({ trx, context }, { attributes }) {
      requireProvisioner(context);
      const row = await trx
        .insertInto("directory_resources")
        .values({ id: uuidv7(), type: type.name, client: context.client, ...toValues(type, attributes) })
        .returningAll()
        .executeTakeFirstOrThrow()
        .catch((error: unknown) => {
          throw toUniquenessError(error);
        });
      await saveUniqueKeys(trx, type, row);
      return toResource(row);
    },

    async update({ trx, context }, id, { change }) {
      const current = toResource(await lock(trx, { type, context, id }));
      const { attributes } = change(current);
      if (isDeepStrictEqual(attributes, current.attributes)) return current;
      const row = await trx
        .updateTable("directory_resources")
        .set({ ...toValues(type, attributes), version: sql`version + 1`, updated_at: sql`now()` })
        .where("id", "=", id)
        .returningAll()
        .executeTakeFirstOrThrow()
        .catch((error: unknown) => {
          throw toUniquenessError(error);
        });
      await saveUniqueKeys(trx, type, row);
      return toResource(row);
    },

    async delete({ trx, context }, id, check) {
      check(toResource(await lock(trx, { type, context, id })));
      await trx.deleteFrom("directory_resources").where("id", "=", id).execute();
    },
  };
}

function toValues(
  type: ResourceType,
  { externalId, ...attributes }: JsonObject,
): { readonly external_id: string | null; readonly attributes: string; readonly search_keys: string } {
  return {
    external_id: toExternalId(externalId),
    attributes: JSON.stringify(attributes),
    search_keys: JSON.stringify(toSearchKeys(type, attributes)),
  };
}

function toResource(row: PageRow<"directory_resources">): StoredResource {
  const { id, version, created_at, updated_at, external_id, attributes } = row;
  return {
    id,
    version: String(version),
    created: created_at,
    lastModified: updated_at,
    attributes: { ...(external_id === null ? {} : { externalId: external_id }), ...attributes },
    members: undefined,
  };
}

/** @throws ScimError 409 uniqueness naming the attribute */
async function saveUniqueKeys(trx: Queryable, type: ResourceType, row: ResourceRow): Promise<void> {
  const keys = listUniqueKeys(type, row.search_keys);
  await trx.deleteFrom("directory_resource_keys").where("resource_id", "=", row.id).execute();
  for (const { attribute, key } of keys) {
    const digest = createHash("sha256").update(JSON.stringify(key)).digest("base64url");
    const result = await trx
      .insertInto("directory_resource_keys")
      .values({ resource_id: row.id, type: type.name, attribute, digest })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if (result.numInsertedOrUpdatedRows !== 1n) throw new ScimError(409, `${attribute} is taken`, "uniqueness");
  }
}

function listUniqueKeys(
  type: ResourceType,
  searchKeys: JsonObject,
): readonly { readonly attribute: string; readonly key: JsonValue }[] {
  const core = { prefix: "", definitions: type.schema.attributes, held: searchKeys };
  const extensions = type.extensions.map(({ schema }) => ({
    prefix: `${schema.id}:`,
    definitions: schema.attributes,
    held: searchKeys[schema.id],
  }));
  return [core, ...extensions].flatMap(({ prefix, definitions, held }) =>
    definitions.flatMap(({ name, uniqueness }) => {
      const key = isJsonObject(held) ? held[name] : undefined;
      return uniqueness === "none" || key === undefined ? [] : [{ attribute: `${prefix}${name}`, key }];
    }),
  );
}
