/**
 * Compiles filters to SQL over comparison keys: equality is containment in `search_keys`, which is indexed; all else
 * looks at the values by JSON path. A test compares it with `matchesFilter` on random filters and resources.
 */
import type { AttributeRef, Comparable, Filter, ListQuery } from "@branchward/scim";
import { sql, type RawBuilder } from "kysely";

/** An attribute kept in a column of its own. */
export interface Column {
  /** The comparison key. Text must have the "C" collation. */
  readonly key: RawBuilder<unknown>;
  /** Equality, where an index wants it otherwise than `key = value`. */
  readonly equals?: (value: Comparable) => RawBuilder<boolean>;
  /** The type that a key is cast to. */
  readonly cast: "text" | "boolean" | "timestamptz";
  /** Whether an index finds the one or few rows that have a value. */
  readonly isKey?: boolean;
}

/** Where the attributes of a resource are found. */
export interface AttributeSource {
  /** jsonb of comparison keys. */
  readonly document: RawBuilder<unknown>;
  readonly findColumn: (target: AttributeRef) => Column | undefined;
  /** Compiles conditions on attributes kept in tables of their own; undefined for all others. */
  readonly compileRelation: (filter: Filter) => RawBuilder<boolean> | undefined;
}

type Comparison = Filter & { kind: "compare" };

/** SQL that is true exactly where the filter matches; elsewhere false or null. */
export function compileFilter(filter: Filter, source: AttributeSource): RawBuilder<boolean> {
  const relation = source.compileRelation(filter);
  if (relation !== undefined) return relation;
  switch (filter.kind) {
    case "and":
      return sql`(${compileFilter(filter.left, source)} and ${compileFilter(filter.right, source)})`;
    case "or":
      return sql`(${compileFilter(filter.left, source)} or ${compileFilter(filter.right, source)})`;
    case "not":
      return sql`((${compileFilter(filter.term, source)}) is not true)`;
    case "present": {
      const column = source.findColumn(filter.target);
      if (column !== undefined) return sql`(${column.key} is not null)`;
      return sql`jsonb_path_exists(${source.document}, ${toJsonPath(filter.target)}::jsonpath)`;
    }
    case "some": {
      const values = sql`jsonb_path_query(${source.document}, ${toJsonPath(filter.target)}::jsonpath)`;
      const inner = compileFilter(filter.filter, createDocumentSource(sql`v.value`));
      return sql`(exists (select 1 from ${values} as v(value) where ${inner}) and ${compileContained(filter, source)})`;
    }
    case "compare":
      return compileComparison(filter, source);
  }
}

/** SQL to order by an attribute, missing values last (first when descending), to be followed by a total order. */
export function compileSort(
  { target, descending }: NonNullable<ListQuery["sort"]>,
  source: AttributeSource,
): RawBuilder<unknown> {
  const direction = descending ? sql`desc nulls first` : sql`asc nulls last`;
  const column = source.findColumn(target);
  if (column !== undefined) return sql`${column.key} ${direction}`;
  const { attribute, sub, extension } = target;
  const whole = extension === undefined ? [attribute.name] : [extension, attribute.name];
  let value = sql`(${source.document} #> ${whole}::text[])`;
  if (attribute.multiValued) {
    const primary = `${toJsonPath({ ...target, sub: undefined })} ? (@."primary" == true)`;
    value = sql`coalesce(jsonb_path_query_first(${source.document}, ${primary}::jsonpath), ${value} -> 0)`;
  }
  const text = sql`(${value} #>> ${sub === undefined ? [] : [sub.name]}::text[])`;
  const isNumber = (sub ?? attribute).type === "integer" || (sub ?? attribute).type === "decimal";
  return isNumber ? sql`${text}::numeric ${direction}` : sql`${text} collate "C" ${direction}`;
}

function createDocumentSource(document: RawBuilder<unknown>): AttributeSource {
  return { document, findColumn: () => undefined, compileRelation: () => undefined };
}

function compileComparison({ target, operator, key }: Comparison, source: AttributeSource): RawBuilder<boolean> {
  const column = source.findColumn(target);
  if (column !== undefined) {
    if (operator === "eq" && column.equals !== undefined) return column.equals(key);
    return compareKey(column.key, operator, sql`${String(key)}::text::${sql.raw(column.cast)}`);
  }
  if (operator === "eq") return sql`(${source.document} @> ${JSON.stringify(toContained(target, key))}::jsonb)`;
  const values = sql`jsonb_path_query(${source.document}, ${toJsonPath(target)}::jsonpath)`;
  const condition =
    typeof key === "number"
      ? compareKey(sql`(v.value #>> '{}')::numeric`, operator, sql`${String(key)}::text::numeric`)
      : compareKey(sql`(v.value #>> '{}') collate "C"`, operator, sql`${String(key)}::text`);
  return sql`exists (select 1 from ${values} as v(value) where ${condition})`;
}

/** Compares a key of any type with a value of the same type. */
export function compareKey(
  key: RawBuilder<unknown>,
  operator: Comparison["operator"],
  value: RawBuilder<unknown>,
): RawBuilder<boolean> {
  switch (operator) {
    case "eq":
      return sql`(${key} = ${value})`;
    case "co":
      return sql`(strpos(${key}, ${value}) > 0)`;
    case "sw":
      return sql`(${key} ^@ ${value})`;
    case "ew":
      return sql`(right(${key}, length(${value})) = ${value})`;
    case "gt":
      return sql`(${key} > ${value})`;
    case "ge":
      return sql`(${key} >= ${value})`;
    case "lt":
      return sql`(${key} < ${value})`;
    case "le":
      return sql`(${key} <= ${value})`;
  }
}

/** A necessary condition of a value path that an index answers: the equalities that it demands, each by itself. */
function compileContained({ target, filter }: Filter & { kind: "some" }, source: AttributeSource): RawBuilder<boolean> {
  const demanded = listDemanded(filter).map(({ target: inner, key }) => {
    const contained = toContained({ ...target, sub: inner.attribute }, key);
    return sql<boolean>`${source.document} @> ${JSON.stringify(contained)}::jsonb`;
  });
  return demanded.length === 0 ? sql`true` : sql`(${sql.join(demanded, sql` and `)})`;
}

function listDemanded(filter: Filter): readonly Comparison[] {
  if (filter.kind === "and") return [...listDemanded(filter.left), ...listDemanded(filter.right)];
  return filter.kind === "compare" && filter.operator === "eq" ? [filter] : [];
}

function toContained({ extension, attribute, sub }: AttributeRef, key: Comparable): Readonly<Record<string, unknown>> {
  const value = sub === undefined ? key : { [sub.name]: sub.multiValued ? [key] : key };
  const held = { [attribute.name]: attribute.multiValued ? [value] : value };
  return extension === undefined ? held : { [extension]: held };
}

/** Lax paths look into lists by themselves; names come from schemas and are quoted. */
function toJsonPath({ extension, attribute, sub }: AttributeRef): string {
  const names = [extension, attribute.name, sub?.name].filter((name) => name !== undefined);
  return `$${names.map((name) => `.${JSON.stringify(name)}`).join("")}[*]`;
}
