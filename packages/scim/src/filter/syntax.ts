/** The operators of RFC 7644 table 3 that compare with a literal. */
export type CompareOperator = "eq" | "ne" | "co" | "sw" | "ew" | "gt" | "ge" | "lt" | "le";
/** A literal of a filter. */
export type Literal = string | number | boolean | null;

/** A filter as written (RFC 7644 §3.4.2.2): names are not yet bound to a schema. */
export type FilterSyntax =
  | { readonly kind: "and" | "or"; readonly left: FilterSyntax; readonly right: FilterSyntax }
  | { readonly kind: "not"; readonly term: FilterSyntax }
  | { readonly kind: "present"; readonly name: string }
  | { readonly kind: "compare"; readonly name: string; readonly operator: CompareOperator; readonly literal: Literal }
  /** `name[filter]`. */
  | { readonly kind: "some"; readonly name: string; readonly filter: FilterSyntax };

/** A PATCH path as written (RFC 7644 §3.5.2): `name`, `name[filter]` or `name[filter].sub`. */
export interface PathSyntax {
  readonly name: string;
  readonly filter: FilterSyntax | undefined;
  readonly sub: string | undefined;
}

/** The longest filter or path, in UTF-16 code units. */
export const maxFilterLength = 2048;
/** The deepest nesting of parentheses and value paths. */
export const maxFilterDepth = 16;
/** The most comparisons in one filter. */
export const maxFilterTerms = 64;
