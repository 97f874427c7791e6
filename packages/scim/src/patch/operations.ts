/** Hides how the body of a PATCH, in the spellings that identity providers use, becomes operations on single targets. */
import { ScimError } from "../error.ts";
import { bindValueFilter } from "../filter/bind.ts";
import { parsePath } from "../filter/parser.ts";
import { isJsonArray, isJsonObject, ownValueIgnoringCase, type JsonObject, type JsonValue } from "../json.ts";
import { findSubAttribute, toAttributeName, type ResourceType } from "../schema/resource-type.ts";
import { requireBounded } from "./limits.ts";
import type { PatchOperation } from "./types.ts";

/** The schema URI of a PATCH body. */
export const patchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/**
 * The operations in a PATCH body (RFC 7644 §3.5.2). A path-less value, and the value of a whole extension, become one
 * operation for each key, dotted and URN keys included.
 * @throws ScimError 400 invalidSyntax, invalidPath, invalidValue, noTarget, mutability
 */
export function readPatch(type: ResourceType, body: unknown): readonly PatchOperation[] {
  const list = isJsonObject(body) ? ownValueIgnoringCase(body, "Operations") : undefined;
  if (!isJsonObject(body) || !isJsonArray(list)) throw refuse("Operations must be a list", "invalidSyntax");
  const schemas = ownValueIgnoringCase(body, "schemas");
  if (!isJsonArray(schemas) || !schemas.includes(patchSchema)) {
    throw refuse(`schemas must name ${patchSchema}`, "invalidSyntax");
  }
  if (list.length === 0) throw refuse("Operations is empty", "invalidSyntax");
  const operations = list.flatMap((operation) => readOperation(type, operation));
  requireBounded(type, operations);
  return operations;
}

function readOperation(type: ResourceType, operation: JsonValue): readonly PatchOperation[] {
  if (!isJsonObject(operation)) throw refuse("every operation must be an object", "invalidSyntax");
  const name = ownValueIgnoringCase(operation, "op");
  const op = typeof name === "string" ? name.toLowerCase() : undefined;
  if (op !== "add" && op !== "remove" && op !== "replace") {
    throw refuse("op must be add, remove or replace", "invalidSyntax");
  }
  const path = ownValueIgnoringCase(operation, "path");
  const value = ownValueIgnoringCase(operation, "value");
  if (op !== "remove" && value === undefined) throw refuse(`${op} needs a value`, "invalidValue");
  if (path === undefined || path === null || path === "") {
    if (!isJsonObject(value)) {
      if (op === "remove") throw refuse("remove needs a path", "noTarget");
      throw refuse("without a path the value must be an object", "invalidValue");
    }
    return expand(type, op, value, "");
  }
  if (typeof path !== "string") throw refuse("path must be a string", "invalidPath");
  return bindOperation(type, { op, path, value, implied: false });
}

interface NamedOperation {
  readonly op: "add" | "remove" | "replace";
  readonly path: string;
  readonly value: JsonValue | undefined;
  readonly implied: boolean;
}

function bindOperation(type: ResourceType, { op, path, value, implied }: NamedOperation): readonly PatchOperation[] {
  const { name, filter, sub } = parsePath(path);
  const target = type.findTarget(name);
  if (target === undefined) throw refuse(`no such attribute: ${name}`, "invalidPath");
  if (target.kind === "extension") {
    if (filter !== undefined) throw refuse("an extension has no values to select", "invalidPath");
    if (op === "remove" || value === null) return [{ kind: "extension", schema: target.schema }];
    if (!isJsonObject(value)) throw refuse(`${name} must be an object`, "invalidValue");
    return expand(type, op, value, `${target.schema.id}:`);
  }
  if (filter === undefined) return [{ kind: "attribute", op, target, filter, value, implied }];
  const { attribute } = target;
  if (!attribute.multiValued || attribute.type !== "complex" || target.sub !== undefined) {
    throw refuse(`${toAttributeName(target)} has no values to select`, "invalidPath");
  }
  const subAttribute = sub === undefined ? undefined : findSubAttribute(attribute, sub);
  if (sub !== undefined && subAttribute === undefined) throw refuse(`no such attribute: ${name}.${sub}`, "invalidPath");
  const bound = bindValueFilter(attribute, filter);
  return [{ kind: "attribute", op, target: { ...target, sub: subAttribute }, filter: bound, value, implied }];
}

function expand(
  type: ResourceType,
  op: NamedOperation["op"],
  value: JsonObject,
  prefix: string,
): readonly PatchOperation[] {
  return Object.entries(value).flatMap(([key, keyed]) =>
    bindOperation(type, { op, path: `${prefix}${key}`, value: keyed, implied: true }),
  );
}

function refuse(detail: string, scimType: "invalidSyntax" | "invalidPath" | "invalidValue" | "noTarget"): ScimError {
  return new ScimError(400, detail, scimType);
}
