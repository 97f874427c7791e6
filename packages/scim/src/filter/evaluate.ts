import { isJsonArray, isJsonObject, ownValue, type JsonObject, type JsonValue } from "../json.ts";
import { compareKeys, toComparable, type Comparable } from "../schema/comparable.ts";
import type { AttributeDefinition } from "../schema/definitions.ts";
import type { AttributeRef } from "../schema/resource-type.ts";
import type { Filter } from "./bind.ts";

/** Whether a resource, as an object with canonical names, matches (RFC 7644 §3.4.2.2; see `Filter` for missing values). */
export function matchesFilter(filter: Filter, resource: JsonObject): boolean {
  switch (filter.kind) {
    case "and":
      return matchesFilter(filter.left, resource) && matchesFilter(filter.right, resource);
    case "or":
      return matchesFilter(filter.left, resource) || matchesFilter(filter.right, resource);
    case "not":
      return !matchesFilter(filter.term, resource);
    case "present":
      return listValues(filter.target, resource).some(hasContent);
    case "some":
      return listValues(filter.target, resource).some(
        (value) => isJsonObject(value) && matchesFilter(filter.filter, value),
      );
    case "compare": {
      const definition = filter.target.sub ?? filter.target.attribute;
      return listValues(filter.target, resource).some((value) => {
        const key = toComparable(definition, value);
        return key !== undefined && compare(key, filter.operator, filter.key);
      });
    }
  }
}

/** Orders resources by an attribute: the primary or first value, missing ones last (RFC 7644 §3.4.2.3). */
export function compareByAttribute(target: AttributeRef, left: JsonObject, right: JsonObject): number {
  const a = sortKey(target, left);
  const b = sortKey(target, right);
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
  return compareKeys(a, b);
}

function compare(value: Comparable, operator: (Filter & { kind: "compare" })["operator"], key: Comparable): boolean {
  switch (operator) {
    case "eq":
      return value === key;
    case "co":
      return typeof value === "string" && typeof key === "string" && value.includes(key);
    case "sw":
      return typeof value === "string" && typeof key === "string" && value.startsWith(key);
    case "ew":
      return typeof value === "string" && typeof key === "string" && value.endsWith(key);
    case "gt":
      return compareKeys(value, key) > 0;
    case "ge":
      return compareKeys(value, key) >= 0;
    case "lt":
      return compareKeys(value, key) < 0;
    case "le":
      return compareKeys(value, key) <= 0;
  }
}

function listValues(target: AttributeRef, resource: JsonObject): readonly JsonValue[] {
  const holder = target.extension === undefined ? resource : ownValue(resource, target.extension);
  if (!isJsonObject(holder)) return [];
  const values = spread(ownValue(holder, target.attribute.name));
  const { sub } = target;
  if (sub === undefined) return values;
  return values.flatMap((value) => (isJsonObject(value) ? spread(ownValue(value, sub.name)) : []));
}

function spread(value: JsonValue | undefined): readonly JsonValue[] {
  if (isJsonArray(value)) return value;
  return value === undefined || value === null ? [] : [value];
}

function hasContent(value: JsonValue): boolean {
  return isJsonObject(value) ? Object.keys(value).length > 0 : value !== null;
}

function sortKey(target: AttributeRef, resource: JsonObject): Comparable | undefined {
  const whole: AttributeRef = { ...target, sub: undefined };
  const values = listValues(whole, resource);
  const first = values.find((value) => isJsonObject(value) && ownValue(value, "primary") === true) ?? values[0];
  const definition: AttributeDefinition = target.sub ?? target.attribute;
  return toComparable(definition, target.sub && isJsonObject(first) ? ownValue(first, target.sub.name) : first);
}
