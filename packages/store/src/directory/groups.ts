import { isDeepStrictEqual } from "node:util";
import { foldDisplayName, isOurExternalId } from "@branchward/core";
import {
  ScimError,
  toSearchKeys,
  type JsonObject,
  type Member,
  type MemberDelta,
  type ResourceType,
  type ResourceUpdate,
  type StoredResource,
} from "@branchward/scim";
import { sql, type Insertable, type Selectable } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";
import {
  countVisible,
  entitlementExtension,
  requireGroupWriter,
  visibleGroup,
  type DirectoryContext,
} from "./context.ts";
import { staleFence } from "./fence.ts";
import { groupAttributes } from "./group-attributes.ts";
import {
  applyMemberDelta,
  deleteMemberships,
  lockGroupsOf,
  patchMembersShort,
  readGroupMembers,
  selectMembers,
  type MembershipChange,
} from "./members.ts";
import type { DirectoryNoun, ShortWrite, Write } from "./noun.ts";
import { requireName, selectPage, toExternalId, toUniquenessError } from "./resource-row.ts";
import type { DirectoryTables, GroupKind } from "./tables.ts";

type GroupTable = DirectoryTables["directory_groups"];
type GroupRow = Selectable<GroupTable>;

/** `scimType` of an addition to an entitlement group that comes after the user's deactivation. */
export const INACTIVE_MEMBER = "inactiveMember";

const noMembershipChange: MembershipChange = { added: [], removed: [] };

/** Provisioned and entitlement groups of the directory. */
export const groups: DirectoryNoun = {
  async find(db, context, id, { members }) {
    const row = await findGroup(db, context, id);
    return row && toResource(row, await readGroupMembers(db, id, members));
  },

  async list(db, context, query) {
    const { totalResults, rows, next } = await selectPage(
      db,
      {
        table: "directory_groups",
        visible: visibleGroup(context),
        attributes: groupAttributes,
        columns: ["display_name"],
        total: countVisible(context, "groups"),
      },
      query,
    );
    const members =
      query.read.members === "none"
        ? undefined
        : await selectMembers(
            db,
            rows.map(({ id }) => id),
          );
    return { totalResults, resources: rows.map((row) => toResource(row, members?.get(row.id))), next };
  },

  async create(write, { attributes, members }) {
    const { trx, context, type, raise } = write;
    const kind: GroupKind = context.kind === "internal" ? "entitlement" : "provisioned";
    const columns = toColumns(kind, attributes);
    const row = await trx
      .insertInto("directory_groups")
      .values({
        id: uuidv7(),
        kind,
        client: context.client,
        fence: context.fence?.token ?? 0,
        ...toValues(type, columns),
      })
      .returningAll()
      .executeTakeFirstOrThrow()
      .catch((error: unknown) => {
        throw toUniquenessError(error);
      });
    const { added } = await changeMembers(write, row.id, members);
    if (kind === "provisioned") {
      raise({ kind: "group.created", resourceId: row.id, details: { displayName: row.display_name } });
      if (added.length > 0) raise({ kind: "group.members", resourceId: row.id, details: { added, removed: [] } });
    }
    return toResource(row, await readGroupMembers(trx, row.id, "all"));
  },

  async updateShort(write, id, update) {
    const { db, context } = write;
    if (context.kind === "internal" || update.readMembers !== "none") return undefined;
    const { memberDelta } = update;
    if (memberDelta?.clear === false) return patchMembers(write, { id, update, seen: undefined, delta: memberDelta });
    const seen = await findGroup(db, context, id);
    if (seen === undefined) throw new ScimError(404, `no Group with id ${id}`);
    requireGroupWriter(context, seen.kind);
    const current = toResource(seen, undefined);
    const { attributes, members } = update.change(current);
    const isOfMembers = members?.clear === false && isDeepStrictEqual(attributes, current.attributes);
    return isOfMembers ? patchMembers(write, { id, update, seen, delta: members }) : undefined;
  },

  async update(write, id, { readMembers, change, returns }) {
    const { trx, context, type, raise } = write;
    const before = await lockGroup(write, id, "no key update");
    const current = toResource(before, await readGroupMembers(trx, id, readMembers));
    const state = change(current);
    const columns = toColumns(before.kind, state.attributes);
    const membership = await changeMembers(write, id, state.members);
    const isSame = isDeepStrictEqual(toAttributes(columns), current.attributes) && isEmpty(membership);
    if (isSame) {
      await raiseFence(trx, context, before);
      return { ...current, members: await readGroupMembers(trx, id, returns.members) };
    }
    const row = await trx
      .updateTable("directory_groups")
      .set({
        ...toValues(type, columns),
        version: sql`version + 1`,
        updated_at: sql`now()`,
        fence: context.fence?.token ?? before.fence,
      })
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirstOrThrow()
      .catch((error: unknown) => {
        throw toUniquenessError(error);
      });
    if (row.kind === "provisioned") raiseUpdate(raise, { before, after: row, membership });
    return toResource(row, await readGroupMembers(trx, id, returns.members));
  },

  async delete(write, id, check) {
    const { trx, raise, beforeGroupDeletion } = write;
    await lockGroupsOf(trx, id);
    const row = await lockGroup(write, id, "update");
    check(toResource(row, undefined));
    if (row.kind === "provisioned") await beforeGroupDeletion(trx, id);
    // Entitlement groups have no groups as members, so that every group that loses this one is provisioned.
    for (const { groupId } of await deleteMemberships(trx, id)) {
      raise({ kind: "group.members", resourceId: groupId, details: { added: [], removed: [id] } });
    }
    await trx.deleteFrom("directory_groups").where("id", "=", id).execute();
    if (row.kind === "provisioned") {
      raise({ kind: "group.deleted", resourceId: id, details: { displayName: row.display_name } });
    }
  },
};

