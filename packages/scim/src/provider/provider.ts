import { listCoercions, type Coercion } from "../dialect/coercions.ts";
import { ScimError } from "../error.ts";
import type { ResourceType } from "../schema/resource-type.ts";
import type { ScimStore } from "../store.ts";
import { performBulk, type BulkLimits } from "./bulk.ts";
import { discover } from "./discovery.ts";
import { toErrorResponse, type ScimRequest, type ScimResponse } from "./message.ts";
import {
  createResource,
  deleteResource,
  listResources,
  patchResource,
  readOneResource,
  replaceResource,
  searchResources,
  type Exchange,
  type Paging,
} from "./resources.ts";

/** What a provider is made of. */
export interface ScimProviderOptions<Context> extends Paging {
  readonly store: ScimStore<Context>;
  /** The resource types that a request sees: their shape may differ from client to client. */
  readonly types: readonly ResourceType[] | ((request: ScimRequest<Context>) => readonly ResourceType[]);
  /** Where the provider is reached, without a trailing slash; asked at each request, since a port may not be known yet. */
  readonly baseUrl: () => string;
  readonly documentationUri?: string;
  /** Left out, `/Bulk` is not supported. */
  readonly bulk?: BulkLimits;
  /** The resource that `/Me` stands for (RFC 7644 §3.11); left out, `/Me` is not supported. */
  readonly findMe?: (context: Context) => Promise<ResourceAddress | undefined>;
  /** Whether this client wants 204 after a PATCH, as Entra ID does; otherwise 200 with the resource. */
  readonly prefersNoContent?: (request: ScimRequest<Context>) => boolean;
  /** Told what the engine put right in a request that it took; not called when there was nothing. */
  readonly onCoerced?: (context: Context, coercions: ReadonlySet<Coercion>) => void;
}

/** A resource by its type's endpoint and its id. */
export interface ResourceAddress {
  /** `/Users` */
  readonly endpoint: string;
  readonly id: string;
}

/** A SCIM 2.0 service provider (RFC 7644) over a store. */
export interface ScimProvider<Context> {
  /** Answers every request; what the engine or the store refuses becomes an error body. Rejects with any other error. */
  handle(request: ScimRequest<Context>): Promise<ScimResponse>;
}

/** Makes a provider for the resource types, over the store. */
export function createScimProvider<Context>(options: ScimProviderOptions<Context>): ScimProvider<Context> {
  async function handle(request: ScimRequest<Context>): Promise<ScimResponse> {
    try {
      return await route(options, request, handle);
    } catch (error) {
      if (error instanceof ScimError) return toErrorResponse(error);
      throw error;
    }
  }
  return { handle };
}

type Answer = ScimResponse | Promise<ScimResponse>;

async function route<Context>(
  options: ScimProviderOptions<Context>,
  request: ScimRequest<Context>,
  handle: ScimProvider<Context>["handle"],
): Promise<ScimResponse> {
  const types = typeof options.types === "function" ? options.types(request) : options.types;
  const segments = toSegments(request.path);
  const addresses = { baseUrl: options.baseUrl(), types };
  const discovered = discover(addresses, options, segments, request.query);
  if (discovered !== undefined) return request.method === "GET" ? discovered : notAllowed("GET");
  const [collection = "", id, ...rest] = segments;
  if (collection === "Bulk" && id === undefined) return routeBulk(options, request, handle);
  if (collection === "Me" && id === undefined) return routeMe(options, request, handle);
  const type = types.find(({ endpoint }) => endpoint === `/${collection}`);
  if (type === undefined || rest.length > 0) throw new ScimError(404, "no such endpoint");
  const exchange: Exchange<Context> = { request, type, addresses, store: options.store };
  const response = await routeType(exchange, id, options);
  if (options.onCoerced !== undefined && response.status < 400 && request.body !== undefined) {
    const coercions = listCoercions(type, request.method, request.body);
    if (coercions.size > 0) options.onCoerced(request.context, coercions);
  }
  return response;
}

function routeBulk<Context>(
  { bulk }: ScimProviderOptions<Context>,
  request: ScimRequest<Context>,
  handle: ScimProvider<Context>["handle"],
): Answer {
  if (bulk === undefined) throw new ScimError(501, "/Bulk is not supported");
  if (request.method !== "POST") return notAllowed("POST");
  return performBulk(request, bulk, (operation) =>
    /^\/(Bulk|Me)\b/.test(operation.path)
      ? Promise.resolve(
          toErrorResponse(new ScimError(400, `${operation.path} cannot be part of a bulk`, "invalidValue")),
        )
      : handle(operation),
  );
}

async function routeMe<Context>(
  { findMe }: ScimProviderOptions<Context>,
  request: ScimRequest<Context>,
  handle: ScimProvider<Context>["handle"],
): Promise<ScimResponse> {
  if (findMe === undefined) throw new ScimError(501, "/Me is not supported");
  if (request.method === "POST") return notAllowed("GET, PUT, PATCH, DELETE");
  const me = await findMe(request.context);
  if (me === undefined) throw new ScimError(404, "no resource stands for this client");
  return handle({ ...request, path: `${me.endpoint}/${encodeURIComponent(me.id)}` });
}

function routeType<Context>(
  exchange: Exchange<Context>,
  id: string | undefined,
  options: ScimProviderOptions<Context>,
): Answer {
  const { request, type } = exchange;
  if (id === ".search") return request.method === "POST" ? searchResources(exchange, options) : notAllowed("POST");
  if (type.isReadOnly === true && request.method !== "GET") return notAllowed("GET");
  return id === undefined ? routeCollection(exchange, options) : routeResource(exchange, id, options);
}

function routeCollection<Context>(exchange: Exchange<Context>, paging: Paging): Answer {
  switch (exchange.request.method) {
    case "GET":
      return listResources(exchange, paging);
    case "POST":
      return createResource(exchange);
    default:
      return notAllowed("GET, POST");
  }
}

function routeResource<Context>(
  exchange: Exchange<Context>,
  id: string,
  { prefersNoContent = () => false }: ScimProviderOptions<Context>,
): Answer {
  switch (exchange.request.method) {
    case "GET":
      return readOneResource(exchange, id);
    case "PUT":
      return replaceResource(exchange, id);
    case "PATCH":
      return patchResource(exchange, id, prefersNoContent(exchange.request));
    case "DELETE":
      return deleteResource(exchange, id);
    default:
      return notAllowed("GET, PUT, PATCH, DELETE");
  }
}

function toSegments(path: string): readonly string[] {
  const segments = path.split("/").filter((segment) => segment !== "");
  try {
    return segments.map((segment) => decodeURIComponent(segment));
  } catch (cause) {
    throw Object.assign(new ScimError(404, "no such endpoint"), { cause });
  }
}

function notAllowed(allow: string): ScimResponse {
  return toErrorResponse(new ScimError(405, `allowed here: ${allow}`), { allow });
}
