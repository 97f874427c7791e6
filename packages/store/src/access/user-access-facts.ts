/** What decides about one user on many branches, in one round trip, however large the groups are. */
import {
  type AccessFacts,
  type Checkout,
  type EmergencyGrant,
  type GroupMember,
  type GroupResolution,
  type Policy,
  policyReferences,
  toDirectoryUsers,
  type UserId,
} from "@branchward/core";
import { foldCase } from "@branchward/scim";
import { type RawBuilder, sql } from "kysely";
import { toDirectoryUser } from "./access-facts.ts";
import { LEFT_FOR } from "../people/checkouts.ts";
import type { Queryable } from "../connection/database.ts";
import type { DirectoryUserRecord } from "../directory/read.ts";

export interface UserAccessQuestion {
  readonly policy: Policy;
  /** Null for nobody that could be named. */
  readonly userName: string | null;
  readonly incarnationIds: readonly string[];
}

type BranchFacts = "checkouts" | "withheld" | "emergencies" | "held";

/** Of the facts of a branch, those that differ from branch to branch; of the user alone. */
export interface UserBranchFacts extends Required<Pick<AccessFacts, BranchFacts>> {
  /** Former names that narrow the desired state while a rename is not verified (rule A5). */
  readonly strictNames: readonly string[];
}

/** With what `findBranch` gives, its repository and its names, all that `AccessFacts` has: the compiler keeps it so. */
export interface UserAccessFacts extends Omit<AccessFacts, BranchFacts | "repository" | "incarnation"> {
  /** Undefined for somebody whom the directory does not know. */
  readonly user: { readonly id: UserId; readonly userName: string } | undefined;
  readonly findBranch: (incarnationId: string) => UserBranchFacts;
}

