import type { UserId } from "@branchward/core";
import { sql, type RawBuilder } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";

/** A real change of provisioned state. Ids are SCIM ids. */
export type DirectoryChange = { readonly resourceId: string } & (
  | { readonly kind: "user.created"; readonly details: { readonly userName: string; readonly active: boolean } }
  /** `client`: who did it, whoever provisioned the user. */
  | { readonly kind: "user.deactivated" | "user.reactivated"; readonly details: { readonly client: string } }
  | {
      readonly kind: "user.renamed" | "group.renamed";
      readonly details: { readonly from: string; readonly to: string };
    }
  /** Any other attributes; top-level names and extension URIs. */
  | {
      readonly kind: "user.changed";
      readonly details: { readonly attributes: readonly string[]; readonly former?: FormerValues };
    }
  /** `userNameKey`: what names are compared by. `active`: whether the user was, until then. `client`: who did it. */
  | {
      readonly kind: "user.deleted";
      readonly details: {
        readonly userName: string;
        readonly userNameKey: string;
        readonly active: boolean;
        readonly client: string;
        readonly former?: FormerValues;
      };
    }
  | { readonly kind: "group.created" | "group.deleted"; readonly details: { readonly displayName: string } }
  | {
      readonly kind: "group.members";
      readonly details: { readonly added: readonly string[]; readonly removed: readonly string[] };
    }
);

/** What a user's attributes were, as far as a pattern could have named them (rule B5). */
export type FormerValues = Readonly<Record<string, string>>;

/** A position in the changes; the start is `{ xid: "0", id: 0 }`. */
export interface ChangeCursor {
  /** xid8 as text. */
  readonly xid: string;
  readonly id: number;
}

/** The cursor of the fan-out: changes up to there have asked for what they affect. */
export const DIRECTORY_CURSOR = "directory";

/** A change as recorded, with its position. */
export type RecordedChange = DirectoryChange & ChangeCursor & { readonly createdAt: Date };

/** Records changes in the transaction that makes them. */
export async function insertDirectoryChanges(db: Queryable, changes: readonly DirectoryChange[]): Promise<void> {
  if (changes.length === 0) return;
  await db
    .insertInto("directory_changes")
    .values(
      changes.map(({ kind, resourceId, details }) => ({
        kind,
        resource_id: resourceId,
        details: JSON.stringify(details),
      })),
    )
    .execute();
}

/** SQL: records changes with the one row that a statement before it in the same WITH returned, if it did. */
export function recordingChanges(changes: readonly DirectoryChange[], from: string): RawBuilder<unknown> {
  return sql`
    insert into directory_changes (kind, resource_id, details)
    select c.kind, c."resourceId", c.details
    from ${sql.table(from)}, jsonb_to_recordset(${JSON.stringify(changes)}::jsonb) as c(kind text, "resourceId" uuid, details jsonb)
  `;
}

/** The changes after a position, oldest first, up to the oldest transaction still open: later ones may have gaps. */
export async function listDirectoryChanges(
  db: Queryable,
  after: ChangeCursor,
  limit: number,
): Promise<readonly RecordedChange[]> {
  const { rows } = await sql<RecordedChange>`
    select id, xid::text as xid, kind, resource_id as "resourceId", details, created_at as "createdAt"
    from directory_changes
    where (xid, id) > (${after.xid}::xid8, ${after.id}::bigint) and xid < pg_snapshot_xmin(pg_current_snapshot())
    order by directory_changes.xid, id
    limit ${limit}
  `.execute(db);
  return rows;
}

/** True when there are changes after a position, those that cannot be read yet included. */
export async function hasDirectoryChanges(db: Queryable, after: ChangeCursor): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`
    select exists (
      select from directory_changes where (xid, id) > (${after.xid}::xid8, ${after.id}::bigint)
    ) as found
  `.execute(db);
  return rows[0]?.found ?? false;
}

/** Longer than a transaction may last: a change is stamped when its transaction begins, and seen when that ends. */
const UNSEEN_MS = 60_000;

/** Users whom the directory has ended since a moment of the record's clock, and who have not come back. */
export async function listEndedUsers(db: Queryable, since: Date): Promise<readonly UserId[]> {
  const { rows } = await sql<{ id: UserId }>`${prepared}
    select distinct resource_id as id from directory_changes
    where kind in ('user.deactivated', 'user.deleted')
      and created_at > ${since}::timestamptz - ${UNSEEN_MS} * interval '1 millisecond'
      and not exists (select from directory_users where directory_users.id = resource_id and active)`.execute(db);
  return rows.map(({ id }) => id);
}
