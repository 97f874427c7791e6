/** Hides what add, replace and remove do to the value of one attribute (RFC 7644 §3.5.2.1–3). */
import { isDeepStrictEqual } from "node:util";
import { ScimError } from "../error.ts";
import type { Filter } from "../filter/bind.ts";
import { matchesFilter } from "../filter/evaluate.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { maxValues, readElement, readPatchValue } from "../resource/read-value.ts";
import { findSubAttribute, toAttributeName } from "../schema/resource-type.ts";
import type { AttributeDefinition } from "../schema/definitions.ts";
import type { AttributeOperation } from "./types.ts";

/** The attribute's value after the operation; undefined: unassigned. @throws ScimError 400 noTarget, invalidValue */
export function changeValue(current: JsonValue | undefined, operation: AttributeOperation): JsonValue | undefined {
  const { attribute, sub } = operation.target;
  if (attribute.multiValued) return toList(attribute, changeList(isJsonArray(current) ? current : [], operation));
  const { op, value } = operation;
  const removes = op === "remove" || value === null || value === undefined;
  if (sub !== undefined) {
    return toObject(changeSub(isJsonObject(current) ? current : {}, sub, removes ? undefined : value));
  }
  if (removes) return undefined;
  return attribute.type === "complex" ? merge(attribute, current, value) : readPatchValue(attribute, value);
}

function changeList(current: readonly JsonValue[], operation: AttributeOperation): readonly JsonValue[] {
  const { op, target, filter, value } = operation;
  const { attribute, sub } = target;
  if (filter !== undefined) return changeSelected(current, operation, filter);
  if (sub !== undefined) {
    const elements = current.length === 0 && op !== "remove" ? [{}] : current;
    return present(elements.map((element) => withSub(element, sub, op === "remove" ? undefined : value)));
  }
  const given = value === undefined ? undefined : readPatchValue(attribute, value);
  const elements = isJsonArray(given) ? given : [];
  switch (op) {
    case "replace":
      return elements;
    case "add":
      return elements.reduce<readonly JsonValue[]>(addElement, current);
    case "remove":
      if (value === undefined) return [];
      return current.filter((held) => !elements.some((element) => includes(held, element)));
  }
}

function changeSelected(
  current: readonly JsonValue[],
  operation: AttributeOperation,
  filter: Filter,
): readonly JsonValue[] {
  const { op, target, value } = operation;
  const { attribute, sub } = target;
  const isSelected = (element: JsonValue): boolean => isJsonObject(element) && matchesFilter(filter, element);
  const change = (element: JsonValue): JsonValue | undefined => {
    if (sub !== undefined) return withSub(element, sub, op === "remove" ? undefined : value);
    return op === "remove" || value === undefined || value === null ? undefined : merge(attribute, element, value);
  };
  if (current.some(isSelected)) {
    const changed = current.map((element) => (isSelected(element) ? change(element) : element));
    const gained = changed.find((element, index) => isPrimary(element) && !isPrimary(current[index]));
    return gained === undefined ? present(changed) : keepOnePrimary(present(changed), gained);
  }
  if (op === "remove") return current;
  // Entra ID adds `emails[type eq "work"].value` to users who have no such value yet.
  const seed = op === "add" ? toElement(filter) : undefined;
  if (seed === undefined) throw new ScimError(400, `nothing matches in ${toAttributeName(target)}`, "noTarget");
  const created = change(seed);
  return created === undefined ? current : addElement(current, created);
}

/** Adds a value unless one with all of its sub-attributes is there; a new primary value replaces the old one. */
function addElement(list: readonly JsonValue[], element: JsonValue): readonly JsonValue[] {
  if (list.some((held) => includes(held, element))) return list;
  return isPrimary(element) ? keepOnePrimary([...list, element], element) : [...list, element];
}

function keepOnePrimary(list: readonly JsonValue[], kept: JsonValue): readonly JsonValue[] {
  return list.map((element) =>
    element !== kept && isJsonObject(element) && isPrimary(element) ? { ...element, primary: false } : element,
  );
}

function isPrimary(element: JsonValue | undefined): boolean {
  return isJsonObject(element) && element["primary"] === true;
}

function present(list: readonly (JsonValue | undefined)[]): readonly JsonValue[] {
  return list.filter((element) => element !== undefined);
}

function withSub(element: JsonValue, sub: AttributeDefinition, value: JsonValue | undefined): JsonValue | undefined {
  return isJsonObject(element) ? toObject(changeSub(element, sub, value)) : element;
}

function changeSub(element: JsonObject, definition: AttributeDefinition, value: JsonValue | undefined): JsonObject {
  const read = value === undefined ? undefined : readPatchValue(definition, value);
  const { [definition.name]: _, ...others } = element;
  return read === undefined ? others : { ...others, [definition.name]: read };
}

/** Sub-attributes that the value does not name stay (RFC 7644 §3.5.2.3); those it gives as null go. */
function merge(
  definition: AttributeDefinition,
  current: JsonValue | undefined,
  value: JsonValue,
): JsonValue | undefined {
  const given = isJsonArray(value) && value.length === 1 ? value[0] : value;
  const base = isJsonObject(current) ? current : {};
  if (!isJsonObject(given)) {
    const read = readPatchValue(definition, value);
    return isJsonObject(read) ? { ...base, ...read } : read;
  }
  return toObject(
    Object.entries(given).reduce<JsonObject>((merged, [key, subValue]) => {
      const sub = findSubAttribute(definition, key);
      if (sub === undefined) throw new ScimError(400, `no such attribute: ${definition.name}.${key}`, "invalidPath");
      if (sub.mutability === "readOnly" || subValue === undefined) return merged;
      return changeSub(merged, sub, subValue);
    }, base),
  );
}

function includes(held: JsonValue, element: JsonValue): boolean {
  if (!isJsonObject(held) || !isJsonObject(element)) return held === element;
  return Object.entries(element).every(([name, value]) => isDeepStrictEqual(held[name], value));
}

/** The value that a conjunction of equalities describes. */
function toElement(filter: Filter): JsonObject | undefined {
  if (filter.kind === "and") {
    const left = toElement(filter.left);
    const right = toElement(filter.right);
    return left && right && { ...left, ...right };
  }
  if (filter.kind !== "compare" || filter.operator !== "eq") return undefined;
  const { attribute } = filter.target;
  const value = readElement(attribute, filter.literal);
  return value === undefined ? undefined : { [attribute.name]: value };
}

function toList(definition: AttributeDefinition, list: readonly JsonValue[]): JsonValue | undefined {
  if (list.length > maxValues) {
    throw new ScimError(400, `${definition.name} has more than ${maxValues} values`, "invalidValue");
  }
  if (list.filter(isPrimary).length > 1) {
    throw new ScimError(400, `${definition.name} has more than one primary value`, "invalidValue");
  }
  return list.length === 0 ? undefined : list;
}

function toObject(object: JsonObject): JsonObject | undefined {
  return Object.keys(object).length === 0 ? undefined : object;
}
