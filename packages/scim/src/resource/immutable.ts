import { isDeepStrictEqual } from "node:util";
import { ScimError } from "../error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import type { AttributeDefinition } from "../schema/definitions.ts";
import type { ResourceType } from "../schema/resource-type.ts";

/** Refuses a change of an immutable attribute that has a value already (RFC 7643 §7). @throws ScimError 400 mutability */
export function requireImmutable(type: ResourceType, before: JsonObject, after: JsonObject): void {
  compareAttributes(type.schema.attributes, before, after);
  for (const { schema } of type.extensions) {
    compareAttributes(schema.attributes, toObject(before[schema.id]), toObject(after[schema.id]));
  }
}

function compareAttributes(definitions: readonly AttributeDefinition[], before: JsonObject, after: JsonObject): void {
  for (const { name, mutability, multiValued, subAttributes } of definitions) {
    const value = before[name];
    if (value === undefined) continue;
    if (mutability === "immutable" && !isDeepStrictEqual(value, after[name])) {
      throw new ScimError(400, `${name} is immutable`, "mutability");
    }
    if (!multiValued) compareAttributes(subAttributes ?? [], toObject(value), toObject(after[name]));
  }
}

function toObject(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