interface Row {
  readonly now: Date;
  readonly user: DirectoryUserRecord | null;
  readonly groups: readonly { readonly id: string; readonly name: string; readonly holdsUser: boolean }[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
  readonly bindings: readonly {
    readonly reference: string;
    readonly foundId: string | null;
    readonly lastMembers: readonly GroupMember[];
  }[];
  readonly branches: readonly {
    readonly id: string;
    readonly strictNames: readonly string[];
    readonly checkouts: readonly (Pick<Checkout, "workingCopy" | "trust"> & {
      readonly startedAt: string;
      readonly endedAt: string | null;
    })[];
    readonly withheld: readonly string[];
    readonly held: readonly string[];
    readonly emergencies: readonly (Omit<EmergencyGrant, "until"> & { readonly until: string })[];
  }[];
}

/** What is known of a branch that nobody told of. */
export const NO_BRANCH_FACTS: UserBranchFacts = {
  strictNames: [],
  checkouts: [],
  withheld: new Map(),
  emergencies: [],
  held: new Map(),
};

/**
 * The facts as they are now, by the database's clock and of one snapshot. `groups` and `users` hold nobody but the user,
 * so that explaining costs the same for a group of fifty thousand; for this user the answers are those of all facts.
 */
export async function loadUserAccessFacts(db: Queryable, question: UserAccessQuestion): Promise<UserAccessFacts> {
  const { policy } = question;
  const needed = policyReferences(policy);
  const row = await selectRow(db, question, needed.groups);
  const user = row.user === null ? undefined : toDirectoryUser(row.user, needed.attributes);
  const found = new Map(row.branches.map((branch) => [branch.id, branch]));
  return {
    policy,
    now: row.now,
    user: user && { id: user.id, userName: user.userName },
    users: toDirectoryUsers(user === undefined ? [] : [user]),
    groups: user === undefined ? new Map() : toResolutions(row, user.id),
    findBranch(incarnationId) {
      const branch = found.get(incarnationId);
      return branch === undefined ? NO_BRANCH_FACTS : toBranchFacts(branch, user?.id);
    },
  };
}

function toBranchFacts(branch: Row["branches"][number], userId: UserId | undefined): UserBranchFacts {
  const { strictNames } = branch;
  if (userId === undefined) return { ...NO_BRANCH_FACTS, strictNames };
  return {
    strictNames,
    checkouts: branch.checkouts.map(({ startedAt, endedAt, ...checkout }) => ({
      ...checkout,
      userId,
      startedAt: new Date(startedAt),
      endedAt: endedAt === null ? null : new Date(endedAt),
    })),
    withheld: new Map(branch.withheld.map((entitlement) => [entitlement, new Set([userId])])),
    held: new Map(branch.held.map((entitlement) => [entitlement, new Set([userId])])),
    emergencies: branch.emergencies.map(({ until, ...grant }) => ({ ...grant, until: new Date(until) })),
  };
}

/** Downwards from the groups that policy is bound to: upwards from the user would pass every entitlement group. */
async function selectRow(
  db: Queryable,
  { userName, incarnationIds }: UserAccessQuestion,
  references: readonly string[],
): Promise<Row> {
  const { rows } = await sql<Row>`
    with recursive
    asked as (
      select id, client, external_id as "externalId", user_name as "userName", active, attributes
      from directory_users where user_name_key = ${userName === null ? null : foldCase(userName)}::text
    ),
    bound as (
      select b.reference, b.last_members as "lastMembers", g.id as "foundId"
      from policy_bindings b left join directory_groups g on g.id = b.group_id
      where b.reference = any(${[...references]}::text[]) and b.group_id is not null
    ),
    reachable (id) as (
      select "foundId" from bound where "foundId" is not null
      union
      select m.member_id from reachable join directory_members m on m.group_id = reachable.id and m.member_kind = 'Group'
    )
    select clock_timestamp() as now,
      (select row_to_json(asked) from asked) as "user",
      (select coalesce(json_agg(bound), '[]') from bound) as bindings,
      (select coalesce(json_agg(json_build_object('id', g.id, 'name', g.display_name, 'holdsUser', exists (
          select from asked join directory_members m on m.group_id = g.id and m.member_id = asked.id
        ))), '[]') from reachable join directory_groups g using (id)) as groups,
      (select coalesce(json_agg(json_build_object('from', m.group_id, 'to', m.member_id) order by m.member_id), '[]')
        from reachable r join directory_members m on m.group_id = r.id and m.member_kind = 'Group') as edges,
      (${aggregateBranches(incarnationIds)}) as branches
  `.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error("the database told nothing");
  return row;
}

/** For each branch what concerns the user who is `asked`. */
function aggregateBranches(incarnationIds: readonly string[]): RawBuilder<unknown> {
  return sql`
        select coalesce(json_agg(json_build_object(
          'id', branch.id,
          'strictNames', (
            select coalesce(json_agg(distinct name), '[]')
            from scopes s cross join lateral unnest(s.strict_names) as name where s.incarnation_id = branch.id
          ),
          'checkouts', (
            select coalesce(json_agg(json_build_object(
              'workingCopy', c.working_copy, 'trust', c.trust, 'startedAt', c.started_at, 'endedAt', c.ended_at
            ) order by c.ended_at is not null, c.started_at), '[]')
            from checkouts c join asked on asked.id = c.user_id
            where c.incarnation_id = branch.id and (c.ended_at is null or c.ended_at > now() - ${LEFT_FOR}::interval)
          ),
          'withheld', (
            select coalesce(json_agg(distinct w.entitlement), '[]')
            from scopes s join withheld_removals w on w.scope_id = s.id join asked on asked.id = w.user_id
            where s.incarnation_id = branch.id
          ),
          'held', case when exists (select from bound where "foundId" is null) then (
            select coalesce(json_agg(distinct l.entitlement), '[]')
            from ledger_entries l join asked on asked.id = l.user_id
            where l.incarnation_id = branch.id and l.ended_at is null
          ) else '[]' end,
          'emergencies', (
            select coalesce(json_agg(e), '[]') from (
              select distinct on (e.entitlement) e.id, e.user_id as "userId", e.entitlement, e.decided_by as "approvedBy",
                least(e.expires_at, e.ended_at) as until
              from emergency_grants e join asked on asked.id = e.user_id
              where e.incarnation_id = branch.id and e.expires_at is not null
              order by e.entitlement, least(e.expires_at, e.ended_at) desc
            ) e
          ))), '[]') from unnest(${[...incarnationIds]}::uuid[]) as branch (id)`;
}

function toResolutions(row: Row, userId: UserId): ReadonlyMap<string, GroupResolution> {
  const resolutions = row.bindings.map(({ reference, foundId, lastMembers }): [string, GroupResolution] => {
    if (foundId === null) {
      return [reference, { state: "lost", members: lastMembers.filter((each) => each.userId === userId) }];
    }
    const path = findPath(foundId, row);
    return [reference, { state: "bound", members: path === undefined ? [] : [{ userId, path }] }];
  });
  return new Map(resolutions);
}

/** A shortest way from the group to one that holds the user, as display names; undefined where there is none. */
function findPath(rootId: string, { groups, edges }: Row): readonly string[] | undefined {
  const byId = new Map(groups.map((group) => [group.id, group]));
  const children = Map.groupBy(edges, ({ from }) => from);
  const paths = new Map<string, readonly string[]>([[rootId, []]]);
  for (const [id, above] of paths) {
    const group = byId.get(id);
    if (group === undefined) continue;
    const path = [...above, group.name];
    if (group.holdsUser) return path;
    for (const { to } of children.get(id) ?? []) if (!paths.has(to)) paths.set(to, path);
  }
  return undefined;
}
