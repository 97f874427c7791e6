/** The index from references of the policy to scopes: a change in the directory must not cost a crawl of all branches. */
import { createHash } from "node:crypto";
import { listMentions, type Policy, type PolicyVersionId } from "@branchward/core";
import { sql } from "kysely";
import type { ActivePolicyVersion } from "../policy/active-policy.ts";
import type { Queryable } from "../connection/database.ts";

/** A scope by what its mentions are made of. */
export interface NamedScope {
  readonly id: string;
  readonly endpoint: string;
  readonly repository: string;
  readonly name: string;
  /** Former names that still narrow it (rule A5). */
  readonly strictNames: readonly string[];
}

/** Scopes renewed in one step: each is a row lock that workers and receivers wait for. */
const STEP = 500;

const namedColumns = sql`
  scopes.id, scopes.endpoint, repositories.name as repository, incarnations.name, scopes.strict_names as "strictNames"`;
const liveScopes = sql`
  scopes
  join incarnations on incarnations.id = scopes.incarnation_id and incarnations.state <> 'deleted'
  join repositories on repositories.id = incarnations.repository_id`;

/**
 * Makes a part of what is out of date anew, in a transaction of its own. @returns whether there is more.
 * A policy version that the index was not made for puts every scope out of date first.
 */
export async function renewScopeReferences(trx: Queryable, active: ActivePolicyVersion): Promise<boolean> {
  const { rows } = await sql<{ version: PolicyVersionId | null }>`
    select policy_version_id as version from reference_index for update`.execute(trx);
  if (rows[0]?.version !== active.version) {
    await startIndex(trx, active.version);
    return true;
  }
  const stale = await sql<{ id: string }>`
    select id from scopes where references_stale order by id limit ${STEP} for no key update`.execute(trx);
  const ids = stale.rows.map(({ id }) => id);
  if (ids.length === 0) return false;
  const named = await sql<NamedScope>`
    select ${namedColumns} from ${liveScopes} where scopes.id = any(${ids}::uuid[])`.execute(trx);
  await saveReferences(trx, active.policy, { ids, named: named.rows });
  return ids.length === STEP;
}

async function startIndex(trx: Queryable, version: PolicyVersionId): Promise<void> {
  // Scopes of deleted branches stay out: they want nobody, whatever policy says.
  await sql`
    with locked as (
      select scopes.id, incarnations.state <> 'deleted' as is_live
      from scopes join incarnations on incarnations.id = scopes.incarnation_id
      where incarnations.state <> 'deleted' or scopes.references_stale or scopes.reference_set_id is not null
      order by scopes.id for no key update of scopes
    )
    update scopes set references_stale = locked.is_live, reference_set_id = null
    from locked where scopes.id = locked.id`.execute(trx);
  await sql`delete from reference_sets`.execute(trx);
  await sql`update reference_index set policy_version_id = ${version}`.execute(trx);
}

async function saveReferences(
  trx: Queryable,
  policy: Policy,
  { ids, named }: { readonly ids: readonly string[]; readonly named: readonly NamedScope[] },
): Promise<void> {
  const mentions = new Map(named.map((scope) => [scope.id, mentionsOf(policy, scope)]));
  const sets = new Map([...mentions.values()].map((each) => [toDigest(each), each]));
  await sql`
    insert into reference_sets (digest, mentions)
    select digest, array(select jsonb_array_elements_text(mentions))
    from jsonb_to_recordset(${JSON.stringify([...sets].map(([digest, each]) => ({ digest, mentions: each })))}::jsonb)
      as made (digest text, mentions jsonb)
    on conflict (digest) do nothing`.execute(trx);
  const digests = ids.map((id) => toDigest(mentions.get(id) ?? []));
  await sql`
    update scopes
    set references_stale = false, reference_set_id = reference_sets.id
    from unnest(${[...ids]}::uuid[], ${digests}::text[]) as made (scope_id, digest)
      left join reference_sets on reference_sets.digest = made.digest
    where scopes.id = made.scope_id`.execute(trx);
}

/** What decides about the scope under the policy. */
export function mentionsOf(policy: Policy, { repository, name, strictNames, endpoint }: NamedScope): readonly string[] {
  return listMentions(policy, { repository, names: [name, ...strictNames], endpoint });
}

function toDigest(mentions: readonly string[]): string {
  return createHash("sha256").update(mentions.join("\0")).digest("hex");
}

/** True when the index was made for this version, as far as scopes are not marked as out of date. */
export async function isReferenceIndexOf(db: Queryable, version: PolicyVersionId): Promise<boolean> {
  const { rows } = await sql<{ version: PolicyVersionId | null }>`
    select policy_version_id as version from reference_index`.execute(db);
  return rows[0]?.version === version;
}

/** Live scopes that the index does not know yet. */
export async function listUnindexedScopes(db: Queryable): Promise<readonly NamedScope[]> {
  const { rows } = await sql<NamedScope>`
    select ${namedColumns} from ${liveScopes} where scopes.references_stale`.execute(db);
  return rows;
}

