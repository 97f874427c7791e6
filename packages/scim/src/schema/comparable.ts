/** Hides how values of an attribute are compared: every comparison, in memory and in SQL, is one of these keys. */
import { isJsonArray, isJsonObject, ownValue, type JsonObject, type JsonValue } from "../json.ts";
import type { AttributeDefinition } from "./definitions.ts";
import type { ResourceType } from "./resource-type.ts";

/** What stands for a value in comparisons. */
export type Comparable = string | number | boolean;

/** The key under which text is equal regardless of case: NFC, then upper and lower case (so that ß equals SS). */
export function foldCase(text: string): string {
  return text.normalize("NFC").toUpperCase().toLowerCase();
}

/** The comparison key of a value, undefined where the value is not of the attribute's type. */
export function toComparable(definition: AttributeDefinition, value: JsonValue | undefined): Comparable | undefined {
  switch (definition.type) {
    case "string":
    case "reference":
      if (typeof value !== "string") return undefined;
      return definition.caseExact ? value : foldCase(value);
    case "binary":
      return typeof value === "string" ? value : undefined;
    case "boolean":
      return typeof value === "boolean" ? value : undefined;
    case "integer":
    case "decimal":
      return typeof value === "number" ? value : undefined;
    case "dateTime":
      return typeof value === "string" ? toInstant(value) : undefined;
    case "complex":
      return undefined;
  }
}

/** Compares keys of one attribute: text by code point (as PostgreSQL's "C" collation does), numbers by size. */
export function compareKeys(left: Comparable, right: Comparable): number {
  if (typeof left === "string" && typeof right === "string") return compareCodePoints(left, right);
  return left < right ? -1 : left > right ? 1 : 0;
}

/**
 * A resource's attributes with every value replaced by its comparison key, in the same shape: what a store indexes so
 * that its comparisons equal those of `matchesFilter`.
 */
export function toSearchKeys(type: ResourceType, attributes: JsonObject): JsonObject {
  const keys = objectKeys(type.schema.attributes, attributes);
  for (const { schema } of type.extensions) {
    const extension = ownValue(attributes, schema.id);
    if (isJsonObject(extension)) keys[schema.id] = objectKeys(schema.attributes, extension);
  }
  return keys;
}

function objectKeys(definitions: readonly AttributeDefinition[], object: JsonObject): Record<string, JsonValue> {
  const keys: Record<string, JsonValue> = {};
  for (const definition of definitions) {
    const value = ownValue(object, definition.name);
    const key = isJsonArray(value)
      ? value.flatMap((element) => valueKey(definition, element) ?? [])
      : valueKey(definition, value);
    if (key !== undefined) keys[definition.name] = key;
  }
  return keys;
}

function valueKey(definition: AttributeDefinition, value: JsonValue | undefined): JsonValue | undefined {
  if (definition.type !== "complex") return toComparable(definition, value);
  return isJsonObject(value) ? objectKeys(definition.subAttributes ?? [], value) : undefined;
}

function toInstant(text: string): string | undefined {
  const milliseconds = Date.parse(text);
  return Number.isNaN(milliseconds) ? undefined : new Date(milliseconds).toISOString();
}

function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    // Surrogates stand for code points above every other unit.
    if (a !== b) return isSurrogate(a) === isSurrogate(b) ? a - b : isSurrogate(a) ? 1 : -1;
  }
  return left.length - right.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}
