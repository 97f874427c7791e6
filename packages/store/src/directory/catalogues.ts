/** The catalogues of roles and entitlements: read-only views over what policy defines. */
import { ScimError, type StoredResource } from "@branchward/scim";
import { sql } from "kysely";
import { commonColumns } from "./columns.ts";
import type { AttributeSource } from "./filter-sql.ts";
import type { DirectoryNoun } from "./noun.ts";
import { selectPage, type PageRow } from "./resource-row.ts";

type CatalogueTable = "directory_roles" | "directory_entitlements";

/** A catalogue over its view; every client sees all of it. */
export function createCatalogue(table: CatalogueTable): DirectoryNoun {
  const common = commonColumns(table);
  const attributes: AttributeSource = {
    document: sql.ref(`${table}.search_keys`),
    findColumn: ({ attribute, sub }) =>
      common.get(sub === undefined ? attribute.name : `${attribute.name}.${sub.name}`),
    compileRelation: () => undefined,
  };
  return {
    async find(db, _, id) {
      const row = await db.selectFrom(table).selectAll().where("id", "=", id).executeTakeFirst();
      return row && toResource(row);
    },
    async list(db, _, query) {
      const { rows, ...page } = await selectPage(db, { table, visible: sql`true`, attributes }, query);
      return { ...page, resources: rows.map(toResource) };
    },
    update: refuse,
    delete: refuse,
  };
}

async function refuse(): Promise<never> {
  throw new ScimError(403, "a catalogue is read only");
}

function toResource(row: PageRow<CatalogueTable>): StoredResource {
  const { id, version, created_at, updated_at, attributes } = row;
  return {
    id,
    version: String(version),
    created: created_at,
    lastModified: updated_at,
    attributes,
    members: undefined,
  };
}
