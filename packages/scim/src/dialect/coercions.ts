/** Hides how one sees, in a request that was taken, what the engine had to put right: for counting, never for deciding. */
import { parsePath } from "../filter/parser.ts";
import { isJsonArray, isJsonObject, ownValueIgnoringCase, type JsonValue } from "../json.ts";
import type { AttributeDefinition } from "../schema/definitions.ts";
import { findSubAttribute, type ResourceType } from "../schema/resource-type.ts";

/**
 * Something that RFC 7644 does not allow and that is taken all the same.
 * `op-case`: `Add` for `add` · `boolean-text`: `"False"` for `false` · `keyed-value`: a value without a path whose keys
 * are paths · `members-by-value`: members removed by a list of values · `null-value`: null for what is absent ·
 * `listed-single`: a list for a single value · `bare-value`: text for a complex value.
 */
export type Coercion =
  | "op-case"
  | "boolean-text"
  | "keyed-value"
  | "members-by-value"
  | "null-value"
  | "listed-single"
  | "bare-value";

/** The coercions that the body of a taken POST, PUT or PATCH needed, each once. */
export function listCoercions(type: ResourceType, method: string, body: unknown): ReadonlySet<Coercion> {
  const found = new Set<Coercion>();
  if (!isJsonObject(body)) return found;
  if (method === "PATCH") {
    const operations = ownValueIgnoringCase(body, "Operations");
    for (const operation of isJsonArray(operations) ? operations : []) scanOperation(type, operation, found);
  } else if (method === "POST" || method === "PUT") {
    for (const [key, value] of Object.entries(body)) scanNamed(type, key, value, found);
  }
  return found;
}

function scanOperation(type: ResourceType, operation: JsonValue, found: Set<Coercion>): void {
  if (!isJsonObject(operation)) return;
  const op = ownValueIgnoringCase(operation, "op");
  if (typeof op === "string" && op !== op.toLowerCase()) found.add("op-case");
  const path = ownValueIgnoringCase(operation, "path");
  const value = ownValueIgnoringCase(operation, "value");
  if (typeof path === "string" && path !== "") {
    const { name, filter, sub } = parsePath(path);
    const target = type.findTarget(name);
    const removesListed = typeof op === "string" && op.toLowerCase() === "remove" && filter === undefined;
    const isMembers = target?.kind === "attribute" && target.attribute === type.members;
    if (removesListed && isMembers && value !== undefined) found.add("members-by-value");
    scanNamed(type, sub === undefined ? name : `${name}.${sub}`, value, found, filter !== undefined);
  } else if (isJsonObject(value)) {
    for (const [key, keyed] of Object.entries(value)) {
      if (/[.:]/.test(key) && type.findTarget(key)?.kind !== "extension") found.add("keyed-value");
      scanNamed(type, key, keyed, found);
    }
  }
}

function scanNamed(
  type: ResourceType,
  name: string,
  value: JsonValue | undefined,
  found: Set<Coercion>,
  isSelected = false,
): void {
  const target = type.findTarget(name);
  if (target === undefined || value === undefined) return;
  if (target.kind === "extension") {
    for (const [key, held] of Object.entries(isJsonObject(value) ? value : {})) {
      scanNamed(type, `${target.schema.id}:${key}`, held, found);
    }
    return;
  }
  const definition = target.sub ?? target.attribute;
  if (definition.mutability === "readOnly") return;
  if (isJsonArray(value) && !definition.multiValued && !isSelected) found.add("listed-single");
  for (const element of isJsonArray(value) ? value : [value]) scanElement(definition, element, found);
}

function scanElement(definition: AttributeDefinition, value: JsonValue, found: Set<Coercion>): void {
  if (value === null) found.add("null-value");
  else if (definition.type === "boolean" && typeof value === "string") found.add("boolean-text");
  else if (definition.type === "complex" && !isJsonObject(value)) found.add("bare-value");
  else if (isJsonObject(value)) {
    for (const [key, held] of Object.entries(value)) {
      const sub = findSubAttribute(definition, key);
      if (sub === undefined || held === undefined || sub.mutability === "readOnly") continue;
      for (const element of isJsonArray(held) ? held : [held]) scanElement(sub, element, found);
    }
  }
}
