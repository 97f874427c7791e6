/** Repositories and how sources name them (rule A2). */
import type { RepositoryClaim, RepositoryConfiguration, RepositoryId, Vcs } from "@branchward/core";
import { sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";
import { containing } from "../like-pattern.ts";
import { lockRepositoryClaim } from "../locks.ts";
import { prepared } from "../connection/prepared-statements.ts";

export interface Repository {
  readonly id: RepositoryId;
  readonly name: string;
}

/** A repository as a source told of it. */
export interface ClaimedRepository extends Repository {
  /** True when this claim told of a new name: policy names repositories, so that every branch is to be looked at. */
  readonly isRenamed: boolean;
  /** False for a source whose word on refs and on the name counts for nothing, since the repository has another authority. */
  readonly isAuthority: boolean;
}

/** What a source told, under a configuration. */
export interface ToldRepository {
  readonly source: string;
  readonly claim: RepositoryClaim;
  /** The repositories that configuration has several sources feed. */
  readonly joined: readonly RepositoryConfiguration[];
  /** True for what was told earlier and is applied now: it names the repository as it was then. */
  readonly isPast?: boolean;
}

interface Binding {
  readonly source: string;
  readonly name: string;
}

interface FoundBinding extends Repository {
  readonly bindingId: string;
  readonly boundName: string;
  /** Every source that feeds the repository, the one that made it known first. */
  readonly bindings: readonly Binding[];
}

async function findBinding(db: Queryable, { source, claim }: ToldRepository): Promise<FoundBinding | undefined> {
  const query = db
    .selectFrom("repository_bindings")
    .modifyEnd(prepared)
    .innerJoin("repositories", "repositories.id", "repository_bindings.repository_id")
    .select([
      "repository_bindings.id as bindingId",
      "repository_bindings.name as boundName",
      sql<RepositoryId>`repositories.id`.as("id"),
      "repositories.name as name",
      selectBindings().as("bindings"),
    ])
    .where("repository_bindings.source", "=", source);
  return (
    claim.nativeId === null
      ? query.where("repository_bindings.native_id", "is", null).where("repository_bindings.name", "=", claim.name)
      : query.where("repository_bindings.native_id", "=", claim.nativeId)
  ).executeTakeFirst();
}

async function getBinding(db: Queryable, told: ToldRepository): Promise<FoundBinding> {
  const found = await findBinding(db, told);
  if (found === undefined) throw new Error(`${told.source} is bound to no repository ${told.claim.name}`);
  return found;
}

function selectBindings() {
  return sql<readonly Binding[]>`(
    select jsonb_agg(jsonb_build_object('source', feeding.source, 'name', feeding.name) order by feeding.id)
    from repository_bindings feeding where feeding.repository_id = repositories.id
  )`;
}

/**
 * The one source whose word counts: the one that configuration names for a name that the repository or one of its sources
 * bears, else the one that made it known. A rename leaves the other sources' names as they were, and the authority with it.
 */
function authorityOf(
  joined: readonly RepositoryConfiguration[],
  { name, bindings }: { readonly name: string; readonly bindings: readonly Binding[] },
): string | undefined {
  const candidates = joined.filter((entry) =>
    bindings.some((bound) => bound.name === entry.name && entry.sources.includes(bound.source)),
  );
  const entry = candidates.find((each) => each.name === name) ?? candidates[0];
  return entry?.authority ?? bindings[0]?.source;
}

/** The source whose refs count in a repository; undefined where no source feeds it. */
export async function findAuthority(
  db: Queryable,
  repositoryId: string,
  joined: readonly RepositoryConfiguration[],
): Promise<string | undefined> {
  const row = await db
    .selectFrom("repositories")
    .select(["name", selectBindings().as("bindings")])
    .where("id", "=", repositoryId)
    .executeTakeFirst();
  return row && authorityOf(joined, { ...row, bindings: row.bindings ?? [] });
}

/**
 * The repository that a source's claim names: bound by its native id, else by name; made on first sight.
 * A rename told by a native id of the authority moves the label and keeps the repository; a source that has joined it by
 * name alone follows the name to whichever repository bears it at the authority.
 */
export async function resolveRepository(trx: Queryable, told: ToldRepository): Promise<ClaimedRepository> {
  const { source, claim } = told;
  const found = await findBinding(trx, told);
  if (found !== undefined && (await isAsBound(trx, told, found))) return toClaimed(told, found);
  await lockRepositoryClaim(trx, { source, joined: findEntry(told)?.sources ?? [source], claim });
  const raced = await findBinding(trx, told);
  if (raced === undefined) return bindRepository(trx, told);
  if (isNewName(told, raced)) return renameRepository(trx, told, raced);
  const followed = await findFollowed(trx, told);
  if (followed === undefined || followed === raced.id) return toClaimed(told, raced);
  await trx
    .updateTable("repository_bindings")
    .set({ repository_id: followed })
    .where("id", "=", raced.bindingId)
    .execute();
  return toClaimed(told, await getBinding(trx, told));
}

async function isAsBound(db: Queryable, told: ToldRepository, found: FoundBinding): Promise<boolean> {
  if (isNewName(told, found)) return false;
  return ((await findFollowed(db, told)) ?? found.id) === found.id;
}

async function renameRepository(
  trx: Queryable,
  { claim: { name } }: ToldRepository,
  { id, bindingId }: FoundBinding,
): Promise<ClaimedRepository> {
  await trx.updateTable("repository_bindings").set({ name }).where("id", "=", bindingId).execute();
  await trx.updateTable("repositories").set({ name }).where("id", "=", id).execute();
  return { id, name, isRenamed: true, isAuthority: true };
}

function isNewName({ source, claim, joined, isPast = false }: ToldRepository, found: FoundBinding): boolean {
  return !isPast && found.boundName !== claim.name && authorityOf(joined, found) === source;
}

/** The repository that bears a joined name at its authority now, for a source that knows it by that name alone. */
async function findFollowed(db: Queryable, told: ToldRepository): Promise<RepositoryId | undefined> {
  const entry = findEntry(told);
  if (entry === undefined || entry.authority === told.source || told.claim.nativeId !== null) return undefined;
  const { rows } = await sql<{ id: RepositoryId }>`
    select repositories.id
    from repositories join repository_bindings bound on bound.repository_id = repositories.id
    where repositories.name = ${entry.name} and bound.name = ${entry.name} and bound.source = ${entry.authority}
    order by bound.id desc limit 1`.execute(db);
  return rows[0]?.id;
}

function toClaimed({ source, joined }: ToldRepository, found: FoundBinding): ClaimedRepository {
  const { id, name } = found;
  return { id, name, isRenamed: false, isAuthority: authorityOf(joined, found) === source };
}

function findEntry({ source, claim, joined }: ToldRepository): RepositoryConfiguration | undefined {
  return joined.find(({ name, sources }) => name === claim.name && sources.includes(source));
}

async function bindRepository(trx: Queryable, told: ToldRepository): Promise<ClaimedRepository> {
  const { source, claim } = told;
  const entry = findEntry(told);
  const known = entry === undefined ? undefined : await findJoined(trx, source, entry);
  const id = known ?? (await insertRepository(trx, claim));
  await trx
    .insertInto("repository_bindings")
    .values({ id: uuidv7(), repository_id: id, source, native_id: claim.nativeId, name: claim.name })
    .execute();
  return toClaimed(told, await getBinding(trx, told));
}

async function insertRepository(trx: Queryable, { name, vcs }: RepositoryClaim): Promise<string> {
  const id = uuidv7();
  await trx.insertInto("repositories").values({ id, name, vcs }).execute();
  return id;
}

/**
 * The repository that another source of the entry knows by its name, the authority's before all. One that the source itself
 * feeds already is another, which bore the name before (rule A2).
 */
async function findJoined(
  trx: Queryable,
  source: string,
  { name, authority, sources }: RepositoryConfiguration,
): Promise<string | undefined> {
  const { rows } = await sql<{ id: string }>`
    select bound.repository_id as id from repository_bindings bound
    where bound.name = ${name} and bound.source = any(${[...sources]}::text[])
      and not exists (
        select from repository_bindings own where own.repository_id = bound.repository_id and own.source = ${source})
    order by bound.source = ${authority} desc, bound.id desc
    limit 1`.execute(trx);
  return rows[0]?.id;
}

/**
 * Of these repositories, those whose name is another's by now (rule A2): the same source gave it to another of them since,
 * and nothing has told what became of the one before; or no source feeds it any more, since configuration joined them.
 */
export async function listOutnamed(db: Queryable, repositoryIds: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    select asked.id from unnest(${[...repositoryIds]}::uuid[]) as asked (id)
    where not exists (select from repository_bindings bound where bound.repository_id = asked.id)
    union
    select older.repository_id
    from repository_bindings older
    join repository_bindings newer
      on newer.source = older.source and newer.name = older.name and newer.id > older.id
      and newer.repository_id <> older.repository_id
    where older.repository_id = any(${[...repositoryIds]}::uuid[])
      and newer.repository_id = any(${[...repositoryIds]}::uuid[])`.execute(db);
  return new Set(rows.map(({ id }) => id));
}

/** Repositories that carry this label now; several sources may each have one. */
export async function listRepositoriesByName(db: Queryable, name: string): Promise<readonly Repository[]> {
  const rows = await db
    .selectFrom("repositories")
    .select(["id", "name"])
    .where("name", "=", name)
    .orderBy("id")
    .execute();
  return rows.map(({ id, name: label }) => ({ id: id as RepositoryId, name: label }));
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