async function patchMembers(
  { db, context, raise }: ShortWrite,
  {
    id,
    update,
    seen,
    delta,
  }: {
    readonly id: string;
    readonly update: ResourceUpdate;
    readonly seen: ReadGroup | undefined;
    readonly delta: MemberDelta;
  },
): Promise<StoredResource | undefined> {
  const { isConditional, returns } = update;
  const shown = returns.members;
  const most = typeof shown === "object" ? shown.atMost : null;
  const patched = await patchMembersShort(db, { context, groupId: id, seen, delta, isConditional, most });
  if (patched === undefined) return undefined;
  const { group, added, removed, hasMore } = patched;
  if (added.length + removed.length > 0) raise({ kind: "group.members", resourceId: id, details: { added, removed } });
  return toResource(group, hasMore ? undefined : await readGroupMembers(db, id, shown));
}

/** A group as it is read: without the keys that only filters look at. */
type ReadGroup = Omit<GroupRow, "search_keys" | "display_key" | "incarnation" | "entitlement">;

async function findGroup(db: Queryable, context: DirectoryContext, id: string): Promise<ReadGroup | undefined> {
  const { rows } = await sql<ReadGroup>`${prepared}
    select id, client, kind, external_id, display_name, attributes, fence, version, created_at, updated_at
    from directory_groups where id = ${id} and ${visibleGroup(context)}
  `.execute(db);
  return rows[0];
}

/** @throws ScimError 404, 403 by kind, 412 when a newer lease has written (rule C4) */
async function lockGroup({ trx, context }: Write, id: string, strength: "update" | "no key update"): Promise<GroupRow> {
  const row = await trx
    .selectFrom("directory_groups")
    .selectAll()
    .where("id", "=", id)
    .where(visibleGroup(context))
    .$call((query) => (strength === "update" ? query.forUpdate() : query.forNoKeyUpdate()))
    .executeTakeFirst();
  if (row === undefined) throw new ScimError(404, `no Group with id ${id}`);
  requireGroupWriter(context, row.kind);
  if (context.fence !== undefined && context.fence.token < row.fence) {
    throw staleFence(`fence ${context.fence.token} is stale, ${row.fence} has written`);
  }
  return row;
}

