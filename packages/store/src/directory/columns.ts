import { sql } from "kysely";
import type { Column } from "./filter-sql.ts";
import { isResourceId, type ResourceTableName } from "./resource-row.ts";

/** The columns of the attributes that every resource has, by their paths. */
export function commonColumns(table: ResourceTableName): ReadonlyMap<string, Column> {
  const id = sql.ref(`${table}.id`);
  return new Map<string, Column>([
    [
      "id",
      {
        key: sql`(${id}::text collate "C")`,
        cast: "text",
        isKey: true,
        equals: (value) =>
          typeof value === "string" && isResourceId(value) ? sql<boolean>`(${id} = ${value})` : sql<boolean>`false`,
      },
    ],
    ["externalId", { key: sql.ref(`${table}.external_id`), cast: "text", isKey: true }],
    ["meta.created", { key: sql.ref(`${table}.created_at`), cast: "timestamptz" }],
    ["meta.lastModified", { key: sql.ref(`${table}.updated_at`), cast: "timestamptz" }],
  ]);
}
