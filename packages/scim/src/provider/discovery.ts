/** The discovery endpoints of RFC 7644 §4, made once from the resource types. */
import { ScimError } from "../error.ts";
import { maxFilterDepth, maxFilterLength, maxFilterTerms } from "../filter/syntax.ts";
import { maxAttributeWork, maxMemberComparisons, maxPatchOperations } from "../patch/limits.ts";
import { maxResourceLength } from "../resource/read-resource.ts";
import { maxValues } from "../resource/read-value.ts";
import type { SchemaDefinition } from "../schema/definitions.ts";
import { resourceTypeSchema, schemaSchema, serviceProviderConfigSchema } from "../schema/discovery.ts";
import type { Addresses } from "../resource/render.ts";
import type { ResourceType } from "../schema/resource-type.ts";
import type { BulkLimits } from "./bulk.ts";
import { toWholeList } from "./list-response.ts";
import { toResponse, type ScimResponse } from "./message.ts";
import type { Paging } from "./resources.ts";

/** What a provider varies in ServiceProviderConfig (RFC 7643 §5). */
export interface ProviderCapabilities extends Paging {
  readonly bulk?: BulkLimits;
  /** Limits of filters and PATCH in words, and where to read on. */
  readonly documentationUri?: string;
}

/** Answers GET below `/ServiceProviderConfig`, `/Schemas` and `/ResourceTypes`; undefined for any other path. */
export function discover(
  addresses: Addresses,
  capabilities: ProviderCapabilities,
  segments: readonly string[],
  query: URLSearchParams,
): ScimResponse | undefined {
  const [collection, id, ...rest] = segments;
  if (rest.length > 0) return undefined;
  if (collection !== "ServiceProviderConfig" && collection !== "Schemas" && collection !== "ResourceTypes") {
    return undefined;
  }
  // RFC 7644 §4: a filter here must be refused, so that nobody takes the whole list for the answer to it.
  if (query.has("filter")) throw new ScimError(403, "discovery endpoints cannot be filtered");
  if (collection === "ServiceProviderConfig") {
    return id === undefined ? toResponse(200, toServiceProviderConfig(addresses, capabilities)) : undefined;
  }
  const documents = collection === "Schemas" ? listSchemas(addresses) : listResourceTypes(addresses);
  if (id === undefined) return toResponse(200, toWholeList(documents));
  const wanted = id.toLowerCase();
  const found = documents.find((document) => document.id.toLowerCase() === wanted);
  if (found === undefined) throw new ScimError(404, `no such ${collection === "Schemas" ? "schema" : "resource type"}`);
  return toResponse(200, found);
}

interface DiscoveryDocument {
  readonly id: string;
}

function listSchemas({ baseUrl, types }: Addresses): readonly DiscoveryDocument[] {
  const used = types.flatMap((type) => [type.schema, ...type.extensions.map(({ schema }) => schema)]);
  const all = new Set<SchemaDefinition>([...used, serviceProviderConfigSchema, resourceTypeSchema, schemaSchema]);
  return [...all].map((schema) => ({
    schemas: [schemaSchema.id],
    ...schema,
    meta: { resourceType: "Schema", location: `${baseUrl}/Schemas/${schema.id}` },
  }));
}

function listResourceTypes({ baseUrl, types }: Addresses): readonly DiscoveryDocument[] {
  return types.map((type: ResourceType) => ({
    schemas: [resourceTypeSchema.id],
    id: type.name,
    name: type.name,
    endpoint: type.endpoint,
    description: type.description,
    schema: type.schema.id,
    schemaExtensions: type.extensions.map(({ schema, required }) => ({ schema: schema.id, required })),
    meta: { resourceType: "ResourceType", location: `${baseUrl}/ResourceTypes/${type.name}` },
  }));
}

function toServiceProviderConfig({ baseUrl }: Addresses, capabilities: ProviderCapabilities): unknown {
  const { maxResults, documentationUri, bulk, cursors } = capabilities;
  return {
    schemas: [serviceProviderConfigSchema.id],
    ...(documentationUri === undefined ? {} : { documentationUri }),
    patch: { supported: true },
    bulk: { supported: bulk !== undefined, maxOperations: 0, maxPayloadSize: 0, ...bulk },
    filter: { supported: true, maxResults },
    changePassword: { supported: false },
    sort: { supported: true },
    etag: { supported: true },
    pagination: {
      cursor: cursors !== undefined,
      index: true,
      defaultPaginationMethod: "index",
      defaultPageSize: maxResults,
      maxPageSize: maxResults,
      ...(cursors === undefined ? {} : { cursorTimeout: Math.floor(cursors.timeoutMs / 1000) }),
    },
    limits: {
      maxFilterLength,
      maxFilterDepth,
      maxFilterTerms,
      maxPatchOperations,
      maxAttributeWork,
      maxMemberComparisons,
      maxValues,
      maxResourceLength,
    },
    authenticationSchemes: [
      {
        type: "oauthbearertoken",
        name: "OAuth Bearer Token",
        description: "A bearer token in the Authorization header (RFC 6750)",
        specUri: "https://www.rfc-editor.org/info/rfc6750",
        primary: true,
      },
    ],
    meta: { resourceType: "ServiceProviderConfig", location: `${baseUrl}/ServiceProviderConfig` },
  };
}
