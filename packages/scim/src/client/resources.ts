/** What answers must look like. Strict about what the caller relies on, indifferent to the rest. */
import { isJsonArray, isJsonObject, ownValue, ownValueIgnoringCase, type JsonObject, type JsonValue } from "../json.ts";
import { toKeptText } from "./plain-text.ts";

/** A resource as an endpoint showed it. */
export interface ScimResource {
  readonly id: string;
  readonly externalId: string | undefined;
  /** For `If-Match`; undefined where the endpoint has no versions. */
  readonly version: string | undefined;
  /** As the endpoint writes it; undefined where it does not say. */
  readonly lastModified: string | undefined;
  /** All that was said. */
  readonly resource: JsonObject;
}

/** A group as an endpoint showed it. */
export interface ScimGroup extends ScimResource {
  readonly displayName: string;
  /** Undefined only when they were not asked for. */
  readonly members: readonly ScimGroupMember[] | undefined;
}

/** A member as an endpoint showed it. */
export interface ScimGroupMember {
  readonly value: string;
  readonly type: string | undefined;
  readonly display: string | undefined;
}

/** A user as an endpoint showed it. */
export interface ScimUser extends ScimResource {
  readonly userName: string;
  /** Undefined where the endpoint does not say. */
  readonly active: boolean | undefined;
}

/** What an endpoint says that it can do (RFC 7643 §5). */
export interface ScimServiceProviderConfig {
  readonly patch: boolean;
  readonly bulk: boolean;
  readonly filter: boolean;
  readonly sort: boolean;
  readonly etag: boolean;
  /** The most resources in a page, undefined where the endpoint does not say. */
  readonly maxResults: number | undefined;
  /** Operations and bytes in one bulk request; undefined where there is no bulk, or no limit that could be kept. */
  readonly bulkLimits: { readonly maxOperations: number; readonly maxPayloadSize: number } | undefined;
  /** Whether lists are paged by cursors alone, or by default (RFC 9865 §4). */
  readonly paging: "index" | "cursor";
  readonly resource: JsonObject;
}

/** A schema as an endpoint told of it. */
export interface ScimSchemaSummary {
  readonly id: string;
  /** Names of its top-level attributes. */
  readonly attributes: readonly string[];
}

/** A page of a list. */
export interface ScimPage {
  /** Undefined only where a cursor leads on, or led here. */
  readonly totalResults: number | undefined;
  readonly resources: readonly JsonValue[];
  readonly nextCursor: string | undefined;
}

/** An answer that is not what it must be. */
export class ShapeError extends Error {
  override readonly name = "ShapeError";
}

/** @throws ShapeError */
export function parseGroup(
  body: unknown,
  { etag, withMembers }: { etag?: string | undefined; withMembers: boolean },
): ScimGroup {
  const base = parseResource(body, etag);
  return {
    ...base,
    displayName: requireText(base.resource, "displayName"),
    members: withMembers ? parseMembers(ownValue(base.resource, "members")) : undefined,
  };
}

/** @throws ShapeError */
export function parseUser(body: unknown, etag?: string): ScimUser {
  const base = parseResource(body, etag);
  const active = ownValue(base.resource, "active");
  return {
    ...base,
    userName: requireText(base.resource, "userName"),
    active: typeof active === "boolean" ? active : undefined,
  };
}

/** @throws ShapeError */
export function parsePage(body: unknown, isCursorPage = false): ScimPage {
  if (!isJsonObject(body)) throw new ShapeError("not a JSON object");
  const cursor = ownValue(body, "nextCursor");
  const nextCursor = typeof cursor === "string" && cursor !== "" ? cursor : undefined;
  const totalResults = ownValue(body, "totalResults");
  const isCount = typeof totalResults === "number" && Number.isSafeInteger(totalResults) && totalResults >= 0;
  const mayLack = totalResults === undefined && (isCursorPage || nextCursor !== undefined);
  if (!isCount && !mayLack) throw new ShapeError("totalResults is not a count");
  const resources = ownValueIgnoringCase(body, "Resources") ?? [];
  if (!isJsonArray(resources)) throw new ShapeError("Resources is not a list");
  return { totalResults: isCount ? totalResults : undefined, resources, nextCursor };
}

/** @throws ShapeError */
export function parseServiceProviderConfig(body: unknown): ScimServiceProviderConfig {
  if (!isJsonObject(body)) throw new ShapeError("not a JSON object");
  const feature = (name: string): JsonObject => {
    const value = ownValue(body, name);
    return isJsonObject(value) ? value : {};
  };
  const isSupported = (name: string): boolean => ownValue(feature(name), "supported") === true;
  const maxResults = ownValue(feature("filter"), "maxResults");
  return {
    patch: isSupported("patch"),
    bulk: isSupported("bulk"),
    filter: isSupported("filter"),
    sort: isSupported("sort"),
    etag: isSupported("etag"),
    maxResults: typeof maxResults === "number" && maxResults > 0 ? maxResults : undefined,
    bulkLimits: isSupported("bulk") ? readBulkLimits(feature("bulk")) : undefined,
    paging: readPaging(feature("pagination")),
    resource: body,
  };
}

