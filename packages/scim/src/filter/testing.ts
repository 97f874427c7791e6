/** Random filters, and filters as text: for property tests here and for those of stores. */
import fc from "fast-check";
import type { CompareOperator, FilterSyntax, Literal } from "./syntax.ts";

const operators: readonly CompareOperator[] = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"];

/** Text that PostgreSQL and JSON both hold. */
const arbitraryText = fc
  .string({ unit: "binary", maxLength: 5 })
  .filter((text) => text.isWellFormed() && !text.includes("\0"));

const arbitraryLiteral: fc.Arbitrary<Literal> = fc.oneof(
  arbitraryText,
  fc.boolean(),
  fc.constant(null),
  // The text of a negative zero is that of zero.
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
);

/** Comparisons of the names with literals of any type, by any operator, unless others are given. */
export function arbitraryTerm(
  names: readonly string[],
  literals: fc.Arbitrary<Literal> = arbitraryLiteral,
  comparedBy: readonly CompareOperator[] = operators,
): fc.Arbitrary<FilterSyntax> {
  const name = fc.constantFrom(...names);
  const operator = fc.constantFrom(...comparedBy);
  return fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("compare"), name, operator, literal: literals }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("present"), name }) },
  );
}

/** Filters made of terms. */
export function arbitraryFilter(term: fc.Arbitrary<FilterSyntax>): fc.Arbitrary<FilterSyntax> {
  return fc.letrec<{ filter: FilterSyntax }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      term,
      fc.record({ kind: fc.constantFrom("and", "or"), left: tie("filter"), right: tie("filter") }),
      fc.record({ kind: fc.constant("not"), term: tie("filter") }),
    ),
  })).filter;
}

/** The filter as text, with every grouping in parentheses. */
export function printFilter(filter: FilterSyntax): string {
  switch (filter.kind) {
    case "and":
    case "or":
      return `(${printFilter(filter.left)}) ${filter.kind} (${printFilter(filter.right)})`;
    case "not":
      return `not (${printFilter(filter.term)})`;
    case "present":
      return `${filter.name} pr`;
    case "some":
      return `${filter.name}[${printFilter(filter.filter)}]`;
    case "compare":
      return `${filter.name} ${filter.operator} ${JSON.stringify(filter.literal)}`;
  }
}
