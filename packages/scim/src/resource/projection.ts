/** Hides `attributes` and `excludedAttributes` (RFC 7644 §3.9) together with `returned` (RFC 7643 §7). */
import { ScimError } from "../error.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import type { AttributeDefinition } from "../schema/definitions.ts";
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
  if (whole) return projection.mode === "only" ? value : undefined;
  const result: Record<string, JsonValue> = {};
  for (const definition of schema.attributes) {
    const held = value[definition.name];
    const projected = held === undefined ? undefined : project(projection, schema.id, definition, held);
    if (projected !== undefined) result[definition.name] = projected;
  }
  return Object.keys(result).length === 0 ? undefined : result;
}

function project(
  { mode, targets }: Projection,
  extension: string | undefined,
  definition: AttributeDefinition,
  value: JsonValue,
): JsonValue | undefined {
  if (definition.returned === "never") return undefined;
  const named = targets.flatMap((target) =>
    target.kind === "attribute" && target.attribute === definition && target.extension === extension ? [target] : [],
  );
  if (definition.returned === "always") return value;
  const whole = named.some(({ sub }) => sub === undefined);
  const subs = new Set(named.flatMap(({ sub }) => sub?.name ?? []));
  if (mode === "only") {
    if (whole) return value;
    return subs.size === 0 ? undefined : pick(value, (name) => subs.has(name));
  }
  if (whole || definition.returned === "request") return undefined;
  return subs.size === 0 ? value : pick(value, (name) => !subs.has(name));
}

function pick(value: JsonValue, keep: (name: string) => boolean): JsonValue {
  if (isJsonArray(value)) return value.map((element) => pick(element, keep));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => keep(name)));
}
