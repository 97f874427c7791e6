/** Hides `attributes` and `excludedAttributes` (RFC 7644 §3.9) together with `returned` (RFC 7643 §7). */
import { ScimError } from "../error.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { isHidden, type AttributeDefinition } from "../schema/definitions.ts";
import type { AttributeRef, ExtensionRef, ResourceType } from "../schema/resource-type.ts";

/** Which attributes to return. */
export interface Projection {
  readonly mode: "default" | "only" | "without";
  readonly targets: readonly (AttributeRef | ExtensionRef)[];
}

/** The projection that a request asks for; names that nothing bears are ignored. @throws ScimError 400 if both are given */
export function readProjection(
  type: ResourceType,
  only: readonly string[] | undefined,
  without: readonly string[] | undefined,
): Projection {
  if (only !== undefined && without !== undefined) {
    throw new ScimError(400, "attributes and excludedAttributes exclude each other", "invalidValue");
  }
  const targets = (only ?? without ?? []).flatMap((name) => type.findTarget(name.trim()) ?? []);
  return { mode: only !== undefined ? "only" : without !== undefined ? "without" : "default", targets };
}

/** Whether a whole attribute of the core schema is returned in some part. */
export function isReturned(projection: Projection, definition: AttributeDefinition): boolean {
  return project(projection, undefined, definition, true) !== undefined;
}

/** The part of a complete resource that the projection returns. */
export function projectResource(type: ResourceType, projection: Projection, resource: JsonObject): JsonObject {
  const result: Record<string, JsonValue> = {};
  for (const [name, value] of Object.entries(resource)) {
    if (value === undefined) continue;
    if (projection.mode === "default" && type.returnedWhole.has(name)) {
      result[name] = value;
      continue;
    }
    const target = type.findTarget(name);
    const projected =
      target?.kind === "extension"
        ? projectExtension(projection, target, value)
        : target && project(projection, undefined, target.attribute, value);
    if (projected !== undefined) result[name] = projected;
  }
  return result;
}

function projectExtension(projection: Projection, { schema }: ExtensionRef, value: JsonValue): JsonValue | undefined {
  if (!isJsonObject(value)) return undefined;
  const whole = projection.targets.some((target) => target.kind === "extension" && target.schema === schema);
  if (whole && projection.mode !== "only") return undefined;
  // All of an extension that is asked for by its URI, as if each attribute had been named.
  const targets = schema.attributes.map((attribute) => toRef(schema.id, attribute));
  const effective: Projection = whole ? { mode: "only", targets } : projection;
  const result: Record<string, JsonValue> = {};
  for (const definition of schema.attributes) {
    const held = value[definition.name];
    const projected = held === undefined ? undefined : project(effective, schema.id, definition, held);
    if (projected !== undefined) result[definition.name] = projected;
  }
  return Object.keys(result).length === 0 ? undefined : result;
}

function toRef(extension: string, attribute: AttributeDefinition): AttributeRef {
  return { kind: "attribute", extension, attribute, sub: undefined };
}

function project(
  { mode, targets }: Projection,
  extension: string | undefined,
  definition: AttributeDefinition,
  value: JsonValue,
): JsonValue | undefined {
  if (isHidden(definition)) return undefined;
  const named = targets.flatMap((target) =>
    target.kind === "attribute" && target.attribute === definition && target.extension === extension ? [target] : [],
  );
  const whole = named.some(({ sub }) => sub === undefined);
  const subs = new Set(named.flatMap(({ sub }) => sub?.name ?? []));
  const isAlways = definition.returned === "always";
  const isShown = isAlways || (mode === "only" ? whole || subs.size > 0 : !whole && definition.returned !== "request");
  if (!isShown) return undefined;
  const { subAttributes } = definition;
  if (subAttributes === undefined) return value;
  const isSubShown = (sub: AttributeDefinition): boolean => {
    if (isHidden(sub)) return false;
    if (isAlways || sub.returned === "always") return true;
    if (mode === "only") return subs.has(sub.name) || (whole && sub.returned !== "request");
    return !subs.has(sub.name) && sub.returned !== "request";
  };
  return pick(value, new Set(subAttributes.filter(isSubShown).map(({ name }) => name)));
}

/** What is kept of a complex value or a list of them; undefined where that is nothing. */
function pick(value: JsonValue, kept: ReadonlySet<string>): JsonValue | undefined {
  if (isJsonArray(value)) {
    const elements = value.flatMap((element) => pick(element, kept) ?? []);
    return elements.length === 0 && value.length > 0 ? undefined : elements;
  }
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).filter(([name]) => kept.has(name));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
