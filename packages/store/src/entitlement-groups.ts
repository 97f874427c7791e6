/** Which group at the endpoint carries which entitlement of a scope. Intent is recorded before a POST (rule C6). */
import { sql } from "kysely";
import type { Queryable } from "./database.ts";
import { beginning } from "./like-pattern.ts";
import { type RequestedScope, requestScopes } from "./scopes.ts";

export interface GroupBinding {
  readonly entitlement: string;
  readonly externalId: string;
  readonly displayName: string;
  /** The id that the endpoint gave; null while a POST has no known outcome. */
  readonly groupId: string | null;
}

export async function listGroupBindings(db: Queryable, scopeId: string): Promise<readonly GroupBinding[]> {
  return db
    .selectFrom("entitlement_groups")
    .select(["entitlement", "external_id as externalId", "display_name as displayName", "group_id as groupId"])
    .where("scope_id", "=", scopeId)
    .orderBy("entitlement")
    .execute();
}

/** Records that these groups are about to be created. */
export async function recordGroupIntents(
  db: Queryable,
  scopeId: string,
  groups: readonly Omit<GroupBinding, "groupId">[],
): Promise<void> {
  if (groups.length === 0) return;
  await db
    .insertInto("entitlement_groups")
    .values(
      groups.map(({ entitlement, externalId, displayName }) => ({
        scope_id: scopeId,
        entitlement,
        external_id: externalId,
        display_name: displayName,
        group_id: null,
      })),
    )
    .onConflict((conflict) =>
      conflict
        .columns(["scope_id", "entitlement"])
        .doUpdateSet((eb) => ({ display_name: eb.ref("excluded.display_name") })),
    )
    .execute();
}

/** Writes what the endpoint is now known to hold for a scope: bindings with ids; entitlements left out are forgotten. */
export async function saveGroupBindings(
  trx: Queryable,
  scopeId: string,
  groups: readonly GroupBinding[],
): Promise<void> {
  const kept = groups.map((group) => group.entitlement);
  let forget = trx.deleteFrom("entitlement_groups").where("scope_id", "=", scopeId);
  if (kept.length > 0) forget = forget.where("entitlement", "not in", kept);
  await forget.execute();
  if (groups.length === 0) return;
  await trx
    .insertInto("entitlement_groups")
    .values(
      groups.map((group) => ({
        scope_id: scopeId,
        entitlement: group.entitlement,
        external_id: group.externalId,
        display_name: group.displayName,
        group_id: group.groupId,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(["scope_id", "entitlement"]).doUpdateSet((eb) => ({
        external_id: eb.ref("excluded.external_id"),
        display_name: eb.ref("excluded.display_name"),
        group_id: eb.ref("excluded.group_id"),
        bound_at: sql<Date>`coalesce(entitlement_groups.bound_at, now())`,
      })),
    )
    .execute();
}

/** Asks for the live branches' scopes at an endpoint whose groups bear a suffix for want of these names (rule A8). */
export async function requestNamesakes(
  trx: Queryable,
  endpoint: string,
  displayNames: readonly string[],
): Promise<readonly RequestedScope[]> {
  if (displayNames.length === 0) return [];
  const patterns = displayNames.map((displayName) => beginning(`${displayName} ~`));
  const rows = await trx
    .selectFrom("entitlement_groups")
    .innerJoin("scopes", "scopes.id", "entitlement_groups.scope_id")
    .innerJoin("incarnations", "incarnations.id", "scopes.incarnation_id")
    .select("scopes.id")
    .distinct()
    .where("scopes.endpoint", "=", endpoint)
    .where("incarnations.state", "=", "active")
    .where((where) => where.or(patterns.map((pattern) => where("entitlement_groups.display_name", "like", pattern))))
    .execute();
  return requestScopes(
    trx,
    rows.map(({ id }) => id),
    "name-free",
  );
}
