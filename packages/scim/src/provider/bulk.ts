/** Hides bulk requests (RFC 7644 §3.7): limits, the order that `bulkId` references ask for, and the collected answers. */
import { ScimError, toErrorBody } from "../error.ts";
import { isJsonArray, isJsonObject, ownValueIgnoringCase, type JsonObject, type JsonValue } from "../json.ts";
import { toResponse, type ScimRequest, type ScimResponse } from "./message.ts";

/** The schema URI of a bulk request. */
export const bulkRequestSchema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const bulkResponseSchema = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
const reference = /^bulkId:(.+)$/;

/** What one bulk request may hold. */
export interface BulkLimits {
  readonly maxOperations: number;
  /** In bytes; the host refuses longer bodies before they get here. */
  readonly maxPayloadSize: number;
}

interface BulkOperation {
  readonly method: string;
  readonly path: string;
  readonly bulkId: string | undefined;
  readonly version: string | undefined;
  readonly data: JsonValue | undefined;
  /** The `bulkId`s that must be known first. */
  readonly needs: readonly string[];
}

/** Answers one operation, as if it had come by itself. */
type Perform<Context> = (request: ScimRequest<Context>) => Promise<ScimResponse>;

/**
 * Performs the operations one after another, each by itself; an operation waits for those that it refers to. Answers
 * are in the order of performance. After `failOnErrors` errors the rest is left undone and has no answer.
 * @throws ScimError 400 invalidSyntax, 413 for too many operations
 */
export async function performBulk<Context>(
  request: ScimRequest<Context>,
  { maxOperations }: BulkLimits,
  perform: Perform<Context>,
): Promise<ScimResponse> {
  const { operations, failOnErrors } = readBulkRequest(request.body, maxOperations);
  const ids = new Map<string, string>();
  const answers: JsonObject[] = [];
  let errors = 0;
  for (const operation of orderByNeeds(operations)) {
    const response = await performOne(request, operation, { ids, perform });
    answers.push(toAnswer(operation, response));
    const id = isJsonObject(response.body) ? response.body["id"] : undefined;
    if (operation.bulkId !== undefined && response.status === 201 && typeof id === "string")
      ids.set(operation.bulkId, id);
    if (response.status >= 400) errors += 1;
    if (failOnErrors !== undefined && errors >= failOnErrors) break;
  }
  return toResponse(200, { schemas: [bulkResponseSchema], Operations: answers });
}

async function performOne<Context>(
  request: ScimRequest<Context>,
  { method, path, version, data, needs }: BulkOperation,
  { ids, perform }: { readonly ids: ReadonlyMap<string, string>; readonly perform: Perform<Context> },
): Promise<ScimResponse> {
  const unknown = needs.find((name) => !ids.has(name));
  if (unknown !== undefined) {
    const error = new ScimError(409, `bulkId:${unknown} names nothing that was created before this`, "invalidValue");
    return { status: error.status, headers: {}, body: toErrorBody(error) };
  }
  const [target = "", query = ""] = path.split(/\?(.*)/s);
  const headers = { ...request.headers, "if-match": version, "if-none-match": undefined };
  const resolved = target.split("/").map((segment) => encodeSegment(segment, ids));
  const body = data === undefined ? undefined : resolve(data, ids);
  return perform({ ...request, method, path: resolved.join("/"), query: new URLSearchParams(query), headers, body });
}

function encodeSegment(segment: string, ids: ReadonlyMap<string, string>): string {
  const name = reference.exec(segment)?.[1];
  return name === undefined ? segment : encodeURIComponent(ids.get(name) ?? segment);
}

function toAnswer({ method, bulkId }: BulkOperation, { status, headers, body }: ScimResponse): JsonObject {
  const location = headers["location"] ?? locationOf(body);
  return {
    method,
    ...(bulkId === undefined ? {} : { bulkId }),
    ...(location === undefined ? {} : { location }),
    ...(headers["etag"] === undefined ? {} : { version: headers["etag"] }),
    status: String(status),
    ...(status >= 400 && isJsonObject(body) ? { response: body } : {}),
  };
}

function locationOf(body: unknown): string | undefined {
  const meta = isJsonObject(body) ? body["meta"] : undefined;
  const location = isJsonObject(meta) ? meta["location"] : undefined;
  return typeof location === "string" ? location : undefined;
}

