/** Hides how a value from a body becomes a value of an attribute, the coercions that identity providers need included. */
import { ScimError } from "../error.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../json.ts";
import type { AttributeDefinition } from "../schema/definitions.ts";

/** The most values that a multi-valued attribute may hold; members are not counted. */
export const maxValues = 1000;

/**
 * The value of an attribute, typed, by canonical names, without nulls. Undefined means unassigned: null, an empty list
 * or an object without values (RFC 7643 §2.5). Read-only sub-attributes are dropped.
 * @throws ScimError 400 invalidValue
 */
export function readValue(definition: AttributeDefinition, value: JsonValue): JsonValue | undefined {
  if (value === null) return undefined;
  if (!definition.multiValued) return readSingle(definition, value);
  if (!isJsonArray(value)) throw refuse(definition, "must be a list");
  return readElements(definition, value);
}

/** As `readValue`, but one value may stand for a list of one, as PATCH allows (RFC 7644 §3.5.2.1). */
export function readPatchValue(definition: AttributeDefinition, value: JsonValue): JsonValue | undefined {
  const list = definition.multiValued && value !== null && !isJsonArray(value);
  return readValue(definition, list ? [value] : value);
}

function readElements(definition: AttributeDefinition, values: readonly JsonValue[]): JsonValue | undefined {
  if (values.length > maxValues) throw refuse(definition, `has more than ${maxValues} values`);
  const elements = values.flatMap((value) => (value === null ? [] : (readElement(definition, value) ?? [])));
  const primaries = elements.filter((element) => isJsonObject(element) && element["primary"] === true);
  if (primaries.length > 1) throw refuse(definition, "has more than one primary value");
  return elements.length === 0 ? undefined : elements;
}

/** Entra ID sends `manager` as a list of one. */
function readSingle(definition: AttributeDefinition, value: JsonValue): JsonValue | undefined {
  if (!isJsonArray(value)) return readElement(definition, value);
  const [only, ...others] = value;
  if (definition.type !== "complex" || others.length > 0) throw refuse(definition, "must be a single value");
  return only === undefined || only === null ? undefined : readElement(definition, only);
}

/** One value of an attribute, regardless of whether it may have several. @throws ScimError 400 invalidValue */
export function readElement(definition: AttributeDefinition, value: JsonValue): JsonValue | undefined {
  switch (definition.type) {
    case "complex":
      return readComplex(definition, value);
    case "boolean":
      return readBoolean(definition, value);
    case "integer":
    case "decimal": {
      const fits = definition.type === "integer" ? Number.isSafeInteger(value) : Number.isFinite(value);
      if (!fits) throw refuse(definition, `must be a number (${definition.type})`);
      return value;
    }
    case "dateTime":
      if (typeof value !== "string" || !/^\d{4}-\d\d-\d\dT/.test(value) || Number.isNaN(Date.parse(value))) {
        throw refuse(definition, "must be a dateTime");
      }
      return value;
    case "string":
    case "reference":
    case "binary":
      return readText(definition, value);
  }
}

function readComplex(definition: AttributeDefinition, value: JsonValue): JsonValue | undefined {
  const subAttributes = definition.subAttributes ?? [];
  if (!isJsonObject(value)) {
    // Entra ID sends `manager` as the bare id, and some send members so.
    const simple = subAttributes.find(({ name }) => name === "value");
    if (simple === undefined || isJsonArray(value)) throw refuse(definition, "must be an object");
    const only = readElement(simple, value);
    return only === undefined ? undefined : { value: only };
  }
  const result: Record<string, JsonValue> = {};
  for (const [key, subValue] of Object.entries(value)) {
    const sub = subAttributes.find(({ name }) => name.toLowerCase() === key.toLowerCase());
    if (sub === undefined || sub.mutability === "readOnly" || subValue === undefined) continue;
    const read = readValue(sub, subValue);
    if (read !== undefined) result[sub.name] = read;
  }
  return Object.keys(result).length === 0 ? undefined : result;
}

/** Entra ID sends booleans as `"True"` and `"False"` unless told otherwise. */
function readBoolean(definition: AttributeDefinition, value: JsonValue): boolean {
  if (typeof value === "boolean") return value;
  const lower = typeof value === "string" ? value.toLowerCase() : "";
  if (lower !== "true" && lower !== "false") throw refuse(definition, "must be true or false");
  return lower === "true";
}

function readText(definition: AttributeDefinition, value: JsonValue): string {
  if (typeof value !== "string") throw refuse(definition, "must be a string");
  // jsonb and text of PostgreSQL hold neither; a value that cannot be kept as sent is refused.
  if (!value.isWellFormed() || value.includes("\0")) throw refuse(definition, "holds a character that is not allowed");
  return value;
}

function refuse({ name }: AttributeDefinition, detail: string): ScimError {
  return new ScimError(400, `${name} ${detail}`, "invalidValue");
}
