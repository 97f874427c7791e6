import type { RepositoryClaim, RepositoryId, Vcs } from "@branchward/core";
import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";
import { containing } from "../like-pattern.ts";
import { lockRepositoryClaim } from "../locks.ts";
import { prepared } from "../connection/prepared-statements.ts";

export interface Repository {
  readonly id: RepositoryId;
  readonly name: string;
  /** True when this claim told of a new name: policy names repositories, so that every branch is to be looked at. */
  readonly isRenamed: boolean;
}

/** The sources that configuration joins into one repository (rule A2). */
export type JoinedSources = (source: string, name: string) => readonly string[];

function toRepository(row: { id: string; name: string }): Repository {
  return { id: row.id as RepositoryId, name: row.name, isRenamed: false };
}

async function findBinding(db: Queryable, source: string, claim: RepositoryClaim) {
  const query = db
    .selectFrom("repository_bindings")
    .modifyEnd(prepared)
    .innerJoin("repositories", "repositories.id", "repository_bindings.repository_id")
    .select([
      "repository_bindings.id as bindingId",
      "repository_bindings.name as boundName",
      "repositories.id as id",
      "repositories.name as name",
    ])
    .where("repository_bindings.source", "=", source);
  const row = await (
    claim.nativeId === null
      ? query.where("repository_bindings.native_id", "is", null).where("repository_bindings.name", "=", claim.name)
      : query.where("repository_bindings.native_id", "=", claim.nativeId)
  ).executeTakeFirst();
  return row;
}

/**
 * The repository that a source's claim names: bound by its native id, else by name (rule A2); made on first sight.
 * A rename told by a native id moves the label and keeps the repository.
 */
export async function resolveRepository(
  trx: Queryable,
  source: string,
  claim: RepositoryClaim,
  joined: JoinedSources,
): Promise<Repository> {
  const found = await findBinding(trx, source, claim);
  if (found !== undefined && found.boundName === claim.name) return toRepository(found);
  await lockRepositoryClaim(trx, { source, joined: joined(source, claim.name), claim });
  const raced = await findBinding(trx, source, claim);
  if (raced !== undefined) {
    if (raced.boundName === claim.name) return toRepository(raced);
    await trx.updateTable("repository_bindings").set({ name: claim.name }).where("id", "=", raced.bindingId).execute();
    await trx.updateTable("repositories").set({ name: claim.name }).where("id", "=", raced.id).execute();
    return { id: raced.id as RepositoryId, name: claim.name, isRenamed: true };
  }
  const id = (await findJoined(trx, source, claim, joined)) ?? (await insertRepository(trx, claim));
  await trx
    .insertInto("repository_bindings")
    .values({ id: uuidv7(), repository_id: id, source, native_id: claim.nativeId, name: claim.name })
    .execute();
  return { id: id as RepositoryId, name: claim.name, isRenamed: false };
}

async function insertRepository(trx: Queryable, claim: RepositoryClaim): Promise<string> {
  const id = uuidv7();
  await trx.insertInto("repositories").values({ id, name: claim.name, vcs: claim.vcs }).execute();
  return id;
}

async function findJoined(
  trx: Queryable,
  source: string,
  claim: RepositoryClaim,
  joined: JoinedSources,
): Promise<string | undefined> {
  const others = joined(source, claim.name).filter((other) => other !== source);
  if (others.length === 0) return undefined;
  const row = await trx
    .selectFrom("repository_bindings")
    .select("repository_id")
    .where("source", "in", others)
    .where("name", "=", claim.name)
    .orderBy("created_at", "desc")
    .executeTakeFirst();
  return row?.repository_id;
}

/** Repositories that carry this label now; several sources may each have one. */
export async function listRepositoriesByName(db: Queryable, name: string): Promise<readonly Repository[]> {
  const rows = await db
    .selectFrom("repositories")
    .select(["id", "name"])
    .where("name", "=", name)
    .orderBy("id")
    .execute();
  return rows.map(toRepository);
}

export interface RepositoryRow extends Repository {
  readonly seq: number;
  readonly vcs: Vcs;
  readonly sources: readonly { readonly source: string; readonly name: string }[];
  /** Incarnations by state; merged ones live on in their survivor. */
  readonly branches: { readonly active: number; readonly closed: number; readonly deleted: number };
  readonly lastDeliveryAt: Date | null;
}

export interface RepositoryFilter {
  readonly limit: number;
  /** `seq` of the last row of the page before. */
  readonly before?: number;
  /** Part of the name. */
  readonly text?: string;
}

/** Newest first. */
export async function listRepositories(db: Queryable, filter: RepositoryFilter): Promise<readonly RepositoryRow[]> {
  const { limit, before = null, text } = filter;
  const pattern = text === undefined ? null : containing(text);
  const { rows } = await sql<RepositoryRow>`
    select r.id, r.seq, r.name, r.vcs, s.sources, b.branches, d.received_at as "lastDeliveryAt"
    from (
      select * from repositories
      where (${before}::bigint is null or seq < ${before}) and (${pattern}::text is null or name ilike ${pattern})
      order by seq desc limit ${limit}
    ) r
    left join lateral (
      select coalesce(jsonb_agg(jsonb_build_object('source', source, 'name', name) order by source), '[]') as sources
      from repository_bindings where repository_id = r.id
    ) s on true
    left join lateral (
      select jsonb_build_object(
        'active', count(*) filter (where state = 'active'),
        'closed', count(*) filter (where state = 'closed'),
        'deleted', count(*) filter (where state = 'deleted')
      ) as branches
      from incarnations where repository_id = r.id and merged_into is null
    ) b on true
    left join lateral (
      select received_at from deliveries where repository_id = r.id order by seq desc limit 1
    ) d on true
    order by r.seq desc`.execute(db);
  return rows;
}
