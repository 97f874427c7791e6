/** What each method does to resources of a type. */
import { ScimError } from "../error.ts";
import { applyPatch, patchNeedsMembers, toMemberDelta } from "../patch/apply.ts";
import { readPatch } from "../patch/operations.ts";
import { requireImmutable } from "../resource/immutable.ts";
import { readProjection, type Projection } from "../resource/projection.ts";
import { readResource } from "../resource/read-resource.ts";
import { renderResource, toETag, toLocation, type Addresses } from "../resource/render.ts";
import type { ResourceType } from "../schema/resource-type.ts";
import type { ScimStore, StoredResource } from "../store.ts";
import { readCursor, signCursor, toCursorScope, type CursorOptions } from "./cursor.ts";
import { toListResponse } from "./list-response.ts";
import { toEmptyResponse, toResponse, type ScimRequest, type ScimResponse } from "./message.ts";
import { isUnchanged, requireMatch } from "./preconditions.ts";
import { readQueryString, readSearchRequest, toListQuery, toResourceRead, type QueryParameters } from "./query.ts";

/** A request on its way: to which resources of which store it goes. */
export interface Exchange<Context> {
  readonly request: ScimRequest<Context>;
  readonly type: ResourceType;
  readonly addresses: Addresses;
  readonly store: ScimStore<Context>;
}

/**
 * The most members in the answer to a PATCH. RFC 7644 §3.5.2 wants the whole resource or nothing: over this it is 204,
 * so that a change of one member in a large group does not cost a reading of all.
 */
const maxPatchReplyMembers = 100;

/** How lists are paged. */
export interface Paging {
  /** The most resources in one page. */
  readonly maxResults: number;
  /** Left out, cursors are not supported. */
  readonly cursors?: CursorOptions;
}

/** GET on a collection. */
export function listResources<Context>(exchange: Exchange<Context>, paging: Paging): Promise<ScimResponse> {
  return answerList(exchange, readQueryString(exchange.request.query), paging);
}

/** POST on `/.search`. */
export function searchResources<Context>(exchange: Exchange<Context>, paging: Paging): Promise<ScimResponse> {
  return answerList(exchange, readSearchRequest(exchange.request.body), paging);
}

/** POST on a collection. */
export async function createResource<Context>(exchange: Exchange<Context>): Promise<ScimResponse> {
  const { request, type, addresses, store } = exchange;
  const projection = projectionOf(exchange);
  const stored = await store.create(request.context, type, readResource(type, request.body));
  const location = toLocation(addresses, type, stored.id);
  return answer(exchange, { status: 201, stored, projection, headers: { location } });
}

/** GET on a resource. */
export async function readOneResource<Context>(exchange: Exchange<Context>, id: string): Promise<ScimResponse> {
  const { request, type, store } = exchange;
  const projection = projectionOf(exchange);
  const read = toResourceRead(type, projection);
  const stored = await store.find(request.context, type, id, read);
  if (stored === undefined) throw new ScimError(404, `no ${type.name} with id ${id}`);
  // The version does not tell of derived attributes.
  if (read.derived.length === 0 && isUnchanged(request.headers, stored))
    return toEmptyResponse(304, { etag: toETag(stored) });
  return answer(exchange, { status: 200, stored, projection });
}

/** PUT on a resource. */
export async function replaceResource<Context>(exchange: Exchange<Context>, id: string): Promise<ScimResponse> {
  const { request, type, store } = exchange;
  const projection = projectionOf(exchange);
  const state = readResource(type, request.body);
  const stored = await store.update(request.context, type, id, {
    readMembers: "none",
    isConditional: request.headers["if-match"] !== undefined,
    returns: toResourceRead(type, projection),
    change(current) {
      requireMatch(request.headers, current);
      requireImmutable(type, current.attributes, state.attributes);
      return state;
    },
  });
  return answer(exchange, { status: 200, stored, projection });
}

/** PATCH on a resource; `noContent` where the client wants no body. */
export async function patchResource<Context>(
  exchange: Exchange<Context>,
  id: string,
  noContent: boolean,
): Promise<ScimResponse> {
  const { request, type, store } = exchange;
  const projection = projectionOf(exchange);
  const operations = readPatch(type, request.body);
  const mayBeEmpty = projection.mode === "default";
  const isSilent = mayBeEmpty && noContent;
  const shown = toResourceRead(type, projection);
  const returns =
    shown.members === "all" && mayBeEmpty ? { ...shown, members: { atMost: maxPatchReplyMembers } } : shown;
  const isConditional = request.headers["if-match"] !== undefined;
  const stored = await store.update(request.context, type, id, {
    readMembers: patchNeedsMembers(type, operations) ? "all" : "none",
    isConditional,
    memberDelta: isConditional ? undefined : toMemberDelta(type, operations),
    returns: isSilent ? { members: "none", derived: [] } : returns,
    change(current) {
      requireMatch(request.headers, current);
      return applyPatch(type, current, operations);
    },
  });
  const isIncomplete = mayBeEmpty && shown.members === "all" && stored.members === undefined;
  if (isSilent || isIncomplete) return toEmptyResponse(204, { etag: toETag(stored) });
  return answer(exchange, { status: 200, stored, projection });
}

/** DELETE on a resource. */
export async function deleteResource<Context>(exchange: Exchange<Context>, id: string): Promise<ScimResponse> {
  const { request, type, store } = exchange;
  await store.delete(request.context, type, id, (current) => requireMatch(request.headers, current));
  return toEmptyResponse(204);
}

async function answerList<Context>(
  { request, type, addresses, store }: Exchange<Context>,
  parameters: QueryParameters,
  { maxResults, cursors }: Paging,
): Promise<ScimResponse> {
  const { query, projection } = toListQuery(type, parameters, maxResults);
  const { cursor } = parameters;
  const render = (stored: StoredResource): unknown => renderResource(addresses, type, stored, projection);
  if (cursor === undefined) {
    const { totalResults, resources } = await store.list(request.context, type, query);
    return toResponse(
      200,
      toListResponse({ totalResults, startIndex: query.startIndex, resources: resources.map(render) }),
    );
  }
  if (cursors === undefined) throw new ScimError(400, "cursors are not supported", "invalidCursor");
  if (parameters.count !== undefined && parameters.count < 1)
    throw new ScimError(400, "count must be 1 or more", "invalidCount");
  const scope = toCursorScope(type.endpoint, parameters);
  const after = cursor === "" ? undefined : await readCursor(cursors, scope, cursor);
  const page = await store.list(request.context, type, { ...query, cursor: { after } });
  const nextCursor = page.next === undefined ? undefined : await signCursor(cursors, scope, page.next);
  const { totalResults } = page;
  return toResponse(
    200,
    toListResponse({ totalResults, startIndex: undefined, resources: page.resources.map(render), nextCursor }),
  );
}

function projectionOf<Context>({ request, type }: Exchange<Context>): Projection {
  const { attributes, excludedAttributes } = readQueryString(request.query);
  return readProjection(type, attributes, excludedAttributes);
}

interface Answer {
  readonly status: number;
  readonly stored: StoredResource;
  readonly projection: Projection;
  readonly headers?: Readonly<Record<string, string>>;
}

function answer<Context>(
  { type, addresses }: Exchange<Context>,
  { status, stored, projection, headers = {} }: Answer,
): ScimResponse {
  return toResponse(status, renderResource(addresses, type, stored, projection), { ...headers, etag: toETag(stored) });
}
