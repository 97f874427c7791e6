/** Which directory group a policy's reference means (rule B4): bound once, by id, and re-bound only by hand. */
import { type GroupMember, type GroupResolution, parsePrincipal } from "@branchward/core";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { listFlattenedMembers, listGroupsByName } from "../directory/read.ts";
import { raiseFinding, resolveFinding } from "../scopes/findings.ts";
import { prepared } from "../connection/prepared-statements.ts";

/** Binds each reference that has no group yet when exactly one candidate exists; the others stand as findings. */
export async function bindReferences(trx: Queryable, references: readonly string[]): Promise<readonly string[]> {
  const bound: string[] = [];
  for (const reference of await listUnbound(trx, references)) {
    const principal = parsePrincipal(reference);
    if (principal === undefined || principal.kind !== "group") continue;
    const candidates = await listGroupsByName(trx, principal.name, principal.client ?? undefined);
    const [only, second] = candidates;
    if (only === undefined || second !== undefined) await raiseUnbound(trx, reference, candidates.length);
    else {
      await saveBinding(trx, reference, only.id);
      bound.push(reference);
    }
  }
  return bound;
}

async function listUnbound(trx: Queryable, references: readonly string[]): Promise<readonly string[]> {
  if (references.length === 0) return [];
  const rows = await trx
    .selectFrom("policy_bindings")
    .select("reference")
    .where(sql<boolean>`reference = any(${[...references]}::text[])`)
    .where("group_id", "is not", null)
    .execute();
  const bound = new Set(rows.map((row) => row.reference));
  return references.filter((reference) => !bound.has(reference));
}

async function saveBinding(trx: Queryable, reference: string, groupId: string): Promise<void> {
  await trx
    .insertInto("policy_bindings")
    .values({ reference, group_id: groupId, bound_at: sql<Date>`now()` })
    .onConflict((conflict) =>
      conflict.column("reference").doUpdateSet({ group_id: groupId, bound_at: sql<Date>`now()` }),
    )
    .execute();
  await resolveFinding(trx, "group-unbound", reference);
}

async function raiseUnbound(trx: Queryable, reference: string, candidates: number): Promise<void> {
  const cause =
    candidates === 0
      ? "the directory has no group of this name; it is bound when one appears"
      : `${candidates} groups bear this name; pin the client (group:client/name)`;
  await raiseFinding(trx, {
    kind: "group-unbound",
    subject: reference,
    severity: "warning",
    message: `${reference} grants nobody and denies nobody: ${cause}`,
  });
}

/** What each reference means now: bound with its members, lost with its last ones, or unbound. */
export async function resolveReferences(
  db: Queryable,
  references: readonly string[],
): Promise<ReadonlyMap<string, GroupResolution>> {
  if (references.length === 0) return new Map();
  const rows = await db
    .selectFrom("policy_bindings")
    .leftJoin("directory_groups", "directory_groups.id", "policy_bindings.group_id")
    .select(["reference", "group_id as groupId", "last_members as lastMembers", "directory_groups.id as foundId"])
    .where("reference", "in", references)
    .where("group_id", "is not", null)
    .modifyEnd(prepared)
    .execute();
  const found = rows.flatMap((row) => (row.foundId === null ? [] : [row.foundId]));
  const members = await listFlattenedMembers(db, [...new Set(found)]);
  return new Map(
    rows.map((row) => [
      row.reference,
      row.foundId === null
        ? { state: "lost", members: row.lastMembers as readonly GroupMember[] }
        : { state: "bound", members: members.get(row.foundId) ?? [] },
    ]),
  );
}

/** A reference of the policy and the group it is bound to. */
export interface PolicyBinding {
  readonly reference: string;
  readonly groupId: string | null;
  /** Null while the group is not there. */
  readonly displayName: string | null;
  readonly state: "bound" | "unbound" | "lost";
}

