import type { Policy } from "./types.ts";

/**
 * The meaning of a policy as JSON: the same text for the same policy, wherever it stands in its file. A version's digest
 * is taken from it (rule B1).
 */
export function canonicalPolicy(policy: Policy): string {
  return JSON.stringify(canonical(policy));
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (value instanceof Date || typeof value !== "object" || value === null) return value;
  // A pattern is its text; what it is compiled to may change with the program.
  if ("segments" in value && "text" in value) return value.text;
  const entries = Object.entries(value).filter(([key]) => key !== "file" && key !== "line");
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, canonical(each)]),
  );
}
