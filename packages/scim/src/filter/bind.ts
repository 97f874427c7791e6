/** Binds the names of a filter to a schema, and its literals to their attributes' types. */
import { ScimError } from "../error.ts";
import { toComparable, type Comparable } from "../schema/comparable.ts";
import { isHidden, type AttributeDefinition } from "../schema/definitions.ts";
import { findSubAttribute, type AttributeRef, type ResourceType } from "../schema/resource-type.ts";
import type { CompareOperator, FilterSyntax, Literal } from "./syntax.ts";

/**
 * A filter whose every name is an attribute of the schema. `ne` is the negation of `eq`, so that a missing value and
 * a list without the value both match it; `eq null` is the negation of `present`. Inside `some` the targets are the
 * sub-attributes of the value at hand.
 */
export type Filter =
  | { readonly kind: "and" | "or"; readonly left: Filter; readonly right: Filter }
  | { readonly kind: "not"; readonly term: Filter }
  | { readonly kind: "present"; readonly target: AttributeRef }
  | {
      readonly kind: "compare";
      readonly target: AttributeRef;
      readonly operator: Exclude<CompareOperator, "ne">;
      /** A comparison key (see `toComparable`). */
      readonly key: Comparable;
      /** The literal as written, of the attribute's type. */
      readonly literal: Comparable;
    }
  | { readonly kind: "some"; readonly target: AttributeRef; readonly filter: Filter };

type Scope = (name: string) => AttributeRef;

// Made by the provider when it answers: no store holds them.
const unfilterable = new Set(["schemas", "meta", "meta.resourceType", "meta.location", "meta.version"]);

/** Binds a filter over resources of a type. @throws ScimError 400 invalidFilter on unknown names and wrong types. */
export function bindFilter(type: ResourceType, syntax: FilterSyntax): Filter {
  return bind(syntax, (name) => {
    const target = type.findTarget(name) ?? findUnqualified(type, name);
    if (target?.kind !== "attribute") throw refuse(`no such attribute: ${name}`);
    const { attribute, sub } = target;
    const path = sub === undefined ? attribute.name : `${attribute.name}.${sub.name}`;
    const isMade = target.extension === undefined && unfilterable.has(path);
    if (isMade || isHidden(attribute) || (sub !== undefined && isHidden(sub)))
      throw refuse(`cannot be filtered: ${name}`);
    return target;
  });
}

/** Binds the filter of a value path: names are sub-attributes of `parent`. @throws ScimError 400 invalidFilter */
export function bindValueFilter(parent: AttributeDefinition, syntax: FilterSyntax): Filter {
  return bind(syntax, (name) => {
    const found = findSubAttribute(parent, name);
    if (found === undefined) throw refuse(`${parent.name} has no sub-attribute ${name}`);
    if (isHidden(found)) throw refuse(`cannot be filtered: ${parent.name}.${name}`);
    return { kind: "attribute", extension: undefined, attribute: found, sub: undefined };
  });
}

function bind(syntax: FilterSyntax, scope: Scope): Filter {
  switch (syntax.kind) {
    case "and":
    case "or":
      return { kind: syntax.kind, left: bind(syntax.left, scope), right: bind(syntax.right, scope) };
    case "not":
      return { kind: "not", term: bind(syntax.term, scope) };
    case "present":
      return { kind: "present", target: scope(syntax.name) };
    case "some": {
      const target = scope(syntax.name);
      if (target.attribute.type !== "complex" || target.sub !== undefined) {
        throw refuse(`not a complex attribute: ${syntax.name}`);
      }
      return { kind: "some", target, filter: bindValueFilter(target.attribute, syntax.filter) };
    }
    case "compare":
      return bindComparison(scope(syntax.name), syntax.operator, syntax.literal);
  }
}

function bindComparison(named: AttributeRef, operator: CompareOperator, literal: Literal): Filter {
  if (literal === null) {
    const present: Filter = { kind: "present", target: named };
    if (operator === "ne") return present;
    if (operator === "eq") return { kind: "not", term: present };
    throw refuse(`${operator} does not compare with null`);
  }
  const target = withValue(named);
  const definition = target.sub ?? target.attribute;
  const typed = toTyped(definition, literal);
  const key = toComparable(definition, typed);
  if (key === undefined) throw refuse(`${definition.name} does not compare with ${JSON.stringify(literal)}`);
  const textual = operator === "co" || operator === "sw" || operator === "ew";
  const ordered = operator === "gt" || operator === "ge" || operator === "lt" || operator === "le";
  const { type } = definition;
  if (
    (textual && type !== "string" && type !== "reference") ||
    (ordered && (type === "boolean" || type === "binary"))
  ) {
    throw refuse(`${operator} does not apply to ${definition.name}, a ${type}`);
  }
  if (operator !== "ne") return { kind: "compare", target, operator, key, literal: typed };
  return { kind: "not", term: { kind: "compare", target, operator: "eq", key, literal: typed } };
}

/** Entra ID filters by `manager` without the URN of its extension: taken where one extension alone has the name. */
function findUnqualified(type: ResourceType, name: string): AttributeRef | undefined {
  const found = type.extensions.map(({ schema }) => type.findTarget(`${schema.id}:${name}`));
  const [only, ...others] = found.filter((target) => target?.kind === "attribute");
  return others.length === 0 ? only : undefined;
}

/** `emails eq "x"` means `emails.value eq "x"` (RFC 7644 §3.4.2.2), and so does `manager eq "x"`. */
function withValue(target: AttributeRef): AttributeRef {
  if (target.attribute.type !== "complex" || target.sub !== undefined) return target;
  const value = findSubAttribute(target.attribute, "value");
  if (value === undefined || isHidden(value)) throw refuse(`${target.attribute.name} needs a sub-attribute`);
  return { ...target, sub: value };
}

function toTyped(definition: AttributeDefinition, literal: string | number | boolean): string | number | boolean {
  if (definition.type !== "boolean" || typeof literal !== "string") return literal;
  const lower = literal.toLowerCase();
  return lower === "true" || lower === "false" ? lower === "true" : literal;
}

function refuse(detail: string): ScimError {
  return new ScimError(400, `filter: ${detail}`, "invalidFilter");
}
