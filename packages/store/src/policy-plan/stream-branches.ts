import type {
  BranchState,
  EmergencyGrant,
  IncarnationId,
  PlannedBranch,
  RefType,
  Trust,
  UserId,
} from "@branchward/core";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";

/** Branches read at once: the process goes on with other work between them. */
const BATCH = 500;

interface Row {
  readonly id: IncarnationId;
  readonly repository: string;
  readonly name: string;
  readonly refType: RefType;
  readonly state: BranchState;
  readonly strict: Readonly<Record<string, readonly string[]>> | null;
  readonly emergencies: readonly (Omit<EmergencyGrant, "until"> & { until: string })[] | null;
  readonly checkouts: readonly { userId: UserId; startedAt: string; trust: Trust; workingCopy: string }[] | null;
}

/** Every live branch with what decides who may act on it, in batches. */
export async function* streamPlannedBranches(trx: Queryable): AsyncGenerator<readonly PlannedBranch[]> {
  let after = "00000000-0000-0000-0000-000000000000";
  for (;;) {
    const rows = await selectBatch(trx, after);
    yield rows.map(toBranch);
    const last = rows.at(-1);
    if (last === undefined || rows.length < BATCH) return;
    after = last.id;
  }
}

async function selectBatch(trx: Queryable, after: string): Promise<readonly Row[]> {
  const { rows } = await sql<Row>`
    select i.id, r.name as repository, i.name, i.ref_type as "refType", i.state, strict.names as strict,
      stays.checkouts, granted.emergencies
    from incarnations i
    join repositories r on r.id = i.repository_id
    left join lateral (
      select jsonb_object_agg(endpoint, strict_names) as names
      from scopes where incarnation_id = i.id and strict_names <> '{}'
    ) strict on true
    left join lateral (
      select jsonb_agg(jsonb_build_object(
        'userId', user_id, 'startedAt', started_at, 'trust', trust, 'workingCopy', working_copy
      ) order by started_at) as checkouts
      from checkouts where incarnation_id = i.id and ended_at is null and user_id is not null
    ) stays on true
    left join lateral (
      select jsonb_agg(jsonb_build_object(
        'id', id, 'userId', user_id, 'entitlement', entitlement, 'approvedBy', decided_by, 'until', expires_at
      )) as emergencies
      from emergency_grants where incarnation_id = i.id and expires_at > now() and ended_at is null
    ) granted on true
    where i.state <> 'deleted' and i.id > ${after}::uuid
    order by i.id
    limit ${BATCH}`.execute(trx);
  return rows;
}

function toBranch({ id, repository, name, refType, state, strict, checkouts, emergencies }: Row): PlannedBranch {
  return {
    incarnation: id,
    repository,
    name,
    refType,
    state,
    strictNames: new Map(Object.entries(strict ?? {})),
    checkouts: (checkouts ?? []).map((each) => ({ ...each, startedAt: new Date(each.startedAt) })),
    emergencies: (emergencies ?? []).map((each) => ({ ...each, until: new Date(each.until) })),
  };
}

/** A live branch by what policy looks at. */
export interface LiveName {
  readonly id: IncarnationId;
  readonly repository: string;
  readonly name: string;
  readonly state: BranchState;
}

/** Every live branch, with nothing but that. */
export async function listLiveNames(trx: Queryable): Promise<readonly LiveName[]> {
  const { rows } = await sql<LiveName>`
    select i.id, r.name as repository, i.name, i.state
    from incarnations i join repositories r on r.id = i.repository_id
    where i.state <> 'deleted'`.execute(trx);
  return rows;
}
