import { ScimError } from "../error.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import type { AttributeDefinition } from "../schema/definitions.ts";
import type { ResourceType } from "../schema/resource-type.ts";
import type { MemberDelta, ResourceState } from "../store.ts";
import { readMembers } from "./members.ts";
import { readValue } from "./read-value.ts";

/**
 * The resource in the body of a POST or PUT. Read-only and unknown attributes are ignored (RFC 7644 §3.3); members, if
 * given at all, replace those there are.
 * @throws ScimError 400 invalidSyntax (not such a resource), invalidValue (wrong or missing values)
 */
export function readResource(type: ResourceType, body: unknown): ResourceState {
  if (!isJsonObject(body)) throw new ScimError(400, "the body must be a JSON object", "invalidSyntax");
  requireSchema(type, body);
  const attributes: Record<string, JsonValue> = {};
  let members: MemberDelta | undefined;
  const seen = new Set<string>();
  for (const [key, value] of Object.entries(body)) {
    const target = type.findTarget(key);
    if (target === undefined || value === undefined) continue;
    if (target.kind === "extension") {
      const extension = readExtension(target.schema.attributes, target.schema.id, value);
      if (extension !== undefined) attributes[target.schema.id] = extension;
      continue;
    }
    const { attribute } = target;
    if (target.sub !== undefined || target.extension !== undefined || attribute.mutability === "readOnly") continue;
    requireOnce(seen, attribute);
    if (attribute === type.members) {
      members = { clear: true, remove: [], add: value === null ? [] : readMembers(attribute, value) };
      continue;
    }
    const read = readValue(attribute, value);
    if (read !== undefined) attributes[attribute.name] = read;
  }
  requireAttributes(type, attributes);
  requireSize(attributes);
  return { attributes, members };
}

/** The longest a resource may be without its members, as JSON. */
export const maxResourceLength = 256 * 1024;

/** @throws ScimError 400 invalidValue for attributes longer than `maxResourceLength` */
export function requireSize(attributes: JsonObject): void {
  if (JSON.stringify(attributes).length <= maxResourceLength) return;
  throw new ScimError(400, `the resource is longer than ${maxResourceLength} characters`, "invalidValue");
}

/** Refuses a resource that lacks a required attribute or extension. @throws ScimError 400 invalidValue */
export function requireAttributes(type: ResourceType, attributes: JsonObject): void {
  requirePresent(type.schema.attributes, attributes, "");
  for (const { schema, required } of type.extensions) {
    const extension = attributes[schema.id];
    if (!isJsonObject(extension)) {
      if (required) throw new ScimError(400, `${schema.id} is required`, "invalidValue");
      continue;
    }
    requirePresent(schema.attributes, extension, `${schema.id}:`);
  }
}

/** Sub-attributes are required of each value that there is. */
function requirePresent(definitions: readonly AttributeDefinition[], object: JsonObject, prefix: string): void {
  for (const { name, required, subAttributes = [] } of definitions) {
    const value = object[name];
    if (required && isBlank(value)) throw new ScimError(400, `${prefix}${name} is required`, "invalidValue");
    if (!subAttributes.some((sub) => sub.required)) continue;
    for (const element of isJsonArray(value) ? value : [value]) {
      if (isJsonObject(element)) requirePresent(subAttributes, element, `${prefix}${name}.`);
    }
  }
}

/** The value of an extension; undefined when it holds nothing. @throws ScimError 400 */
function readExtension(
  definitions: readonly AttributeDefinition[],
  id: string,
  value: JsonValue,
): JsonObject | undefined {
  if (value === null) return undefined;
  if (!isJsonObject(value)) throw new ScimError(400, `${id} must be an object`, "invalidValue");
  const attributes: Record<string, JsonValue> = {};
  const seen = new Set<string>();
  for (const [key, subValue] of Object.entries(value)) {
    const definition = definitions.find(({ name }) => name.toLowerCase() === key.toLowerCase());
    if (definition === undefined || definition.mutability === "readOnly" || subValue === undefined) continue;
    requireOnce(seen, definition);
    const read = readValue(definition, subValue);
    if (read !== undefined) attributes[definition.name] = read;
  }
  return Object.keys(attributes).length === 0 ? undefined : attributes;
}

function requireSchema(type: ResourceType, body: JsonObject): void {
  const key = Object.keys(body).find((name) => name.toLowerCase() === "schemas");
  const schemas = key === undefined ? undefined : body[key];
  const wanted = type.schema.id.toLowerCase();
  const named =
    isJsonArray(schemas) && schemas.some((schema) => typeof schema === "string" && schema.toLowerCase() === wanted);
  if (!named) throw new ScimError(400, `schemas must name ${type.schema.id}`, "invalidSyntax");
}

function requireOnce(seen: Set<string>, { name }: AttributeDefinition): void {
  if (seen.has(name)) throw new ScimError(400, `${name} is given twice`, "invalidSyntax");
  seen.add(name);
}

function isBlank(value: JsonValue | undefined): boolean {
  return value === undefined || (typeof value === "string" && value.trim() === "");
}
