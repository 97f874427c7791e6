/** What a user holds: `groups`, provisioned ones direct or through nesting, and `entitlements`, from entitlement groups. */
import { ScimError, type Filter, type JsonObject, type JsonValue, type StoredResource } from "@branchward/scim";
import { sql, type RawBuilder } from "kysely";
import { ownerOf, type DirectoryContext } from "./context.ts";
import { compareKey } from "./filter-sql.ts";
import { isResourceId } from "./resource-row.ts";
import type { GroupKind } from "./tables.ts";

/** A group that a user holds, as SQL gives it: id, kind, externalId, displayName, whether directly. */
type HeldGroup = readonly [string, GroupKind, string | null, string, boolean];

/**
 * SQL of a table of users (`id`) with the groups that make the wanted attributes (`derived`); undefined where none is
 * wanted. Entitlement groups are seen here by every client: as what a user holds, not as groups (rule C7).
 */
export function deriveHeld(
  context: DirectoryContext,
  derived: readonly string[],
): ((ids: RawBuilder<unknown>) => RawBuilder<unknown>) | undefined {
  const kinds = toKinds(derived);
  if (kinds.length === 0) return undefined;
  return (ids) => sql`(
    select user_id as id, json_agg(json_build_array(h.id, kind, external_id, display_name, direct)) as derived
    from directory_list_held(${ids}, ${kinds}::text[], ${ownerOf(context)}) h group by user_id
  )`;
}

/** SQL of the same for the one user of the row, as a value. */
export function deriveHeldOfRow(context: DirectoryContext, derived: readonly string[]): RawBuilder<unknown> {
  const derive = deriveHeld(context, derived);
  return derive === undefined ? sql`null` : sql`(select d.derived from ${derive(sql`array[directory_users.id]`)} d)`;
}

/** A user with the attributes made of what `deriveHeld` read, each left out where it is empty. */
export function withHeld(user: StoredResource, derived: unknown): StoredResource {
  const held = parseHeld(derived);
  return held.length === 0 ? user : { ...user, attributes: { ...user.attributes, ...toAttributes(held) } };
}

function parseHeld(derived: unknown): readonly HeldGroup[] {
  return (derived ?? []) as readonly HeldGroup[];
}

function toKinds(derived: readonly string[]): readonly GroupKind[] {
  const groups: readonly GroupKind[] = derived.includes("groups") ? ["provisioned"] : [];
  return derived.includes("entitlements") ? [...groups, "entitlement"] : groups;
}

function toAttributes(held: readonly HeldGroup[]): JsonObject {
  const groups = held.filter(([, kind]) => kind === "provisioned").map(toGroup);
  const entitlements = held.filter(([, kind]) => kind === "entitlement").map(toEntitlement);
  return {
    ...(groups.length === 0 ? {} : { groups }),
    ...(entitlements.length === 0 ? {} : { entitlements }),
  };
}

function toGroup([id, , , display, direct]: HeldGroup): JsonValue {
  return { value: id, display, type: direct ? "direct" : "indirect" };
}

/** As the catalogue lists it. */
function toEntitlement([, , value, display]: HeldGroup): JsonValue {
  return { value, display, type: "branch" };
}

/**
 * SQL for a condition on `groups` or `entitlements`: groups that hold the user directly; undefined for all else.
 * @throws ScimError 400 invalidFilter for other sub-attributes than `value` and `display`
 */
export function compileHeld(filter: Filter): RawBuilder<boolean> | undefined {
  switch (filter.kind) {
    case "and":
    case "or":
    case "not":
      return undefined;
    case "some": {
      const kind = kindOf(filter.target);
      return kind && whereHeld(kind, compileGroup(kind, filter.filter));
    }
    case "present":
    case "compare": {
      const { target } = filter;
      const kind = kindOf(target);
      if (kind === undefined) return undefined;
      if (target.sub === undefined) return whereHeld(kind, sql`true`);
      const inner = { ...filter, target: { ...target, attribute: target.sub, sub: undefined } };
      return whereHeld(kind, compileGroup(kind, inner));
    }
  }
}

function kindOf({ extension, attribute }: (Filter & { kind: "present" })["target"]): GroupKind | undefined {
  if (extension !== undefined) return undefined;
  if (attribute.name === "groups") return "provisioned";
  return attribute.name === "entitlements" ? "entitlement" : undefined;
}

function whereHeld(kind: GroupKind, condition: RawBuilder<boolean>): RawBuilder<boolean> {
  return sql`exists (
    select 1 from directory_members m join directory_groups g on g.id = m.group_id
    where m.member_id = directory_users.id and g.kind = ${kind} and ${condition}
  )`;
}

function compileGroup(kind: GroupKind, filter: Filter): RawBuilder<boolean> {
  switch (filter.kind) {
    case "and":
      return sql`(${compileGroup(kind, filter.left)} and ${compileGroup(kind, filter.right)})`;
    case "or":
      return sql`(${compileGroup(kind, filter.left)} or ${compileGroup(kind, filter.right)})`;
    case "not":
      return sql`((${compileGroup(kind, filter.term)}) is not true)`;
    case "present":
      return sql`(${groupKey(kind, filter.target.attribute.name)} is not null)`;
    case "some":
      throw new ScimError(400, "filter: a group has no values to select", "invalidFilter");
    case "compare": {
      const { target, operator, key } = filter;
      if (kind === "provisioned" && target.attribute.name === "value" && operator === "eq") {
        return typeof key === "string" && isResourceId(key) ? sql`(g.id = ${key})` : sql`false`;
      }
      return compareKey(groupKey(kind, target.attribute.name), operator, sql`${String(key)}::text`);
    }
  }
}

function groupKey(kind: GroupKind, name: string): RawBuilder<unknown> {
  if (name === "display") return sql`g.display_key`;
  if (name !== "value") {
    throw new ScimError(400, `filter: cannot be filtered: ${name} of what a user holds`, "invalidFilter");
  }
  // The value of an entitlement compares without regard to case, as the User schema has it.
  return kind === "provisioned" ? sql`(g.id::text collate "C")` : sql`(lower(g.external_id) collate "C")`;
}
