import { isDeepStrictEqual } from "node:util";
import { ScimError } from "../error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { requireImmutable } from "../resource/immutable.ts";
import { requireAttributes, requireSize } from "../resource/read-resource.ts";
import { toAttributeName, type ResourceType } from "../schema/resource-type.ts";
import type { MemberDelta, ResourceState, StoredResource } from "../store.ts";
import { MemberChanges, needsMembers } from "./member-changes.ts";
import type { AttributeOperation, PatchOperation } from "./types.ts";
import { changeValue } from "./values.ts";

/** Whether `applyPatch` must be given the members; false for every change of members by id. */
export function patchNeedsMembers(type: ResourceType, operations: readonly PatchOperation[]): boolean {
  return operations.some(
    (operation) =>
      operation.kind === "attribute" && operation.target.attribute === type.members && needsMembers(operation),
  );
}

/**
 * The change of a PATCH that is of members alone and does the same whatever the resource is; undefined for any other.
 * @throws ScimError 400 invalidPath, invalidValue, mutability
 */
export function toMemberDelta(type: ResourceType, operations: readonly PatchOperation[]): MemberDelta | undefined {
  const members = new MemberChanges(undefined);
  for (const operation of operations) {
    const isOfMembers = operation.kind === "attribute" && operation.target.attribute === type.members;
    if (!isOfMembers || needsMembers(operation)) return undefined;
    members.apply(operation);
  }
  return members.toDelta();
}

/**
 * The resource after all operations, in order; the given one is left as it is, so that an error leaves no trace.
 * Members are changed by a delta and read only where `patchNeedsMembers`.
 * @throws ScimError 400 noTarget, invalidPath, invalidValue, mutability
 */
export function applyPatch(
  type: ResourceType,
  current: Pick<StoredResource, "id" | "attributes" | "members">,
  operations: readonly PatchOperation[],
): ResourceState {
  const members = new MemberChanges(current.members);
  let attributes = current.attributes;
  for (const operation of operations) {
    if (operation.kind === "extension") attributes = withValue(attributes, operation.schema.id, undefined);
    else if (operation.target.attribute === type.members) members.apply(operation);
    else if (isWritable(operation, current.id)) {
      attributes = changeAttribute(attributes, operation);
      if (operation.op !== "remove") requireSize(attributes);
    }
  }
  requireAttributes(type, attributes);
  requireImmutable(type, current.attributes, attributes);
  return { attributes, members: members.toDelta() };
}

/**
 * False for what a path-less value may repeat without meaning a change: Okta sends the `id` with every rename.
 * @throws ScimError 400 mutability for any other read-only target
 */
function isWritable({ target, implied, value }: AttributeOperation, id: string): boolean {
  const { attribute, sub } = target;
  if (attribute.mutability !== "readOnly" && sub?.mutability !== "readOnly") return true;
  const repeated = attribute.name === "id" ? value === id : attribute.name === "schemas" || attribute.name === "meta";
  if (implied && target.extension === undefined && repeated) return false;
  throw new ScimError(400, `${toAttributeName(target)} is read-only`, "mutability");
}

function changeAttribute(attributes: JsonObject, operation: AttributeOperation): JsonObject {
  const { extension, attribute } = operation.target;
  if (extension === undefined)
    return withValue(attributes, attribute.name, changeValue(attributes[attribute.name], operation));
  const held = attributes[extension];
  const holder = isJsonObject(held) ? held : {};
  const changed = withValue(holder, attribute.name, changeValue(holder[attribute.name], operation));
  return withValue(attributes, extension, Object.keys(changed).length === 0 ? undefined : changed);
}

function withValue(object: JsonObject, name: string, value: JsonValue | undefined): JsonObject {
  if (isDeepStrictEqual(object[name], value)) return object;
  const { [name]: _, ...others } = object;
  return value === undefined ? others : { ...others, [name]: value };
}
