import type { JsonValue } from "../json.ts";

/** An operation to send in a PATCH (RFC 7644 §3.5.2). */
export interface ScimOperation {
  readonly op: "add" | "remove" | "replace";
  readonly path?: string;
  readonly value?: JsonValue;
}

/** Members to add to and remove from a group, by id. */
export interface ScimMemberDelta {
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/** The filter that finds resources by an exact value: `externalId eq "…"`. */
export function toEqualityFilter(attribute: string, value: string): string {
  return `${attribute} eq ${JSON.stringify(value)}`;
}

/** The PATCHes, each a list of operations that names at most `maxValues` members, that apply a delta; removals first. */
export function toMemberPatches(
  { add, remove }: ScimMemberDelta,
  maxValues: number,
): readonly (readonly ScimOperation[])[] {
  const removals = chunk(remove, maxValues).map((ids) =>
    ids.map((id): ScimOperation => ({ op: "remove", path: `members[${toEqualityFilter("value", id)}]` })),
  );
  const additions = chunk(add, maxValues).map((ids): readonly ScimOperation[] => [
    { op: "add", path: "members", value: ids.map((value) => ({ value })) },
  ]);
  return [...removals, ...additions];
}

/** `members` after a delta. */
export function applyMemberDelta(members: readonly string[], { add, remove }: ScimMemberDelta): readonly string[] {
  const left = new Set(members);
  for (const id of remove) left.delete(id);
  for (const id of add) left.add(id);
  return [...left];
}

function chunk(ids: readonly string[], size: number): readonly (readonly string[])[] {
  return Array.from({ length: Math.ceil(ids.length / size) }, (_, index) =>
    ids.slice(index * size, (index + 1) * size),
  );
}