async function changeMembers(
  { trx, context }: Write,
  groupId: string,
  delta: MemberDelta | undefined,
): Promise<MembershipChange> {
  if (delta === undefined) return noMembershipChange;
  const change = await applyMemberDelta(trx, { context, groupId, delta });
  if (context.kind === "internal") await requireActive(trx, change.added);
  return change;
}

/**
 * Access is given to nobody who is deactivated, though a run that read the directory before may still want it (rule C3).
 * @throws ScimError 412
 */
async function requireActive(trx: Queryable, userIds: readonly string[]): Promise<void> {
  if (userIds.length === 0) return;
  const { rows } = await sql<{ id: string }>`${prepared}
    select id from directory_users where id = any(${userIds}::uuid[]) and not active limit 1`.execute(trx);
  const [inactive] = rows;
  if (inactive !== undefined) throw new ScimError(412, `user ${inactive.id} is not active`, INACTIVE_MEMBER);
}

/** A write that changes nothing still shows that a newer lease is at work. */
async function raiseFence(trx: Queryable, { fence }: DirectoryContext, row: GroupRow): Promise<void> {
  if (fence === undefined || fence.token <= row.fence) return;
  await trx.updateTable("directory_groups").set({ fence: fence.token }).where("id", "=", row.id).execute();
}

type GroupColumns = Pick<GroupRow, "display_name" | "external_id" | "attributes">;

type GroupValues = Omit<Insertable<GroupTable>, "id" | "kind" | "client">;

/** @throws ScimError where the marks of entitlement groups are used for another kind, or missing (rule C7) */
function toColumns(kind: GroupKind, attributes: JsonObject): GroupColumns {
  const { displayName, externalId, ...others } = attributes;
  const isMarked = typeof externalId === "string" && isOurExternalId(externalId);
  const isExtended = others[entitlementExtension] !== undefined;
  if (kind === "provisioned" && isMarked) {
    throw new ScimError(409, `externalId ${externalId} is reserved for entitlement groups`, "uniqueness");
  }
  if (kind === "provisioned" && isExtended) {
    throw new ScimError(400, `${entitlementExtension} is for entitlement groups`, "invalidValue");
  }
  if (kind === "entitlement" && !(isMarked && isExtended)) {
    throw new ScimError(400, `an entitlement group needs ${entitlementExtension} and its externalId`, "invalidValue");
  }
  return {
    display_name: requireName("displayName", displayName),
    external_id: toExternalId(externalId),
    attributes: others,
  };
}

function toValues(type: ResourceType, columns: GroupColumns): GroupValues {
  return {
    ...columns,
    display_key: foldDisplayName(columns.display_name),
    attributes: JSON.stringify(columns.attributes),
    search_keys: JSON.stringify(toSearchKeys(type, { ...columns.attributes, displayName: columns.display_name })),
  };
}

function toResource(row: Omit<ReadGroup, "kind" | "fence">, members: readonly Member[] | undefined): StoredResource {
  return {
    id: row.id,
    version: String(row.version),
    created: row.created_at,
    lastModified: row.updated_at,
    attributes: toAttributes(row),
    members,
  };
}

function toAttributes({ display_name, external_id, attributes }: GroupColumns): JsonObject {
  return {
    ...(external_id === null ? {} : { externalId: external_id }),
    displayName: display_name,
    ...attributes,
  };
}

function isEmpty({ added, removed }: MembershipChange): boolean {
  return added.length === 0 && removed.length === 0;
}

function raiseUpdate(
  raise: Write["raise"],
  { before, after, membership }: { before: GroupRow; after: GroupRow; membership: MembershipChange },
): void {
  const resourceId = after.id;
  if (before.display_name !== after.display_name) {
    raise({ kind: "group.renamed", resourceId, details: { from: before.display_name, to: after.display_name } });
  }
  if (!isEmpty(membership)) raise({ kind: "group.members", resourceId, details: membership });
}
