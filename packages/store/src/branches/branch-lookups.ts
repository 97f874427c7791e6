/** Branches that are to be looked up at their host (rules A4, D1): rows are the timers, and the lease lets one worker ask at a time. */
import type { RepositoryClaim } from "@branchward/core";
import { type RawBuilder, sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { nameKey } from "../name-key.ts";

/** Looks that may wait in a repository: names come from questions, and nobody fills the table with them. */
const MAX_WAITING = 100;

export interface LookupRequest {
  readonly repositoryId: string;
  readonly name: string;
  /** Whose hosts can be asked. */
  readonly sources: readonly string[];
}

/**
 * Asks for a look at a branch of this name; one that is asked for already stays as it is.
 * @returns false where no host can be asked for it, or too many looks wait
 */
export async function requestLookup(db: Queryable, { repositoryId, name, sources }: LookupRequest): Promise<boolean> {
  const { numAffectedRows } = await sql`
    insert into branch_lookups (repository_id, name_key, name)
    select ${repositoryId}, ${nameKey("branch", name)}, ${name}
    where exists (${boundTo(sql`${repositoryId}::uuid`, sources)})
      and (select count(*) from branch_lookups where repository_id = ${repositoryId}) < ${MAX_WAITING}
    on conflict (repository_id, name_key) do nothing`.execute(db);
  return numAffectedRows !== undefined && numAffectedRows > 0n;
}

/** Only an id of the host's own tells a repository from another that takes its name. */
function boundTo(repositoryId: RawBuilder<unknown>, sources: readonly string[]): RawBuilder<unknown> {
  return sql`
    select from repository_bindings bound
    where bound.repository_id = ${repositoryId} and bound.native_id is not null
      and bound.source = any(${[...sources]}::text[])`;
}

/** Asks for a look at every suspect branch of repositories that these sources tell of, at most `limit`. */
export async function requestSuspectLookups(
  db: Queryable,
  {
    sources,
    limit,
    repositoryId,
  }: { readonly sources: readonly string[]; readonly limit: number; readonly repositoryId?: string },
): Promise<void> {
  await sql`
    insert into branch_lookups (repository_id, name_key, name)
    select repository_id, name_key, name from incarnations
    where suspect and state <> 'deleted' and ref_type = 'branch'
      and (${repositoryId ?? null}::uuid is null or repository_id = ${repositoryId ?? null})
      and exists (${boundTo(sql`incarnations.repository_id`, sources)})
    order by id limit ${limit}
    on conflict (repository_id, name_key) do nothing`.execute(db);
}

const IS_DUE: RawBuilder<boolean> = sql`due_at <= now() and (leased_until is null or leased_until < now())`;

/** Repositories with a look that is due since longer than `quietMs`. */
export async function listDueLookups(
  db: Queryable,
  { quietMs, limit }: { readonly quietMs: number; readonly limit: number },
): Promise<readonly string[]> {
  const { rows } = await sql<{ repositoryId: string }>`
    select repository_id as "repositoryId" from branch_lookups
    where ${IS_DUE} and due_at < now() - ${quietMs} * interval '1 millisecond'
    group by repository_id order by min(due_at) limit ${limit}`.execute(db);
  return rows.map(({ repositoryId }) => repositoryId);
}

/** How a source names a repository. */
export interface BoundRepository extends RepositoryClaim {
  readonly source: string;
}

/** The repository as these sources name it by an id of their own. */
export async function listBindings(
  db: Queryable,
  repositoryId: string,
  sources: readonly string[],
): Promise<readonly BoundRepository[]> {
  const { rows } = await sql<BoundRepository>`
    select bound.source, bound.native_id as "nativeId", bound.name, repositories.vcs
    from repository_bindings bound join repositories on repositories.id = bound.repository_id
    where bound.repository_id = ${repositoryId} and bound.native_id is not null
      and bound.source = any(${[...sources]}::text[])
    order by bound.source`.execute(db);
  return rows;
}

export interface LookupClaim {
  readonly repositoryId: string;
  readonly source: string;
  readonly leaseMs: number;
  readonly limit: number;
}

/**
 * Takes the looks of a repository that are due, for as long as the lease lasts. None while another has some of the
 * repository, or while the source wants no call.
 */
export async function claimLookups(
  trx: Queryable,
  { repositoryId, source, leaseMs, limit }: LookupClaim,
): Promise<readonly string[]> {
  // Who claims next sees this one's lease.
  await sql`select from repositories where id = ${repositoryId} for no key update`.execute(trx);
  const { rows } = await sql<{ name: string }>`
    update branch_lookups set leased_until = now() + ${leaseMs} * interval '1 millisecond'
    where (repository_id, name_key) in (
      select repository_id, name_key from branch_lookups
      where repository_id = ${repositoryId} and ${IS_DUE}
      order by due_at limit ${limit}
    )
    and not exists (select from branch_lookups where repository_id = ${repositoryId} and leased_until >= now())
    and not exists (select from host_limits where source = ${source} and until > now())
    returning name`.execute(trx);
  return rows.map(({ name }) => name);
}

/** Ends looks that told what they were to tell. */
export async function deleteLookups(db: Queryable, repositoryId: string, names: readonly string[]): Promise<void> {
  await sql`
    delete from branch_lookups
    where repository_id = ${repositoryId} and name_key = any(${toKeys(names)}::text[])`.execute(db);
}

/** The first pause after a look that told nothing; each further one doubles, up to the longest. */
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 3_600_000;

/** Puts looks off that told nothing, the longer the more often, and at least for as long as the host asks. */
export async function deferLookups(
  db: Queryable,
  {
    repositoryId,
    names,
    afterMs,
  }: { readonly repositoryId: string; readonly names: readonly string[]; readonly afterMs: number },
): Promise<void> {
  await sql`
    update branch_lookups set leased_until = null, failures = failures + 1,
      due_at = now() + greatest(
        ${afterMs}::float8, least(${LONGEST_PAUSE_MS}::float8, ${FIRST_PAUSE_MS} * power(2, least(failures, 20)))
      ) * interval '1 millisecond'
    where repository_id = ${repositoryId} and name_key = any(${toKeys(names)}::text[])`.execute(db);
}

/** No call to the source's host before then, by any process. */
export async function limitHost(db: Queryable, source: string, forMs: number): Promise<void> {
  await sql`
    insert into host_limits (source, until) values (${source}, now() + ${forMs} * interval '1 millisecond')
    on conflict (source) do update set until = greatest(host_limits.until, excluded.until)`.execute(db);
}

function toKeys(names: readonly string[]): readonly string[] {
  return names.map((name) => nameKey("branch", name));
}
