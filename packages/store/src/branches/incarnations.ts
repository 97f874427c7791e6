import type { BranchState, Incarnation, IncarnationId, RefType, RegistryDecision } from "@branchward/core";
import type { Selectable } from "kysely";
import { sql } from "kysely";
import { bindWaitingCheckouts } from "../people/checkouts.ts";
import type { Queryable } from "../connection/database.ts";
import { containing } from "../like-pattern.ts";
import type { BranchName } from "../locks.ts";
import { nameKey } from "../name-key.ts";
import { prepared } from "../connection/prepared-statements.ts";
import type { IncarnationsTable } from "../tables.ts";

/** One by one, since statements that read them are prepared. */
const COLUMNS = [
  "incarnations.id",
  "incarnations.seq",
  "incarnations.repository_id",
  "incarnations.ref_type",
  "incarnations.name",
  "incarnations.state",
  "incarnations.suspect",
  "incarnations.head",
  "incarnations.previous_names",
  "incarnations.merged_into",
  "incarnations.born_at",
  "incarnations.born_of",
  "incarnations.ended_at",
  "incarnations.born_group",
  "incarnations.born_by",
  "incarnations.ended_group",
  "incarnations.ended_by",
  "incarnations.evidence_at",
] as const;

type IncarnationRow = Pick<
  Selectable<IncarnationsTable>,
  (typeof COLUMNS)[number] extends `incarnations.${infer Column}` ? Column : never
>;

function toIncarnation(row: IncarnationRow): Incarnation {
  return {
    id: row.id as IncarnationId,
    refType: row.ref_type,
    name: row.name,
    state: row.state,
    suspect: row.suspect,
    head: row.head,
    previousNames: row.previous_names,
    mergedInto: row.merged_into as IncarnationId | null,
    bornAt: row.born_at,
    bornOf: row.born_of,
    endedAt: row.ended_at,
    bornGroup: row.born_group,
    bornBy: row.born_by,
    endedGroup: row.ended_group,
    endedBy: row.ended_by,
    evidenceAt: row.evidence_at,
  };
}

/** The live incarnations of these names. */
export async function listLiveByNames(
  trx: Queryable,
  repositoryId: string,
  names: readonly BranchName[],
): Promise<readonly Incarnation[]> {
  if (names.length === 0) return [];
  const keys = names.map(({ refType, name }) => nameKey(refType, name));
  const rows = await trx
    .selectFrom("incarnations")
    .select(COLUMNS)
    .where("repository_id", "=", repositoryId)
    .where(sql<boolean>`name_key = any(${keys}::text[])`)
    .where(sql<boolean>`state <> 'deleted'`)
    .modifyEnd(prepared)
    .execute();
  return rows.map(toIncarnation);
}

/** Everything born or ended in the repository since `since`: what may be half of a rename. */
export async function listBornOrEndedSince(
  trx: Queryable,
  repositoryId: string,
  since: Date,
): Promise<readonly Incarnation[]> {
  const rows = await trx
    .selectFrom("incarnations")
    .select(COLUMNS)
    .where("repository_id", "=", repositoryId)
    .where((where) => where.or([where("born_at", ">=", since), where("ended_at", ">=", since)]))
    .execute();
  return rows.map(toIncarnation);
}

/**
 * Writes what the registry decided, and binds working copies that were on a name before the registry knew it.
 * Ended ones go first, so that a name is free before another takes it.
 */
export async function saveIncarnations(
  trx: Queryable,
  repositoryId: string,
  incarnations: RegistryDecision["incarnations"],
): Promise<void> {
  const ended = incarnations.filter((incarnation) => incarnation.state === "deleted");
  const live = incarnations.filter((incarnation) => incarnation.state !== "deleted");
  for (const batch of [ended, live]) {
    if (batch.length > 0) await upsertIncarnations(trx, repositoryId, batch);
  }
}

async function upsertIncarnations(trx: Queryable, repositoryId: string, batch: readonly Incarnation[]): Promise<void> {
  const rows = batch.map((incarnation) => ({
    id: incarnation.id,
    repository_id: repositoryId,
    ref_type: incarnation.refType,
    name: incarnation.name,
    name_key: nameKey(incarnation.refType, incarnation.name),
    state: incarnation.state,
    suspect: incarnation.suspect,
    head: incarnation.head,
    previous_names: [...incarnation.previousNames],
    merged_into: incarnation.mergedInto,
    born_at: incarnation.bornAt,
    born_of: incarnation.bornOf,
    ended_at: incarnation.endedAt,
    born_group: incarnation.bornGroup,
    born_by: incarnation.bornBy,
    ended_group: incarnation.endedGroup,
    ended_by: incarnation.endedBy,
    evidence_at: incarnation.evidenceAt,
  }));
  const active = rows.filter(({ state }) => state === "active");
  const upsert = trx
    .with("bound", () => sql<object>`(${bindWaitingCheckouts(repositoryId, active)})`)
    .insertInto("incarnations")
    .values(rows)
    .onConflict((conflict) =>
      conflict.column("id").doUpdateSet((eb) => ({
        name: eb.ref("excluded.name"),
        name_key: eb.ref("excluded.name_key"),
        state: eb.ref("excluded.state"),
        suspect: eb.ref("excluded.suspect"),
        head: eb.ref("excluded.head"),
        previous_names: eb.ref("excluded.previous_names"),
        merged_into: eb.ref("excluded.merged_into"),
        ended_at: eb.ref("excluded.ended_at"),
        ended_group: eb.ref("excluded.ended_group"),
        ended_by: eb.ref("excluded.ended_by"),
        evidence_at: eb.ref("excluded.evidence_at"),
        updated_at: sql<Date>`now()`,
      })),
    );
  await (rows.length === 1 ? upsert.modifyEnd(prepared) : upsert).execute();
}

