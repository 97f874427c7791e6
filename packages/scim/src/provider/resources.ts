/** What each method does to resources of a type. */
import { ScimError } from "../error.ts";
import { applyPatch, patchNeedsMembers } from "../patch/apply.ts";
import { readPatch } from "../patch/operations.ts";
import { requireImmutable } from "../resource/immutable.ts";
import { readProjection, type Projection } from "../resource/projection.ts";
import { readResource } from "../resource/read-resource.ts";
import { renderResource, toETag, toLocation, type Addresses } from "../resource/render.ts";
import type { ResourceType } from "../schema/resource-type.ts";
import type { ScimStore, StoredResource } from "../store.ts";
import { toListResponse } from "./list-response.ts";
import { toEmptyResponse, toResponse, type ScimRequest, type ScimResponse } from "./message.ts";
import { isUnchanged, requireMatch } from "./preconditions.ts";
import { readQueryString, readSearchRequest, toListQuery, toMemberRead, type QueryParameters } from "./query.ts";

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

/** GET on a collection. */
export function listResources<Context>(exchange: Exchange<Context>, maxResults: number): Promise<ScimResponse> {
  return answerList(exchange, readQueryString(exchange.request.query), maxResults);
}

/** POST on `/.search`. */
export function searchResources<Context>(exchange: Exchange<Context>, maxResults: number): Promise<ScimResponse> {
  return answerList(exchange, readSearchRequest(exchange.request.body), maxResults);
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
  const stored = await store.find(request.context, type, id, toMemberRead(type, projection));
  if (stored === undefined) throw new ScimError(404, `no ${type.name} with id ${id}`);
  if (isUnchanged(request.headers, stored)) return toEmptyResponse(304, { etag: toETag(stored) });
  return answer(exchange, { status: 200, stored, projection });
}

/** PUT on a resource. */
export async function replaceResource<Context>(exchange: Exchange<Context>, id: string): Promise<ScimResponse> {
  const { request, type, store } = exchange;
  const projection = projectionOf(exchange);
  const state = readResource(type, request.body);
  const stored = await store.update(request.context, type, id, {
    readMembers: "none",
    returnMembers: toMemberRead(type, projection),
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
  const shown = toMemberRead(type, projection);
  const returnMembers = shown === "all" && mayBeEmpty ? { atMost: noContent ? 0 : maxPatchReplyMembers } : shown;
  const stored = await store.update(request.context, type, id, {
    readMembers: patchNeedsMembers(type, operations) ? "all" : "none",
    returnMembers,
    change(current) {
      requireMatch(request.headers, current);
      return applyPatch(type, current, operations);
    },
  });
  const isIncomplete = shown === "all" && stored.members === undefined;
  if (mayBeEmpty && (noContent || isIncomplete)) return toEmptyResponse(204, { etag: toETag(stored) });
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
  maxResults: number,
): Promise<ScimResponse> {
  const { query, projection } = toListQuery(type, parameters, maxResults);
  const page = await store.list(request.context, type, query);
  const rendered = page.resources.map((stored) => renderResource(addresses, type, stored, projection));
  return toResponse(200, toListResponse(page.totalResults, query.startIndex, rendered));
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
