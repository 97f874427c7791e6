/** What users and groups have in common as rows. */
import { ScimError, type JsonValue, type ListQuery } from "@branchward/scim";
import { sql, type RawBuilder, type Selectable } from "kysely";
import pg from "pg";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";
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

/** Tables and views whose rows are resources. */
export type ResourceTableName =
  | "directory_users"
  | "directory_groups"
  | "directory_resources"
  | "directory_entitlements"
  | "directory_roles";

/** What a page is selected from. */
export interface PageSource<Table extends ResourceTableName> {
  readonly table: Table;
  readonly visible: RawBuilder<boolean>;
  readonly attributes: AttributeSource;
  /** Further columns of its rows; none is read that no resource is made of. */
  readonly columns?: readonly (keyof DirectoryTables[Table] & string)[];
  /** SQL of the id of the visible row after so many others in the order of ids. */
  readonly nthId?: (offset: number) => RawBuilder<string>;
  /** SQL of the number of all visible rows, where it is kept. */
  readonly total?: RawBuilder<number>;
  /** SQL of a table of (`id`, `derived`): what else is shown of the rows with these ids. */
  readonly derive?: (ids: RawBuilder<unknown>) => RawBuilder<unknown>;
}

/** A row without the keys that only filters look at. */
export type PageRow<Table extends ResourceTableName> = Omit<Selectable<DirectoryTables[Table]>, "search_keys"> & {
  /** Of `PageSource.derive`. */
  readonly derived?: unknown;
};

/** As it is read: with the number of all, where that is kept and asked for. */
type ReadRow<Table extends ResourceTableName> = PageRow<Table> & { readonly total?: number };

interface Page<Table extends ResourceTableName> {
  readonly totalResults: number | undefined;
  readonly rows: readonly PageRow<Table>[];
  readonly next?: string | undefined;
}

/** The rows of a page in a stable order, and the number of all; they are counted only where the page does not tell. */
export async function selectPage<Table extends ResourceTableName>(
  db: Queryable,
  source: PageSource<Table>,
  query: ListQuery,
): Promise<Page<Table>> {
  const condition = toCondition(source, query);
  if (query.cursor !== undefined) return selectFromCursor(db, source, { ...query, cursor: query.cursor });
  const { filter, count } = query;
  const offset = query.startIndex - 1;
  const rows = count === 0 ? [] : await selectFromOffset(db, source, query);
  if (rows.length > 0 && rows.length < count) return { totalResults: offset + rows.length, rows };
  if (rows.length === 0 && count > 0 && offset === 0) return { totalResults: 0, rows };
  const known = rows[0]?.total;
  if (known !== undefined) return { totalResults: known, rows };
  const total =
    filter === undefined && source.total !== undefined
      ? sql<{ total: number }>`select ${source.total} as total`
      : sql<{ total: number }>`select count(*) as total from ${sql.table(source.table)} where ${condition}`;
  const counted = await total.execute(db);
  return { totalResults: counted.rows[0]?.total ?? 0, rows };
}

function toCondition<Table extends ResourceTableName>(
  { visible, attributes }: PageSource<Table>,
  { filter }: ListQuery,
): RawBuilder<boolean> {
  return filter === undefined ? visible : sql`${visible} and ${compileFilter(filter, attributes)}`;
}