export interface BranchRow extends Incarnation {
  readonly seq: number;
  readonly repository: string;
  readonly repositoryId: string;
  readonly vcs: "git" | "hg";
}

function selectBranches(db: Queryable) {
  return db
    .selectFrom("incarnations")
    .innerJoin("repositories", "repositories.id", "incarnations.repository_id")
    .select(COLUMNS)
    .select(["repositories.name as repository_name", "repositories.vcs as vcs"]);
}

function toBranchRow(row: IncarnationRow & { repository_name: string; vcs: "git" | "hg" }): BranchRow {
  return {
    ...toIncarnation(row),
    seq: row.seq,
    repository: row.repository_name,
    repositoryId: row.repository_id,
    vcs: row.vcs,
  };
}

export interface BranchFilter {
  readonly limit: number;
  /** `seq` of the last row of the page before. */
  readonly before?: number;
  readonly repository?: string;
  readonly name?: string;
  readonly refType?: RefType;
  readonly state?: BranchState;
  /** Part of the branch's or the repository's name. */
  readonly text?: string;
}

/** One row per incarnation, newest first. */
export async function listBranches(db: Queryable, filter: BranchFilter): Promise<readonly BranchRow[]> {
  let query = selectBranches(db).orderBy("incarnations.seq", "desc").limit(filter.limit);
  if (filter.before !== undefined) query = query.where("incarnations.seq", "<", filter.before);
  if (filter.repository !== undefined) query = query.where("repositories.name", "=", filter.repository);
  if (filter.name !== undefined) query = query.where("incarnations.name", "=", filter.name);
  if (filter.refType !== undefined) query = query.where("incarnations.ref_type", "=", filter.refType);
  if (filter.state !== undefined) query = query.where("incarnations.state", "=", filter.state);
  if (filter.text !== undefined) {
    const pattern = containing(filter.text);
    query = query.where((where) =>
      where.or([where("incarnations.name", "ilike", pattern), where("repositories.name", "ilike", pattern)]),
    );
  }
  return (await query.execute()).map(toBranchRow);
}

/** In no order; ids that are not there are left out. */
export async function listBranchesById(db: Queryable, ids: readonly string[]): Promise<readonly BranchRow[]> {
  if (ids.length === 0) return [];
  return (await selectBranches(db).where("incarnations.id", "in", ids).execute()).map(toBranchRow);
}

/** Every life of the branch's name, its own included, newest first; merged ones live on in their survivor. */
export async function listIncarnationsOf(db: Queryable, branch: BranchRow): Promise<readonly BranchRow[]> {
  const rows = await selectBranches(db)
    .where("incarnations.repository_id", "=", branch.repositoryId)
    .where("incarnations.name_key", "=", nameKey(branch.refType, branch.name))
    .where("incarnations.merged_into", "is", null)
    .orderBy("incarnations.seq", "desc")
    .execute();
  return rows.map(toBranchRow);
}

/** The branch with this id; an id merged into another answers with the survivor (rule A5). */
export async function findBranch(db: Queryable, id: string): Promise<BranchRow | undefined> {
  const row = await selectBranches(db).where("incarnations.id", "=", id).modifyEnd(prepared).executeTakeFirst();
  if (row === undefined) return undefined;
  return row.merged_into === null ? toBranchRow(row) : findBranch(db, row.merged_into);
}

/** All live branches, for the fan-out of directory and policy changes. */
export async function listLiveBranches(db: Queryable): Promise<readonly BranchRow[]> {
  const rows = await selectBranches(db).where("incarnations.state", "<>", "deleted").execute();
  return rows.map(toBranchRow);
}

/** All live branches of a repository. */
export async function listLiveBranchesOf(db: Queryable, repositoryId: string): Promise<readonly BranchRow[]> {
  const rows = await selectBranches(db)
    .where("incarnations.repository_id", "=", repositoryId)
    .where("incarnations.state", "<>", "deleted")
    .execute();
  return rows.map(toBranchRow);
}

/**
 * The incarnations that answer for a name: the live one of each ref type, else the last that ended.
 * Repositories of several sources may share the label.
 */
export async function listBranchesNamed(
  db: Queryable,
  repository: string,
  name: string,
  refType?: RefType,
): Promise<readonly BranchRow[]> {
  const keys = (refType === undefined ? (["branch", "bookmark", "topic"] as const) : [refType]).map((type) =>
    nameKey(type, name),
  );
  const rows = await selectBranches(db)
    .where("repositories.name", "=", repository)
    .where("incarnations.name_key", "in", keys)
    .where("incarnations.merged_into", "is", null)
    .distinctOn(["incarnations.repository_id", "incarnations.ref_type"])
    .orderBy("incarnations.repository_id")
    .orderBy("incarnations.ref_type")
    .orderBy(sql`incarnations.state = 'deleted'`)
    .orderBy("incarnations.seq", "desc")
    .execute();
  return rows.map(toBranchRow);
}