/** Indexed live scopes with one of the mentions; where `and` is given, with one of those too. */
export async function listScopesMentioning(
  db: Queryable,
  { mentions, and }: { readonly mentions: readonly string[]; readonly and?: readonly string[] },
): Promise<readonly string[]> {
  if (mentions.length === 0 || and?.length === 0) return [];
  const { rows } = await sql<{ id: string }>`
    select scopes.id from reference_sets
    join scopes on scopes.reference_set_id = reference_sets.id
    join incarnations on incarnations.id = scopes.incarnation_id and incarnations.state <> 'deleted'
    where reference_sets.mentions && ${[...mentions]}::text[]
      and (${and === undefined}::boolean or reference_sets.mentions && ${[...(and ?? [])]}::text[])
      and not scopes.references_stale`.execute(db);
  return rows.map(({ id }) => id);
}

/** As `listScopesMentioning`, where a working copy stands on the branch: of these users, of anybody for null. */
export async function listScopesStoodOn(
  db: Queryable,
  { mentions, userIds }: { readonly mentions: readonly string[]; readonly userIds: readonly string[] | null },
): Promise<readonly string[]> {
  if (mentions.length === 0 || userIds?.length === 0) return [];
  const whose = userIds === null ? sql`user_id is not null` : sql`user_id = any(${[...userIds]}::uuid[])`;
  const { rows } = await sql<{ id: string }>`
    select scopes.id
    from (select distinct incarnation_id from checkouts where ended_at is null and ${whose}) as stood
    join incarnations on incarnations.id = stood.incarnation_id and incarnations.state <> 'deleted'
    join scopes on scopes.incarnation_id = stood.incarnation_id
    join reference_sets on reference_sets.id = scopes.reference_set_id
    where reference_sets.mentions && ${[...mentions]}::text[] and not scopes.references_stale`.execute(db);
  return rows.map(({ id }) => id);
}

/** How many scopes and branches these are, and the first of the branches by name: `acme/web:release/1.0`. */
export async function describeScopes(
  db: Queryable,
  { ids, examples }: { readonly ids: readonly string[]; readonly examples: number },
): Promise<{ readonly scopes: number; readonly branches: number; readonly examples: readonly string[] }> {
  const { rows } = await sql<{ name: string; scopes: number; branches: number }>`
    select repositories.name || ':' || incarnations.name as name,
      (sum(count(*)) over ())::int as scopes, (count(*) over ())::int as branches
    from scopes
    join incarnations on incarnations.id = scopes.incarnation_id
    join repositories on repositories.id = incarnations.repository_id
    where scopes.id = any(${[...ids]}::uuid[])
    group by incarnations.id, repositories.name order by 1 limit ${examples}`.execute(db);
  const [first] = rows;
  return { scopes: first?.scopes ?? 0, branches: first?.branches ?? 0, examples: rows.map(({ name }) => name) };
}

/** Live scopes in which one of these users has an emergency grant (rule B9); of anybody for null. */
export async function listScopesGrantedTo(
  db: Queryable,
  userIds: readonly string[] | null,
): Promise<readonly string[]> {
  if (userIds?.length === 0) return [];
  const whose = userIds === null ? sql`true` : sql`user_id = any(${[...userIds]}::uuid[])`;
  const { rows } = await sql<{ id: string }>`
    select distinct scopes.id
    from emergency_grants
    join incarnations on incarnations.id = emergency_grants.incarnation_id and incarnations.state <> 'deleted'
    join scopes on scopes.incarnation_id = incarnations.id
    where emergency_grants.state = 'approved' and ${whose}`.execute(db);
  return rows.map(({ id }) => id);
}

/** Live scopes of branches whose names begin with one of the texts, and all that a former name still narrows. */
export async function listScopesBeginning(
  db: Queryable,
  beginnings: readonly string[],
): Promise<readonly NamedScope[]> {
  if (beginnings.length === 0) return [];
  const cut = [...new Set(beginnings.map((beginning) => Array.from(beginning).slice(0, INDEXED_CHARACTERS).join("")))];
  const { rows } = await sql<NamedScope>`
    select ${namedColumns} from ${liveScopes}
    where incarnations.id in (
      select incarnations.id
      from unnest(${cut}::text[]) as asked (beginning)
      join incarnations on incarnations.state <> 'deleted'
        and left(incarnations.name, ${sql.lit(INDEXED_CHARACTERS)}) collate "C" >= beginning
        and left(incarnations.name, ${sql.lit(INDEXED_CHARACTERS)}) collate "C" <= beginning || chr(1114111)
    )
    union
    select ${namedColumns} from ${liveScopes} where scopes.strict_names <> '{}'`.execute(db);
  return rows;
}

/** As the index `incarnations__live_beginning` cuts names. */
const INDEXED_CHARACTERS = 200;

/** Puts the scopes of branches out of date that are called otherwise now. */
export async function markReferencesStale(trx: Queryable, incarnationIds: readonly string[]): Promise<void> {
  if (incarnationIds.length === 0) return;
  await trx
    .updateTable("scopes")
    .set({ references_stale: true })
    .where("incarnation_id", "in", incarnationIds)
    .execute();
}
