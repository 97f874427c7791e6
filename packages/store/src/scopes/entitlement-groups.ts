/** Which group at the endpoint carries which entitlement of a scope. Intent is recorded before a POST (rule C6). */
import { sql } from "kysely";
import type { Database, Queryable } from "../connection/database.ts";
import type { Lease } from "./leases.ts";
import { beginning } from "../like-pattern.ts";
import { prepared } from "../connection/prepared-statements.ts";
import { type RequestedScope, requestScopes } from "./scopes.ts";

export interface GroupBinding {
  readonly entitlement: string;
  readonly externalId: string;
  readonly displayName: string;
  /** The id that the endpoint gave; null while a POST has no known outcome. */
  readonly groupId: string | null;
}

/** A group that was to be created, and of which no answer told. */
export interface GroupIntent extends Omit<GroupBinding, "groupId"> {
  /** The endpoint's ids of all that were sent; null where no outcome is unknown, or an older program did not note them. */
  readonly sentMembers: readonly string[] | null;
}

/** What a row says of a group that was to be created, beside its binding. */
export type RecordedGroup = GroupBinding & GroupIntent;

export async function listGroupBindings(db: Queryable, scopeId: string): Promise<readonly RecordedGroup[]> {
  return db
    .selectFrom("entitlement_groups")
    .select([
      "entitlement",
      "external_id as externalId",
      "display_name as displayName",
      "group_id as groupId",
      "sent_members as sentMembers",
    ])
    .where("scope_id", "=", scopeId)
    .orderBy("entitlement")
    .modifyEnd(prepared)
    .execute();
}

/**
 * Records that these groups are about to be created; what earlier tries under the same name sent stays noted.
 * @returns false when the lease was lost: nothing is recorded, and nothing is to be created
 */
export async function recordGroupIntents(
  db: Queryable,
  lease: Pick<Lease, "scopeId" | "token">,
  groups: readonly (GroupIntent & { readonly sentMembers: readonly string[] })[],
): Promise<boolean> {
  if (groups.length === 0) return true;
  const rows = groups.map(({ entitlement, externalId, displayName, sentMembers }) => {
    return { entitlement, external_id: externalId, display_name: displayName, sent_members: sentMembers };
  });
  const { rows: recorded } = await sql`
    insert into entitlement_groups (scope_id, entitlement, external_id, display_name, sent_members)
    select scopes.id, entitlement, external_id, display_name, sent_members
    from scopes, jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      as intended (entitlement text, external_id text, display_name text, sent_members text[])
    where scopes.id = ${lease.scopeId} and lease_token = ${lease.token}
    on conflict (scope_id, entitlement) do update set
      display_name = excluded.display_name,
      sent_members = case when entitlement_groups.display_name = excluded.display_name
        then array(select unnest(entitlement_groups.sent_members) union select unnest(excluded.sent_members))
        else excluded.sent_members end
    returning scope_id`.execute(db);
  return recorded.length === groups.length;
}

/** A group that was found at the endpoint under our mark. */
export interface FoundGroup {
  readonly scopeId: string;
  readonly entitlement: string;
  readonly externalId: string;
  readonly displayName: string;
}

/**
 * Notes groups that bear our mark and are bound to nothing, as ones that may have been made: the next run of their scope
 * looks for them, whether policy still wants them or not. What is known already stays as it is.
 */
export async function noteFoundGroups(trx: Queryable, groups: readonly FoundGroup[]): Promise<void> {
  if (groups.length === 0) return;
  await trx
    .insertInto("entitlement_groups")
    .values(
      groups.map(({ scopeId, entitlement, externalId, displayName }) => ({
        scope_id: scopeId,
        entitlement,
        external_id: externalId,
        display_name: displayName,
        group_id: null,
      })),
    )
    .onConflict((conflict) => conflict.columns(["scope_id", "entitlement"]).doNothing())
    .execute();
}

/** Forgets an intent that the endpoint has certainly not followed, while the lease is held. */
export async function forgetGroupIntent(
  db: Database,
  { scopeId, token }: Pick<Lease, "scopeId" | "token">,
  entitlement: string,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const held = await sql`
      select id from scopes where id = ${scopeId} and lease_token = ${token} for no key update`.execute(trx);
    if (held.rows.length === 0) return;
    const intent = sql`scope_id = ${scopeId} and entitlement = ${entitlement}`;
    await sql`delete from entitlement_groups where ${intent} and group_id is null`.execute(trx);
    await sql`update entitlement_groups set sent_members = null where ${intent}`.execute(trx);
  });
}

/**
 * Writes what the endpoint is now known to hold for a scope: bindings with ids. Entitlements left out are forgotten, but
 * for those `undecided`, whose intents stay as they are.
 */
export async function saveGroupBindings(
  trx: Queryable,
  scopeId: string,
  { groups, undecided }: { readonly groups: readonly GroupBinding[]; readonly undecided: readonly string[] },
): Promise<void> {
  const kept = [...groups.map((group) => group.entitlement), ...undecided];
  await sql`${prepared}
    delete from entitlement_groups where scope_id = ${scopeId} and entitlement <> all (${kept}::text[])`.execute(trx);
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
        bound_at: sql<Date>`now()`,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(["scope_id", "entitlement"]).doUpdateSet((eb) => ({
        external_id: eb.ref("excluded.external_id"),
        display_name: eb.ref("excluded.display_name"),
        group_id: eb.ref("excluded.group_id"),
        sent_members: null,
        bound_at: sql<Date>`coalesce(entitlement_groups.bound_at, excluded.bound_at)`,
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
