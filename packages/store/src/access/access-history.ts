/** What the record knows of a past moment: who lived under which name, who held what, what endpoints showed. */
import type { Entitlement, Reason, RefType, Trust, UserId, Verdict } from "@branchward/core";
import { foldCase } from "@branchward/scim";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";
import { type BranchRow, listBranchesById } from "../branches/incarnations.ts";
import type { AccountState } from "../people/account-links.ts";
import type { StandingHold } from "../people/holds.ts";

/** An incarnation, under the name that it bore then. */
export interface BranchThen {
  readonly branch: BranchRow;
  readonly name: string;
}

interface NameQuestion {
  readonly repository: string;
  readonly branch: string;
  readonly refType?: RefType | undefined;
  readonly at: Date;
}

/**
 * The incarnations that lived under the name at that moment; one of each ref type, unless several repositories share the
 * label. Repositories are named as they are now.
 */
export async function listBranchesAt(
  db: Queryable,
  { repository, branch, refType, at }: NameQuestion,
): Promise<readonly BranchThen[]> {
  const { rows } = await sql<{ id: string; name: string }>`
    with lived as (
      select i.id, coalesce((
        -- The next rename after that moment says what the name was until then.
        select e.previous_name from branch_events e
        where e.incarnation_id = i.id and e.kind = 'rename' and e.previous_name is not null and e.created_at > ${at}
        order by e.id limit 1
      ), i.name) as name
      from incarnations i join repositories r on r.id = i.repository_id
      where r.name = ${repository} and (i.name = ${branch} or ${branch} = any (i.previous_names))
        and (${refType ?? null}::text is null or i.ref_type = ${refType ?? null})
        and i.born_at <= ${at} and (i.ended_at is null or i.ended_at > ${at})
    )
    select id, name from lived where name = ${branch}`.execute(db);
  const branches = await listBranchesById(
    db,
    rows.map(({ id }) => id),
  );
  return branches.map((found) => ({ branch: found, name: rows.find(({ id }) => id === found.id)?.name ?? found.name }));
}

/**
 * Whom a name meant at that moment: who bore it then, else the last who had until then, else who bears it now or came
 * by it first. A namesake made since is somebody else.
 */
export async function findUserIdAt(db: Queryable, userName: string, at: Date): Promise<UserId | undefined> {
  const { rows } = await sql<{ id: UserId }>`
    with asked as (
      select lower(normalize(${userName}::text)) as name,
        (select id from directory_users where user_name_key = ${foldCase(userName)}) as id
    ),
    borne as (
      select changes.id, resource_id, created_at
      from directory_changes as changes cross join asked
      where kind in ('user.created', 'user.renamed', 'user.deleted') and (
        lower(normalize(details ->> 'userName')) = asked.name
        or lower(normalize(details ->> 'from')) = asked.name
        or lower(normalize(details ->> 'to')) = asked.name
      )
    )
    select id from (
      (select 1 as choice, resource_id as id from borne where created_at <= ${at} order by borne.id desc limit 1)
      union all (select 2, id from asked where id is not null)
      union all (select 3, resource_id from borne order by borne.id limit 1)
    ) as meant order by choice limit 1`.execute(db);
  return rows[0]?.id;
}

/** Whether the user was active then, not after it was deleted; undefined where nothing of it was recorded by then. */
export async function wasActiveAt(db: Queryable, userId: UserId, at: Date): Promise<boolean | undefined> {
  const { rows } = await sql<{ active: boolean }>`
    select case kind
      when 'user.created' then (details ->> 'active')::boolean
      when 'user.reactivated' then true
      else false
    end as active
    from directory_changes
    where resource_id = ${userId} and created_at <= ${at}
      and kind in ('user.created', 'user.deactivated', 'user.reactivated', 'user.deleted')
    order by id desc limit 1`.execute(db);
  return rows[0]?.active;
}

/** From when on the ledger tells: whoever held something before is not in it for that time. */
export async function getLedgerStart(db: Queryable): Promise<Date> {
  const { rows } = await sql<{ at: Date }>`
    select timestamp::timestamptz as at from migrations where name = '0011-ledger'`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error("the ledger is not there");
  return row.at;
}

/** What somebody held at one endpoint at that moment, by the ledger. */
export interface Holding {
  readonly endpoint: string;
  readonly origin: "sync" | "adoption" | "drift";
  readonly reasons: readonly Reason[];
  readonly policyVersion: string | null;
  readonly grantedAt: Date;
  readonly knownAt: Date;
  /** Null where no read had shown it by then. */
  readonly verifiedAt: Date | null;
  /** Null while it goes on. */
  readonly endedAt: Date | null;
  readonly endedCause: string | null;
}

export interface HoldingQuestion {
  readonly incarnationId: string;
  readonly entitlement: Entitlement;
  readonly userId: UserId;
  readonly at: Date;
}

