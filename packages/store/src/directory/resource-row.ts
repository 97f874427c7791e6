/** What users and groups have in common as rows. */
import { ScimError, type JsonValue, type ListQuery } from "@branchward/scim";
import { sql, type RawBuilder, type Selectable } from "kysely";
import pg from "pg";
import type { Queryable } from "../database.ts";
import { compileFilter, compileSort, type AttributeSource } from "./filter-sql.ts";
import type { DirectoryTables } from "./tables.ts";

/** What indexes hold: a longer value has no room in an index row. */
const maxKeyBytes = 1024;
/** A `displayName` is indexed by digest; the bound is on what anybody would want to read. */
const maxNameBytes = 16_384;

/** Ids as PostgreSQL writes them; any other text is nobody's id. */
export function isResourceId(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text);
}

/** The text of an indexed attribute. @throws ScimError 400 invalidValue when longer than an index may hold */
export function requireKey(name: string, value: JsonValue | undefined): string {
  return requireText(name, value, maxKeyBytes);
}

/** The `externalId` to keep: blank means none, as it would be the same for all. @throws ScimError 400 invalidValue */
export function toExternalId(value: JsonValue | undefined): string | null {
  return value === undefined || value === "" ? null : requireKey("externalId", value);
}

/** The text of a name. @throws ScimError 400 invalidValue when absurdly long */
export function requireName(name: string, value: JsonValue | undefined): string {
  return requireText(name, value, maxNameBytes);
}

function requireText(name: string, value: JsonValue | undefined, maxBytes: number): string {
  if (typeof value !== "string") throw new ScimError(400, `${name} must be a string`, "invalidValue");
  if (Buffer.byteLength(value) <= maxBytes) return value;
  throw new ScimError(400, `${name} is longer than ${maxBytes} bytes`, "invalidValue");
}

type ResourceTable = "directory_users" | "directory_groups";

/** What a page is selected from. */
export interface PageSource<Table extends ResourceTable> {
  readonly table: Table;
  readonly visible: RawBuilder<boolean>;
  readonly attributes: AttributeSource;
}

/** The rows of a page in a stable order, and the number of all; they are counted only where the page does not tell. */
export async function selectPage<Table extends ResourceTable>(
  db: Queryable,
  source: PageSource<Table>,
  query: ListQuery,
): Promise<{ readonly totalResults: number; readonly rows: readonly Selectable<DirectoryTables[Table]>[] }> {
  const { filter, sort, startIndex, count } = query;
  const table = sql.table(source.table);
  const matches = filter === undefined ? sql`true` : compileFilter(filter, source.attributes);
  const condition = sql`${source.visible} and ${matches}`;
  const order = sort === undefined ? sql`` : sql`${compileSort(sort, source.attributes)}, `;
  const offset = startIndex - 1;
  const { rows } =
    count === 0
      ? { rows: [] }
      : await sql<Selectable<DirectoryTables[Table]>>`
          select * from ${table} where ${condition} order by ${order}id limit ${count} offset ${offset}
        `.execute(db);
  if (rows.length > 0 && rows.length < count) return { totalResults: offset + rows.length, rows };
  if (rows.length === 0 && count > 0 && offset === 0) return { totalResults: 0, rows };
  const counted = await sql<{ total: number }>`
    select count(*) as total from ${table} where ${condition}
  `.execute(db);
  return { totalResults: counted.rows[0]?.total ?? 0, rows };
}

const takenAttributes: ReadonlyMap<string, string> = new Map([
  ["directory_users__user_name_key", "userName"],
  ["directory_users__external_id_client", "externalId"],
  ["directory_groups__external_id_client", "externalId"],
  ["directory_groups__display_key_kind_client", "displayName"],
]);

/** A unique violation as 409 uniqueness, any other error as it is. */
export function toUniquenessError(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError) || error.code !== "23505") return error;
  const attribute = takenAttributes.get(error.constraint ?? "");
  return attribute === undefined ? error : new ScimError(409, `${attribute} is taken`, "uniqueness");
}
