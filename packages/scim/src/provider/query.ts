/** Hides how list parameters are read, from the query string and from a `/.search` body alike. */
import { ScimError } from "../error.ts";
import { bindFilter } from "../filter/bind.ts";
import { parseFilter } from "../filter/parser.ts";
import { isJsonArray, isJsonObject, ownValueIgnoringCase, type JsonValue } from "../json.ts";
import { isReturned, readProjection, type Projection } from "../resource/projection.ts";
import { isHidden } from "../schema/definitions.ts";
import type { AttributeRef, ResourceType } from "../schema/resource-type.ts";
import type { ListQuery, ResourceRead } from "../store.ts";

/** The schema URI of a `/.search` body. */
export const searchSchema = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/** List parameters as written (RFC 7644 §3.4.2 and §3.4.3). */
export interface QueryParameters {
  readonly filter: string | undefined;
  readonly sortBy: string | undefined;
  readonly sortOrder: string | undefined;
  readonly startIndex: number | undefined;
  readonly count: number | undefined;
  /** Of RFC 9865; empty for the first page. */
  readonly cursor: string | undefined;
  readonly attributes: readonly string[] | undefined;
  readonly excludedAttributes: readonly string[] | undefined;
}

/** The parameters of a query string. @throws ScimError 400 invalidValue */
export function readQueryString(query: URLSearchParams): QueryParameters {
  const names = (name: string): readonly string[] | undefined => query.get(name)?.split(",");
  return {
    filter: query.get("filter") ?? undefined,
    sortBy: query.get("sortBy") ?? undefined,
    sortOrder: query.get("sortOrder") ?? undefined,
    startIndex: readInteger("startIndex", query.get("startIndex")),
    count: readInteger("count", query.get("count")),
    cursor: query.get("cursor") ?? undefined,
    attributes: names("attributes"),
    excludedAttributes: names("excludedAttributes"),
  };
}

/** The parameters of a `/.search` body. @throws ScimError 400 invalidSyntax, invalidValue */
export function readSearchRequest(body: unknown): QueryParameters {
  if (!isJsonObject(body)) throw new ScimError(400, "the body must be a JSON object", "invalidSyntax");
  const schemas = ownValueIgnoringCase(body, "schemas");
  if (!isJsonArray(schemas) || !schemas.includes(searchSchema)) {
    throw new ScimError(400, `schemas must name ${searchSchema}`, "invalidSyntax");
  }
  const text = (name: string): string | undefined => {
    const value = ownValueIgnoringCase(body, name) ?? undefined;
    if (value !== undefined && typeof value !== "string") throw refuse(`${name} must be a string`);
    return value;
  };
  return {
    filter: text("filter"),
    sortBy: text("sortBy"),
    sortOrder: text("sortOrder"),
    startIndex: readInteger("startIndex", ownValueIgnoringCase(body, "startIndex")),
    count: readInteger("count", ownValueIgnoringCase(body, "count")),
    cursor: text("cursor"),
    attributes: readNames("attributes", ownValueIgnoringCase(body, "attributes")),
    excludedAttributes: readNames("excludedAttributes", ownValueIgnoringCase(body, "excludedAttributes")),
  };
}

/** What to ask of the store, at most `maxResults` at a time. @throws ScimError 400 invalidFilter, invalidValue */
export function toListQuery(
  type: ResourceType,
  parameters: QueryParameters,
  maxResults: number,
): { readonly query: ListQuery; readonly projection: Projection } {
  const { filter, startIndex = 1, count = maxResults } = parameters;
  const projection = readProjection(type, parameters.attributes, parameters.excludedAttributes);
  return {
    projection,
    query: {
      filter: filter === undefined ? undefined : bindFilter(type, parseFilter(filter)),
      sort: readSort(type, parameters),
      startIndex: Math.max(1, startIndex),
      count: Math.min(Math.max(0, count), maxResults),
      read: toResourceRead(type, projection),
    },
  };
}

/** What a projection shows. */
export function toResourceRead(type: ResourceType, projection: Projection): ResourceRead {
  return {
    members: type.members !== undefined && isReturned(projection, type.members) ? "all" : "none",
    derived: type.derived.filter((definition) => isReturned(projection, definition)).map(({ name }) => name),
  };
}

function readSort(type: ResourceType, { sortBy, sortOrder = "ascending" }: QueryParameters): ListQuery["sort"] {
  const order = sortOrder.toLowerCase();
  if (order !== "ascending" && order !== "descending") throw refuse("sortOrder must be ascending or descending");
  if (sortBy === undefined) return undefined;
  const found = type.findTarget(sortBy);
  const target = found?.kind === "attribute" ? toSortable(type, found) : undefined;
  if (target === undefined) throw refuse(`cannot sort by ${sortBy}`);
  return { target, descending: order === "descending" };
}

function toSortable(type: ResourceType, target: AttributeRef): AttributeRef | undefined {
  const { attribute, sub } = target;
  const isMade = attribute.name === "schemas" || (attribute.name === "meta" && sub?.type !== "dateTime");
  if (attribute === type.members || isHidden(attribute) || (sub !== undefined && isHidden(sub))) return undefined;
  if (target.extension === undefined && isMade) return undefined;
  if (attribute.type !== "complex" || sub !== undefined) return target;
  const value = attribute.subAttributes?.find(({ name }) => name === "value");
  return value === undefined || isHidden(value) ? undefined : { ...target, sub: value };
}

function readInteger(name: string, value: JsonValue | undefined): number | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  const number = typeof value === "string" && /^[+-]?\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number)) throw refuse(`${name} must be an integer`);
  return number;
}

function readNames(name: string, value: JsonValue | undefined): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isJsonArray(value)) throw refuse(`${name} must be a list`);
  return value.map((element) => {
    if (typeof element !== "string") throw refuse(`${name} must be a list of strings`);
    return element;
  });
}

function refuse(detail: string): ScimError {
  return new ScimError(400, detail, "invalidValue");
}