export async function listHoldingsAt(
  db: Queryable,
  { incarnationId, entitlement, userId, at }: HoldingQuestion,
): Promise<readonly Holding[]> {
  return db
    .selectFrom("ledger_entries")
    .select([
      "endpoint",
      "origin",
      sql<readonly Reason[]>`reasons`.as("reasons"),
      "policy_version_id as policyVersion",
      "granted_at as grantedAt",
      "known_at as knownAt",
      sql<Date | null>`case when verified_at <= ${at} then verified_at end`.as("verifiedAt"),
      "ended_at as endedAt",
      "ended_cause as endedCause",
    ])
    .where("incarnation_id", "=", incarnationId)
    .where("entitlement", "=", entitlement)
    .where("user_id", "=", userId)
    .where("granted_at", "<=", at)
    .where((where) => where.or([where("ended_at", "is", null), where("ended_at", ">", at)]))
    .orderBy("endpoint")
    .execute();
}

/** What was last known of one endpoint at that moment. */
export interface EndpointThen {
  readonly endpoint: string;
  /** Null where no run had ended by then. */
  readonly verdict: Verdict | null;
  /** The end of that run. */
  readonly verdictAt: Date | null;
  /** The last read that proved it. */
  readonly verifiedAt: Date | null;
  /** Whether a guard then kept this user's entitlement although policy gave it no more. */
  readonly withheld: boolean;
  /** By which rule policy then gave it, where the user was not added since a group was missing (rule B4); else null. */
  readonly notAdded: string | null;
  /** What is known of the user's account there since before that moment; null where nothing, or another state then. */
  readonly account: AccountState | null;
  /** True where the endpoint was given up by then and still is (rule B8). */
  readonly retired: boolean;
  /** The hold on repair that then stood on the scope, the one that lasts longest. */
  readonly hold: StandingHold | null;
}

type EndpointRow = Omit<EndpointThen, "hold"> & { readonly holdId: string | null } & Pick<
    StandingHold,
    "reason" | "madeBy" | "until"
  >;

export async function listEndpointsAt(
  db: Queryable,
  { incarnationId, entitlement, userId, at }: Omit<HoldingQuestion, "userId"> & { readonly userId: UserId | null },
): Promise<readonly EndpointThen[]> {
  const { rows } = await sql<EndpointRow>`
    select s.endpoint, last.verdict, last.finished_at as "verdictAt", proof.finished_at as "verifiedAt",
      coalesce(planned.withheld @> ${JSON.stringify([{ entitlement, userId }])}::jsonb, false) as withheld,
      (
        select kept -> 'whys' ->> (member ->> 2)::integer
        from member_sets, jsonb_array_elements(groups) as kept, jsonb_array_elements(kept -> 'members') as member
        where digest = planned.withheld_additions and kept ->> 'entitlement' = ${entitlement}
          and member ->> 0 = ${userId}
      ) as "notAdded",
      case when account.state_since <= ${at} then account.state end as account,
      coalesce(stands.retired_at <= ${at}, false) as retired,
      hold.id as "holdId", hold.reason, hold.made_by as "madeBy", hold.until_at as until
    from scopes s
    join incarnations i on i.id = s.incarnation_id
    left join endpoint_states stands on stands.endpoint = s.endpoint
    left join account_links account on account.endpoint = s.endpoint and account.user_id = ${userId}::uuid
    left join lateral (
      select verdict, finished_at from syncs
      where scope_id = s.id and finished_at <= ${at} order by seq desc limit 1
    ) last on true
    left join lateral (
      -- A run that failed, or only revoked, says nothing of what is withheld.
      select withheld, withheld_additions from syncs
      where scope_id = s.id and finished_at <= ${at} and verdict <> 'failed' and reason <> 'revocation'
      order by seq desc limit 1
    ) planned on true
    left join lateral (
      select finished_at from syncs
      where scope_id = s.id and finished_at <= ${at} and verdict = 'verified' order by seq desc limit 1
    ) proof on true
    left join lateral (
      select id, reason, made_by, until_at from holds
      where repository_id = i.repository_id and coalesce(incarnation_id, i.id) = i.id
        and coalesce(endpoint, s.endpoint) = s.endpoint
        and made_at <= ${at} and until_at > ${at} and (ended_at is null or ended_at > ${at})
      order by until_at desc limit 1
    ) hold on true
    where s.incarnation_id = ${incarnationId} and s.created_at <= ${at}
    order by s.endpoint`.execute(db);
  return rows.map(({ holdId, reason, madeBy, until, ...rest }) => {
    return { ...rest, hold: holdId === null ? null : { id: holdId, reason, madeBy, until } };
  });
}

/** A working copy of the user that stood on the branch at that moment (rule B6). */
export interface StayThen {
  readonly workingCopy: string;
  readonly trust: Trust;
  readonly startedAt: Date;
  /** Null while it stands there. */
  readonly endedAt: Date | null;
}

export async function listStaysAt(
  db: Queryable,
  { incarnationId, userId, at }: Pick<HoldingQuestion, "incarnationId" | "userId" | "at">,
): Promise<readonly StayThen[]> {
  return db
    .selectFrom("checkouts")
    .select(["working_copy as workingCopy", "trust", "started_at as startedAt", "ended_at as endedAt"])
    .where("incarnation_id", "=", incarnationId)
    .where("user_id", "=", userId)
    .where("started_at", "<=", at)
    .where((where) => where.or([where("ended_at", "is", null), where("ended_at", ">", at)]))
    .orderBy("started_at")
    .execute();
}