/** What is no schema among them is left out. @throws ShapeError */
export function parseSchemas(body: unknown): readonly ScimSchemaSummary[] {
  const { resources } = parsePage(body);
  return resources.flatMap((resource) => {
    if (!isJsonObject(resource)) return [];
    const id = findText(resource, "id");
    const attributes = ownValue(resource, "attributes");
    if (id === undefined || !isJsonArray(attributes)) return [];
    return [{ id, attributes: attributes.flatMap((one) => (isJsonObject(one) ? (findText(one, "name") ?? []) : [])) }];
  });
}

function readBulkLimits(bulk: JsonObject): ScimServiceProviderConfig["bulkLimits"] {
  const { maxOperations, maxPayloadSize } = bulk;
  const areLimits = typeof maxOperations === "number" && typeof maxPayloadSize === "number";
  return areLimits && maxOperations > 1 && maxPayloadSize > 0 ? { maxOperations, maxPayloadSize } : undefined;
}

function readPaging(pagination: JsonObject): "index" | "cursor" {
  const { cursor, index, defaultPaginationMethod } = pagination;
  return cursor === true && (index === false || defaultPaginationMethod === "cursor") ? "cursor" : "index";
}

/** What became of each operation of a bulk request, by `bulkId`. */
export interface ScimBulkAnswer {
  readonly bulkId: string | undefined;
  readonly status: number;
  readonly location: string | undefined;
  readonly version: string | undefined;
  readonly scimType: string | undefined;
  readonly detail: string | undefined;
}

/** @throws ShapeError */
export function parseBulkAnswers(body: unknown): readonly ScimBulkAnswer[] {
  const operations = isJsonObject(body) ? ownValue(body, "Operations") : undefined;
  if (!isJsonArray(operations)) throw new ShapeError("Operations is not a list");
  return operations.map((operation) => {
    if (!isJsonObject(operation)) throw new ShapeError("an operation is not an object");
    const status = Number(ownValue(operation, "status"));
    if (!Number.isInteger(status)) throw new ShapeError("an operation has no status");
    const response = ownValue(operation, "response");
    const error = isJsonObject(response) ? response : {};
    return {
      bulkId: findText(operation, "bulkId"),
      status,
      location: findText(operation, "location"),
      version: findText(operation, "version"),
      scimType: findText(error, "scimType"),
      detail: findText(error, "detail"),
    };
  });
}

/** What an answer tells of the state that it is about: the version is the ETag, else `meta.version` of the body. */
export function readState(body: unknown, etag: string | undefined): Pick<ScimResource, "version" | "lastModified"> {
  const told = isJsonObject(body) ? ownValue(body, "meta") : undefined;
  const meta = isJsonObject(told) ? told : {};
  const version = etag ?? ownValue(meta, "version");
  return {
    // One that no header can hold is of no use.
    version: typeof version === "string" && /^[\t\x20-\x7e\x80-\xff]+$/u.test(version) ? version : undefined,
    lastModified: findText(meta, "lastModified"),
  };
}

function parseResource(body: unknown, etag: string | undefined): ScimResource {
  if (!isJsonObject(body)) throw new ShapeError("not a JSON object");
  const externalId = ownValue(body, "externalId");
  return {
    id: requireKey(body, "id"),
    externalId: typeof externalId === "string" ? toKeptText(externalId) : undefined,
    ...readState(body, etag),
    resource: body,
  };
}

/** A missing list is an empty one (RFC 7643 §2.5). */
function parseMembers(value: JsonValue | undefined): readonly ScimGroupMember[] {
  if (value === undefined || value === null) return [];
  if (!isJsonArray(value)) throw new ShapeError("members is not a list");
  return value.map((member) => {
    if (!isJsonObject(member)) throw new ShapeError("a member is not an object");
    const [type, display] = [ownValue(member, "type"), ownValue(member, "display")];
    return {
      value: requireKey(member, "value"),
      type: typeof type === "string" ? type : undefined,
      display: typeof display === "string" ? toKeptText(display) : undefined,
    };
  });
}

function findText(object: JsonObject, name: string): string | undefined {
  const value = ownValue(object, name);
  return typeof value === "string" ? toKeptText(value) : undefined;
}

function requireText(object: JsonObject, name: string): string {
  const value = ownValue(object, name);
  if (value === undefined || value === "") throw new ShapeError(`${name} is missing`);
  if (typeof value !== "string") throw new ShapeError(`${name} is not text`);
  return toKeptText(value);
}

/** What is asked for by it later: one that cannot be kept as it is leads nowhere. */
function requireKey(object: JsonObject, name: string): string {
  const key = requireText(object, name);
  if (key !== ownValue(object, name)) throw new ShapeError(`${name} has NUL or half a character in it`);
  return key;
}
