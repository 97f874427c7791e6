import type { PolicyVersionId } from "@branchward/core";
import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "./database.ts";

export interface PolicyVersion {
  readonly id: PolicyVersionId;
  readonly seq: number;
  readonly digest: string;
  readonly file: string;
  readonly text: string;
  readonly author: string;
  readonly state: "active" | "superseded";
  readonly activatedAt: Date;
}

function selectVersions(db: Queryable) {
  return db
    .selectFrom("policy_versions")
    .select(["id", "seq", "digest", "file", "text", "author", "state", "activated_at as activatedAt"]);
}

function toVersion(row: Omit<PolicyVersion, "id"> & { id: string }): PolicyVersion {
  return { ...row, id: row.id as PolicyVersionId };
}

export async function findActivePolicyVersion(db: Queryable): Promise<PolicyVersion | undefined> {
  const row = await selectVersions(db).where("state", "=", "active").executeTakeFirst();
  return row === undefined ? undefined : toVersion(row);
}

/** The id alone: what a reader with a parsed copy asks for. */
export async function findActivePolicyVersionId(db: Queryable): Promise<PolicyVersionId | undefined> {
  const row = await db.selectFrom("policy_versions").select("id").where("state", "=", "active").executeTakeFirst();
  return row?.id as PolicyVersionId | undefined;
}

/** Newest first; `before` is the `seq` of the last row of the page before. */
export async function listPolicyVersions(
  db: Queryable,
  page: { readonly limit: number; readonly before?: number },
): Promise<readonly PolicyVersion[]> {
  let query = selectVersions(db).orderBy("seq", "desc").limit(page.limit);
  if (page.before !== undefined) query = query.where("seq", "<", page.before);
  return (await query.execute()).map(toVersion);
}

/** Who put versions in force within the window. */
export async function listRecentAuthors(db: Queryable, windowMs: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("policy_versions")
    .select("author")
    .distinct()
    .where("activated_at", ">", sql<Date>`now() - ${windowMs} * interval '1 millisecond'`)
    .execute();
  return rows.map(({ author }) => author);
}

export interface NewPolicyVersion {
  readonly digest: string;
  readonly file: string;
  readonly text: string;
  readonly author: string;
}

/** Inserts a version and puts it in force (rule B1); the one before stays for ever. */
export async function insertActivePolicyVersion(trx: Queryable, version: NewPolicyVersion): Promise<PolicyVersionId> {
  await trx.updateTable("policy_versions").set({ state: "superseded" }).where("state", "=", "active").execute();
  const id = uuidv7();
  await trx
    .insertInto("policy_versions")
    .values({ id, ...version, state: "active" })
    .execute();
  return id as PolicyVersionId;
}