function readBulkRequest(
  body: unknown,
  maxOperations: number,
): { readonly operations: readonly BulkOperation[]; readonly failOnErrors: number | undefined } {
  const list = isJsonObject(body) ? ownValueIgnoringCase(body, "Operations") : undefined;
  if (!isJsonObject(body) || !isJsonArray(list)) throw refuse("Operations must be a list");
  const schemas = ownValueIgnoringCase(body, "schemas");
  if (!isJsonArray(schemas) || !schemas.includes(bulkRequestSchema))
    throw refuse(`schemas must name ${bulkRequestSchema}`);
  if (list.length === 0) throw refuse("Operations is empty");
  if (list.length > maxOperations) throw new ScimError(413, `more than ${maxOperations} operations in one request`);
  const failOnErrors = ownValueIgnoringCase(body, "failOnErrors") ?? undefined;
  const isCount = typeof failOnErrors === "number" && Number.isSafeInteger(failOnErrors) && failOnErrors >= 1;
  if (failOnErrors !== undefined && !isCount) throw refuse("failOnErrors must be a count");
  const operations = list.map(readOperation);
  const names = operations.flatMap(({ bulkId }) => bulkId ?? []);
  if (new Set(names).size !== names.length) throw refuse("a bulkId is given twice");
  return { operations, failOnErrors: isCount ? failOnErrors : undefined };
}

function readOperation(value: JsonValue): BulkOperation {
  if (!isJsonObject(value)) throw refuse("every operation must be an object");
  const text = (name: string): string | undefined => {
    const held = ownValueIgnoringCase(value, name) ?? undefined;
    if (held !== undefined && typeof held !== "string") throw refuse(`${name} must be a string`);
    return held;
  };
  const method = text("method")?.toUpperCase();
  const path = text("path");
  const bulkId = text("bulkId");
  const data = ownValueIgnoringCase(value, "data");
  if (method !== "POST" && method !== "PUT" && method !== "PATCH" && method !== "DELETE") {
    throw refuse("method must be POST, PUT, PATCH or DELETE");
  }
  if (path === undefined || !path.startsWith("/")) throw refuse("path must begin with /");
  if (method === "POST" && bulkId === undefined) throw refuse("POST needs a bulkId");
  const needs = [...path.split(/[/?]/).flatMap((segment) => listReferences(segment)), ...listReferences(data)];
  return { method, path, bulkId, version: text("version"), data, needs };
}

/** Deeper than any resource: a limit for what is walked before it is read as one. */
const maxDepth = 16;

function listReferences(value: JsonValue | undefined, depth = 0): readonly string[] {
  if (depth > maxDepth) throw refuse("data is nested too deeply");
  if (typeof value === "string") {
    const name = reference.exec(value)?.[1];
    return name === undefined ? [] : [name];
  }
  if (isJsonArray(value)) return value.flatMap((element) => listReferences(element, depth + 1));
  return isJsonObject(value) ? Object.values(value).flatMap((held) => listReferences(held, depth + 1)) : [];
}

function resolve(value: JsonValue, ids: ReadonlyMap<string, string>): JsonValue {
  if (typeof value === "string") {
    const name = reference.exec(value)?.[1];
    return name === undefined ? value : (ids.get(name) ?? value);
  }
  if (isJsonArray(value)) return value.map((element) => resolve(element, ids));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, held]) => [key, held === undefined ? undefined : resolve(held, ids)]),
  );
}

/** As given, but each after what it needs; those of a circle come where they fail (RFC 7644 §3.7.1 lets them). */
function orderByNeeds(operations: readonly BulkOperation[]): readonly BulkOperation[] {
  const creators = new Map(operations.map((operation) => [operation.bulkId, operation]));
  const ordered = new Set<BulkOperation>();
  const begun = new Set<BulkOperation>();
  // At most as deep as there are operations, which are limited.
  const visit = (operation: BulkOperation): void => {
    if (begun.has(operation)) return;
    begun.add(operation);
    for (const name of operation.needs) {
      const creator = creators.get(name);
      if (creator !== undefined) visit(creator);
    }
    ordered.add(operation);
  };
  for (const operation of operations) visit(operation);
  return [...ordered];
}

function refuse(detail: string): ScimError {
  return new ScimError(400, detail, "invalidSyntax");
}
