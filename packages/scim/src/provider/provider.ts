import { ScimError } from "../error.ts";
import type { ResourceType } from "../schema/resource-type.ts";
import type { ScimStore } from "../store.ts";
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
} from "./resources.ts";

/** What a provider is made of. */
export interface ScimProviderOptions<Context> {
  readonly store: ScimStore<Context>;
  readonly types: readonly ResourceType[];
  /** Where the provider is reached, without a trailing slash; asked at each request, since a port may not be known yet. */
  readonly baseUrl: () => string;
  /** The most resources in one page. */
  readonly maxResults: number;
  readonly documentationUri?: string;
  /** Whether this client wants 204 after a PATCH, as Entra ID does; otherwise 200 with the resource. */
  readonly prefersNoContent?: (request: ScimRequest<Context>) => boolean;
}

/** A SCIM 2.0 service provider (RFC 7644) over a store. */
export interface ScimProvider<Context> {
  /** Answers every request; what the engine or the store refuses becomes an error body. Rejects with any other error. */
  handle(request: ScimRequest<Context>): Promise<ScimResponse>;
}

/** Makes a provider for the resource types, over the store. */
export function createScimProvider<Context>(options: ScimProviderOptions<Context>): ScimProvider<Context> {
  const { store, types, maxResults, prefersNoContent = () => false } = options;

  async function route(request: ScimRequest<Context>): Promise<ScimResponse> {
    const segments = toSegments(request.path);
    const addresses = { baseUrl: options.baseUrl(), types };
    const discovered = discover(addresses, options, segments, request.query);
    if (discovered !== undefined) return request.method === "GET" ? discovered : notAllowed("GET");
    const [collection = "", id, ...rest] = segments;
    if (collection === "Bulk" || collection === "Me") throw new ScimError(501, `/${collection} is not supported`);
    const type = types.find(({ endpoint }) => endpoint === `/${collection}`);
    if (type === undefined || rest.length > 0) throw new ScimError(404, "no such endpoint");
    const exchange: Exchange<Context> = { request, type, addresses, store };
    if (id === undefined) return routeCollection(exchange);
    if (id !== ".search") return routeResource(exchange, id);
    return request.method === "POST" ? searchResources(exchange, maxResults) : notAllowed("POST");
  }

  function routeCollection(exchange: Exchange<Context>): ScimResponse | Promise<ScimResponse> {
    switch (exchange.request.method) {
      case "GET":
        return listResources(exchange, maxResults);
      case "POST":
        return createResource(exchange);
      default:
        return notAllowed("GET, POST");
    }
  }

  function routeResource(exchange: Exchange<Context>, id: string): ScimResponse | Promise<ScimResponse> {
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

  return {
    async handle(request) {
      try {
        return await route(request);
      } catch (error) {
        if (error instanceof ScimError) return toErrorResponse(error);
        throw error;
      }
    },
  };
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