export async function listPolicyBindings(
  db: Queryable,
  references: readonly string[],
): Promise<readonly PolicyBinding[]> {
  if (references.length === 0) return [];
  const rows = await db
    .selectFrom("policy_bindings")
    .leftJoin("directory_groups", "directory_groups.id", "policy_bindings.group_id")
    .select(["reference", "group_id as groupId", "directory_groups.display_name as displayName"])
    .where("reference", "in", references)
    .execute();
  const known = new Map(rows.map((row) => [row.reference, row]));
  return references.map((reference) => {
    const { groupId = null, displayName = null } = known.get(reference) ?? {};
    const state = groupId === null ? "unbound" : displayName === null ? "lost" : "bound";
    return { reference, groupId, displayName, state };
  });
}

/** Binds a reference to a group by hand: the only way to re-bind (rule B4). */
export async function bindReference(trx: Queryable, reference: string, groupId: string): Promise<void> {
  await saveBinding(trx, reference, groupId);
  await resolveFinding(trx, "group-lost", reference);
  await resolveFinding(trx, "group-renamed", reference);
}

/** Raises the finding of a reference whose group is gone; `impact` says, after a colon, what it decides about. */
export async function noteLostGroup(trx: Queryable, reference: string, impact = ""): Promise<void> {
  await raiseFinding(trx, {
    kind: "group-lost",
    subject: reference,
    severity: "critical",
    message: `its group was deleted: grants and denies keep the last members and nobody is added${impact}; re-bind with: branchward groups bind ${reference} ID`,
  });
}

/** Raises the findings of references whose groups were gone before the policy in force named them. */
export async function noteLostGroups(trx: Queryable, references: readonly string[]): Promise<void> {
  const { rows } = await sql<{ reference: string }>`
    select reference from policy_bindings
    where reference = any (${[...references]}::text[]) and group_id is not null
      and not exists (select from directory_groups where directory_groups.id = policy_bindings.group_id)
      and not exists (
        select from findings where kind = 'group-lost' and subject = reference and resolved_at is null
      )`.execute(trx);
  for (const { reference } of rows) await noteLostGroup(trx, reference);
}

/** The references that are bound to this very group. */
export async function listReferencesBoundTo(db: Queryable, groupId: string): Promise<readonly string[]> {
  const rows = await db.selectFrom("policy_bindings").select("reference").where("group_id", "=", groupId).execute();
  return rows.map((row) => row.reference);
}

/** The clients that provision the groups behind these references: whoever moved their members. */
export async function listGroupClients(db: Queryable, references: readonly string[]): Promise<readonly string[]> {
  if (references.length === 0) return [];
  const rows = await db
    .selectFrom("policy_bindings")
    .innerJoin("directory_groups", "directory_groups.id", "policy_bindings.group_id")
    .select("client")
    .distinct()
    .where("reference", "in", references)
    .execute();
  return rows.map(({ client }) => client);
}

/** Keeps the members that a bound group has at its deletion: a lost group's grants and denies stand by them. */
export async function keepLastMembers(trx: Queryable, groupId: string): Promise<void> {
  if ((await listReferencesBoundTo(trx, groupId)).length === 0) return;
  const members = (await listFlattenedMembers(trx, [groupId])).get(groupId) ?? [];
  await trx
    .updateTable("policy_bindings")
    .set({ last_members: JSON.stringify(members), updated_at: sql<Date>`now()` })
    .where("group_id", "=", groupId)
    .execute();
}

/** The bound references that these groups and users count towards, directly, through nested groups, or as last members of a lost one. */
export async function listReferencesReaching(
  db: Queryable,
  { groupIds, userIds }: { readonly groupIds: readonly string[]; readonly userIds: readonly string[] },
): Promise<readonly string[]> {
  const result = await sql<{ reference: string }>`
    with recursive above (id) as (
      select id from unnest(${[...groupIds]}::uuid[]) as id
      union
      select group_id from directory_members where member_id = any (${[...userIds]}::uuid[])
      union
      select directory_members.group_id
      from above join directory_members on directory_members.member_id = above.id and directory_members.member_kind = 'Group'
    )
    select reference from policy_bindings
    where group_id in (select id from above)
      or exists (
        select from jsonb_array_elements(last_members) as member
        where member ->> 'userId' = any (${[...userIds]}::text[])
      )`.execute(db);
  return result.rows.map((row) => row.reference);
}
