import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import type { ResourceType } from "../schema/resource-type.ts";
import type { Member, StoredResource } from "../store.ts";
import { projectResource, type Projection } from "./projection.ts";

/** Where resources are found. */
export interface Addresses {
  /** Without a trailing slash. */
  readonly baseUrl: string;
  readonly types: readonly ResourceType[];
}

/** The ETag of a resource: weak, since representations differ by projection (RFC 7644 §3.14). */
export function toETag({ version }: StoredResource): string {
  return `W/"${version}"`;
}

/** The URI of a resource. */
export function toLocation({ baseUrl }: Addresses, type: ResourceType, id: string): string {
  return `${baseUrl}${type.endpoint}/${encodeURIComponent(id)}`;
}

/** A resource as it goes over the wire, with `schemas`, `id` and `meta`, cut to the projection. */
export function renderResource(
  addresses: Addresses,
  type: ResourceType,
  stored: StoredResource,
  projection: Projection,
): JsonObject {
  const extensions = type.extensions.filter(({ schema }) => stored.attributes[schema.id] !== undefined);
  const members: Record<string, JsonValue> = {};
  if (type.members !== undefined && stored.members !== undefined) {
    members[type.members.name] = stored.members.map((member) => renderMember(addresses, member));
  }
  const held = stored.attributes["groups"];
  if (isJsonArray(held) && type.derived.some(({ name }) => name === "groups")) {
    members["groups"] = held.map((group) => renderGroup(addresses, group));
  }
  return projectResource(type, projection, {
    schemas: [type.schema.id, ...extensions.map(({ schema }) => schema.id)],
    id: stored.id,
    ...stored.attributes,
    ...members,
    meta: {
      resourceType: type.name,
      created: stored.created.toISOString(),
      lastModified: stored.lastModified.toISOString(),
      location: toLocation(addresses, type, stored.id),
      version: toETag(stored),
    },
  });
}

/** A store knows the group that a user belongs to, and not where the provider is reached. */
function renderGroup(addresses: Addresses, group: JsonValue): JsonValue {
  const groupType = addresses.types.find(({ name }) => name === "Group");
  const id = isJsonObject(group) ? group["value"] : undefined;
  if (!isJsonObject(group) || groupType === undefined || typeof id !== "string") return group;
  return { ...group, $ref: toLocation(addresses, groupType, id) };
}

function renderMember(addresses: Addresses, { value, type, display }: Member): JsonObject {
  const memberType = addresses.types.find(({ name }) => name === type);
  return {
    value,
    ...(memberType === undefined ? {} : { $ref: toLocation(addresses, memberType, value) }),
    ...(type === undefined ? {} : { type }),
    ...(display === undefined ? {} : { display }),
  };
}
