import type { PolicyVersionId } from "@branchward/core";
import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";
import { prepared } from "../connection/prepared-statements.ts";

/**
 * `proposed` while its plan is made; `active` in force; `held` until approved; `rejected` broken, or refused by a
 * person; `superseded` by a later one, whether or not it ever was in force.
 */
export type PolicyVersionState = "proposed" | "active" | "held" | "rejected" | "superseded";

export interface PolicyVersion {
  readonly id: PolicyVersionId;
  readonly seq: number;
  readonly digest: string;
  readonly file: string;
  readonly text: string;
  readonly author: string;
  readonly origin: "file" | "api";
  readonly state: PolicyVersionState;
  readonly proposedAt: Date;
  /** Null for a version that never was in force. */
  readonly activatedAt: Date | null;
  /** Why it is held or rejected. */
  readonly reason: string | null;
  /** Its plan in numbers, as it was when the version was held. */
  readonly plan: unknown;
  /** What an approval names; with the time at which the plan was made. */
  readonly planDigest: string | null;
  readonly plannedAt: Date | null;
  /** Who approved or refused it. */
  readonly decidedBy: string | null;
  readonly decidedAt: Date | null;
}

function selectVersions(db: Queryable) {
  return db
    .selectFrom("policy_versions")
    .select([
      "id",
      "seq",
      "digest",
      "file",
      "text",
      "author",
      "origin",
      "state",
      "proposed_at as proposedAt",
      "activated_at as activatedAt",
      "reason",
      "plan",
      "plan_digest as planDigest",
      "planned_at as plannedAt",
      "decided_by as decidedBy",
      "decided_at as decidedAt",
    ]);
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
  const row = await db
    .selectFrom("policy_versions")
    .modifyEnd(prepared)
    .select("id")
    .where("state", "=", "active")
    .executeTakeFirst();
  return row?.id as PolicyVersionId | undefined;
}

/** The version that was in force at that moment. */
export async function findPolicyVersionAt(db: Queryable, at: Date): Promise<PolicyVersion | undefined> {
  const row = await selectVersions(db)
    .where("activated_at", "<=", at)
    .orderBy("activated_at", "desc")
    .orderBy("seq", "desc")
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? undefined : toVersion(row);
}

export async function findPolicyVersion(db: Queryable, id: string): Promise<PolicyVersion | undefined> {
  const row = await selectVersions(db).where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toVersion(row);
}

/** What a file said last, whatever became of it; `readable`: what could be read, last. */
export async function findLastProposal(
  db: Queryable,
  file: string,
  which: "any" | "readable",
): Promise<PolicyVersion | undefined> {
  const row = await selectVersions(db)
    .where("origin", "=", "file")
    .where("file", "=", file)
    .where("digest", "<>", which === "readable" ? UNREADABLE : "any")
    .orderBy("seq", "desc")
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? undefined : toVersion(row);
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

/** In place of a digest: what cannot be read has no meaning to take one of. */
const UNREADABLE = "";

export interface NewPolicyVersion {
  readonly digest: string;
  readonly file: string;
  readonly text: string;
  readonly author: string;
  readonly origin: PolicyVersion["origin"];
}

/** Records a proposed version. Needs the lead of `withPolicyLead`: what another left unfinished is superseded. */
export async function insertProposedVersion(trx: Queryable, version: NewPolicyVersion): Promise<PolicyVersionId> {
  await trx.updateTable("policy_versions").set({ state: "superseded" }).where("state", "=", "proposed").execute();
  const id = uuidv7();
  await trx
    .insertInto("policy_versions")
    .values({ id, ...version, state: "proposed" })
    .execute();
  return id as PolicyVersionId;
}

/** Records a version that could not be read. */
export async function insertRejectedVersion(
  trx: Queryable,
  version: Omit<NewPolicyVersion, "digest"> & { readonly reason: string },
): Promise<PolicyVersionId> {
  const id = uuidv7();
  await trx
    .insertInto("policy_versions")
    .values({ id, ...version, digest: UNREADABLE, state: "rejected" })
    .execute();
  return id as PolicyVersionId;
}

/** Records that a file says again what is in force; it is never in force itself. */
export async function insertReturnedVersion(trx: Queryable, version: NewPolicyVersion): Promise<void> {
  const { digest, file, text, author, origin } = version;
  const reason = "it says what is in force";
  await trx
    .insertInto("policy_versions")
    .values({ id: uuidv7(), digest, file, text, author, origin, state: "superseded", reason })
    .execute();
}

/** Puts a proposed or held version in force (rule B1); the one before stays for ever. Needs `lockPolicy`. */
export async function activateVersion(trx: Queryable, id: string, decidedBy: string | null): Promise<void> {
  await trx
    .updateTable("policy_versions")
    .set({ state: "superseded" })
    .where("state", "in", ["active", "held"])
    .where("id", "<>", id)
    .execute();
  await trx
    .updateTable("policy_versions")
    // Not the transaction's start: it may have waited for the one before.
    .set({ state: "active", activated_at: sql<Date>`clock_timestamp()`, reason: null, ...decision(decidedBy) })
    .where("id", "=", id)
    .execute();
}

export interface VersionPlan {
  readonly reason: string;
  readonly plan: unknown;
  readonly digest: string;
}

/** Holds a version until its plan is approved; an older one that is held gives way. */
export async function holdVersion(trx: Queryable, id: string, { reason, plan, digest }: VersionPlan): Promise<void> {
  await trx
    .updateTable("policy_versions")
    .set({ state: "superseded" })
    .where("state", "=", "held")
    .where("id", "<>", id)
    .execute();
  await trx
    .updateTable("policy_versions")
    .set({
      state: "held",
      reason,
      plan: JSON.stringify(plan),
      plan_digest: digest,
      planned_at: sql<Date>`clock_timestamp()`,
    })
    .where("id", "=", id)
    .execute();
}

/** Refuses a held version. False when there is none of this id. */
export async function rejectVersion(
  trx: Queryable,
  id: string,
  { by, reason }: { readonly by: string; readonly reason: string },
): Promise<boolean> {
  const result = await trx
    .updateTable("policy_versions")
    .set({ state: "rejected", reason, ...decision(by) })
    .where("id", "=", id)
    .where("state", "=", "held")
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Lets go what the file proposed before and nobody decided: it says something else now. False where nothing was. */
export async function withdrawProposals(trx: Queryable, file: string): Promise<boolean> {
  const result = await trx
    .updateTable("policy_versions")
    .set({ state: "superseded" })
    .where("state", "in", ["held", "proposed"])
    .where("origin", "=", "file")
    .where("file", "=", file)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

function decision(by: string | null) {
  return by === null ? {} : { decided_by: by, decided_at: sql<Date>`clock_timestamp()` };
}