/** Without a sort the way to the offset is by the index of ids alone: only the page's own rows are read. */
async function selectFromOffset<Table extends ResourceTableName>(
  db: Queryable,
  source: PageSource<Table>,
  query: ListQuery,
): Promise<readonly ReadRow<Table>[]> {
  const { sort, count, filter } = query;
  const offset = query.startIndex - 1;
  const table = sql.table(source.table);
  const condition = toCondition(source, query);
  const first =
    filter === undefined && source.nthId !== undefined
      ? sql`(select ${source.nthId(offset)})`
      : sql`(select id from ${table} where ${condition} order by id offset ${offset} limit 1)`;
  const range =
    sort === undefined && offset > 0
      ? sql`${condition} and id >= ${first} order by id`
      : sql`${condition} order by ${toOrder(source, query)}`;
  const skipped = sort === undefined ? sql`` : sql` offset ${offset}`;
  const total = filter === undefined && source.total !== undefined ? sql`, ${source.total} as total` : sql``;
  const page = sql`select ${toColumns(source)}${total} from ${table} where ${range} limit ${count}${skipped}`;
  const mark = isPlannedAlike(source, query) ? prepared : sql``;
  const { rows } = await sql<ReadRow<Table>>`${mark}${withDerived(source, page)}`.execute(db);
  return rows;
}

/** Whether the same plan is best for all values: without conditions, or where one names a single row by an index. */
function isPlannedAlike<Table extends ResourceTableName>(
  { attributes }: PageSource<Table>,
  { filter, sort }: ListQuery,
): boolean {
  if (sort !== undefined) return false;
  if (filter === undefined) return true;
  if (filter.kind !== "compare" || filter.operator !== "eq") return false;
  return attributes.findColumn(filter.target)?.isKey === true;
}

function withDerived<Table extends ResourceTableName>(
  { derive }: PageSource<Table>,
  page: RawBuilder<unknown>,
): RawBuilder<unknown> {
  if (derive === undefined) return page;
  return sql`
    with page as materialized (select p.*, row_number() over () as ordinal from (${page}) p)
    select page.*, d.derived from page left join ${derive(sql`array(select id from page)`)} d on d.id = page.id
    order by ordinal
  `;
}

/** By id a page begins after the last id of the one before; in another order, where that one ended. */
async function selectFromCursor<Table extends ResourceTableName>(
  db: Queryable,
  source: PageSource<Table>,
  query: ListQuery & { readonly cursor: NonNullable<ListQuery["cursor"]> },
): Promise<Page<Table>> {
  const { sort, count, cursor } = query;
  const { after } = cursor;
  const offset = sort === undefined || after === undefined ? 0 : Number(after);
  const position = sort === undefined && after !== undefined ? sql`id > ${after}` : sql`true`;
  const page = sql`
    select ${toColumns(source)} from ${sql.table(source.table)} where ${toCondition(source, query)} and ${position}
    order by ${toOrder(source, query)} limit ${count + 1} offset ${offset}
  `;
  const found = await sql<PageRow<Table> & { readonly id: string }>`${withDerived(source, page)}`.execute(db);
  const rows = found.rows.slice(0, count);
  const next = sort === undefined ? rows.at(-1)?.id : String(offset + count);
  return { totalResults: undefined, rows, next: found.rows.length > count ? next : undefined };
}

const commonRowColumns = ["id", "client", "external_id", "attributes", "version", "created_at", "updated_at"] as const;

function toColumns<Table extends ResourceTableName>({ columns = [] }: PageSource<Table>): RawBuilder<unknown> {
  return sql.join([...commonRowColumns, ...columns].map((name) => sql.ref(name)));
}

function toOrder<Table extends ResourceTableName>(
  { attributes }: PageSource<Table>,
  { sort }: ListQuery,
): RawBuilder<unknown> {
  return sort === undefined ? sql`id` : sql`${compileSort(sort, attributes)}, id`;
}

const takenAttributes: ReadonlyMap<string, string> = new Map([
  ["directory_users__user_name_key", "userName"],
  ["directory_users__external_id_client", "externalId"],
  ["directory_groups__external_id_client", "externalId"],
  ["directory_resources__external_id_type_client", "externalId"],
  ["directory_groups__display_key_kind_client", "displayName"],
]);

/** A unique violation as 409 uniqueness, any other error as it is. */
export function toUniquenessError(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError) || error.code !== "23505") return error;
  const attribute = takenAttributes.get(error.constraint ?? "");
  return attribute === undefined ? error : new ScimError(409, `${attribute} is taken`, "uniqueness");
}
