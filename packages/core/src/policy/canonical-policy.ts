import type { Bot, Policy, PolicyRule } from "./types.ts";

/**
 * The meaning of a policy as JSON: the same text for the same policy, wherever it stands in its file. A version's digest
 * is taken from it (rule B1).
 */
export function canonicalPolicy(policy: Policy): string {
  return JSON.stringify(canonical(policy, places));
}

/** The meaning of one rule or bot: the same text wherever it stands among the others. */
export function canonicalRule(rule: PolicyRule | Bot): string {
  return canonicalPart(rule);
}

/** The meaning of a part of a policy, wherever it stands. */
export function canonicalPart(part: unknown): string {
  return JSON.stringify(canonical(part, [...places, "rule"]));
}

/** What a rule gives and takes, whatever it matches. */
export function canonicalBody({ grants, deny, exclusive }: PolicyRule): string {
  return canonicalPart({ grants, deny, exclusive });
}

const places: readonly string[] = ["file", "line"];

function canonical(value: unknown, without: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((each) => canonical(each, without));
  if (value instanceof Date || typeof value !== "object" || value === null) return value;
  // A pattern is its text; what it is compiled to may change with the program.
  if ("segments" in value && "text" in value) return value.text;
  const entries = Object.entries(value).filter(([key]) => !without.includes(key));
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, canonical(each, without)]),
  );
}
