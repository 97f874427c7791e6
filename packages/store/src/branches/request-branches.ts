/** What a delivery asks of the scopes of the branches it told of, in one round trip. */
import { type RawBuilder, sql } from "kysely";
import { uuidv7 } from "uuidv7";
import type { Queryable } from "../connection/database.ts";
import { toRevisionKey } from "./heads.ts";
import { prepared } from "../connection/prepared-statements.ts";
import { restMs } from "./rests.ts";
import type { RequestedScope } from "../scopes/scopes.ts";

export interface BranchRequest {
  readonly incarnationId: string;
  /** Why its scopes are to be looked at again; null where they are not. */
  readonly reason: string | null;
  /** It got a new head and nothing else: nobody's access changes with it. */
  readonly isPlainPush: boolean;
  /** Endpoints at which it must have a scope. */
  readonly endpoints: readonly string[];
  /** The revisions that the delivery told of, for which what is asked here has to be reached (rule D1). */
  readonly heads: readonly (string | null)[];
}

/** A scope asked for by a delivery. */
export interface AskedScope extends RequestedScope {
  /** Pushed to, and asked for before with no answer yet: the run that is to come sees this push too. */
  readonly isCovered: boolean;
  /** Milliseconds that it may wait, since nothing but pushes came lately; 0 for none. */
  readonly restMs: number;
}

/**
 * Makes the missing scopes of these incarnations, asks for another look at those with a reason, and notes for which heads.
 * Rows are locked in id order. @returns the scopes asked for, with what they have to reach
 */
export async function requestBranches(
  trx: Queryable,
  requests: readonly BranchRequest[],
): Promise<readonly AskedScope[]> {
  if (requests.length === 0) return [];
  const asked = requests.filter(({ reason }) => reason !== null);
  const { rows } = await sql<AskedScope>`${prepared}
    with asked as (
      select * from ${toAsked(asked)}
    ), made as (
      insert into scopes (id, incarnation_id, endpoint, reason, requested)
      select wanted.id, incarnation_id, endpoint, coalesce(reason, 'create'), case when reason is null then 0 else 1 end
      from ${toWanted(requests)}
      left join asked using (incarnation_id)
      on conflict (incarnation_id, endpoint) do nothing
      returning id, incarnation_id, endpoint, requested, false as is_covered, 0 as rest_ms
    ), locked as (
      select scopes.id, asked.reason, asked.is_plain_push
      from scopes
      join asked using (incarnation_id)
      order by scopes.id
      for no key update of scopes
    ), raised as (
      update scopes
      set requested = requested + 1, requested_at = now(), reason = locked.reason,
        pushed = case when locked.is_plain_push then pushed + 1 else 0 end
      from locked
      where scopes.id = locked.id
      returning
        scopes.id, scopes.incarnation_id, scopes.endpoint, scopes.requested,
        locked.is_plain_push and scopes.requested - 1 > scopes.reconciled as is_covered, ${restMs(sql.ref("scopes.reconciled"))} as rest_ms
    ), requested as (
      select * from raised union all select * from made where requested > 0
    ), heads as (
      insert into incarnation_heads (incarnation_id, revision, requested)
      select
        incarnation_id, revision,
        coalesce(jsonb_object_agg(requested.id, requested.requested) filter (where requested.id is not null), '{}')
      from ${toHeaded(requests)}
      left join requested using (incarnation_id)
      group by incarnation_id, revision
      on conflict (incarnation_id, revision) do update set requested = excluded.requested, seen_at = now()
        where excluded.requested <> '{}'
    )
    select
      id, incarnation_id as "incarnationId", endpoint, requested, is_covered as "isCovered", rest_ms as "restMs"
    from requested`.execute(trx);
  // A scope that another transaction made while this statement ran was neither made nor seen by it.
  const isMissing = asked.some(({ incarnationId, endpoints }) =>
    endpoints.some((endpoint) => !rows.some((row) => row.incarnationId === incarnationId && row.endpoint === endpoint)),
  );
  return isMissing ? requestBranches(trx, requests) : rows;
}

function toAsked(asked: readonly BranchRequest[]): RawBuilder<unknown> {
  return sql`unnest(
    ${asked.map(({ incarnationId }) => incarnationId)}::uuid[],
    ${asked.map(({ reason }) => reason)}::text[],
    ${asked.map(({ isPlainPush }) => isPlainPush)}::boolean[]
  ) as asked (incarnation_id, reason, is_plain_push)`;
}

function toWanted(requests: readonly BranchRequest[]): RawBuilder<unknown> {
  const wanted = requests.flatMap(({ incarnationId, endpoints }) =>
    endpoints.map((endpoint) => ({ id: uuidv7(), incarnationId, endpoint })),
  );
  return sql`unnest(
    ${wanted.map(({ id }) => id)}::uuid[],
    ${wanted.map(({ incarnationId }) => incarnationId)}::uuid[],
    ${wanted.map(({ endpoint }) => endpoint)}::text[]
  ) as wanted (id, incarnation_id, endpoint)`;
}

function toHeaded(requests: readonly BranchRequest[]): RawBuilder<unknown> {
  const headed = requests.flatMap(({ incarnationId, heads }) => heads.map((head) => ({ incarnationId, head })));
  return sql`unnest(
    ${headed.map(({ incarnationId }) => incarnationId)}::uuid[],
    ${headed.map(({ head }) => toRevisionKey(head))}::text[]
  ) as headed (incarnation_id, revision)`;
}
