/** Loads the three facts that decide who may act on a branch: registry, policy, directory. */
import {
  type AccessFacts,
  type DirectoryUser,
  listMatchingRules,
  type Policy,
  policyReferences,
  toDirectoryUsers,
  type UserId,
} from "@branchward/core";
import { sql } from "kysely";
import { listLeftCheckouts, listOpenCheckouts } from "../people/checkouts.ts";
import type { Queryable } from "../connection/database.ts";
import { type DirectoryUserRecord, findUserByUserName, listUsersById } from "../directory/read.ts";
import { listEmergencies } from "../people/emergency-grants.ts";
import { listWithheldOf } from "../scopes/guards.ts";
import type { BranchRow } from "../branches/incarnations.ts";
import { resolveReferences } from "../policy/policy-bindings.ts";
import { prepared } from "../connection/prepared-statements.ts";

export interface AccessQuestion {
  readonly policy: Policy;
  readonly branch: BranchRow;
  /** Former names that narrow the desired state while a rename is not verified (rule A5). */
  readonly strictNames: readonly string[];
  /** Users to load beside those that policy reaches. */
  readonly userIds?: readonly UserId[];
}

/** The facts as they are now, by the database's clock; of the directory only what the branch's own rules name. */
export async function loadAccessFacts(
  db: Queryable,
  { policy, branch, strictNames, userIds = [] }: AccessQuestion,
): Promise<AccessFacts> {
  const names: readonly [string, ...string[]] = [branch.name, ...strictNames];
  const rules = names.flatMap((name) => listMatchingRules(policy, { repository: branch.repository, name }));
  const needed = policyReferences({ ...policy, rules: [...new Set(rules)] });
  const [groups, open, left, emergencies, withheld, now, named] = await Promise.all([
    resolveReferences(db, needed.groups),
    listOpenCheckouts(db, branch.id),
    listLeftCheckouts(db, branch.id),
    listEmergencies(db, branch.id),
    loadWithheld(db, branch.id),
    readClock(db),
    listUsersNamed(db, needed.userNames),
  ]);
  const checkouts = [...open, ...left];
  const reached = [...groups.values()].flatMap((group) => group.members.map((member) => member.userId));
  const ids = new Set([...userIds, ...reached, ...[...checkouts, ...emergencies].map((each) => each.userId)]);
  const records = [...(await listUsersById(db, [...ids])), ...named];
  return {
    policy,
    repository: { name: branch.repository },
    incarnation: { refType: branch.refType, state: branch.state, names },
    now,
    groups,
    users: toDirectoryUsers(records.map((record) => toDirectoryUser(record, needed.attributes))),
    checkouts,
    withheld,
    emergencies,
    held: groups.values().some(({ state }) => state === "lost") ? await loadHeld(db, branch.id) : new Map(),
  };
}

async function loadWithheld(db: Queryable, incarnationId: string): Promise<ReadonlyMap<string, ReadonlySet<UserId>>> {
  const rows = Map.groupBy(await listWithheldOf(db, incarnationId), ({ entitlement }) => entitlement);
  return new Map([...rows].map(([entitlement, list]) => [entitlement, new Set(list.map(({ userId }) => userId))]));
}

/** What the ledger says is held, as it matters while a group is lost (rule B4). */
async function loadHeld(db: Queryable, incarnationId: string): Promise<ReadonlyMap<string, ReadonlySet<UserId>>> {
  const { rows } = await sql<{ entitlement: string; userIds: readonly UserId[] }>`
    select entitlement, json_agg(distinct user_id) as "userIds"
    from ledger_entries where incarnation_id = ${incarnationId} and ended_at is null and user_id is not null
    group by entitlement`.execute(db);
  return new Map(rows.map(({ entitlement, userIds }) => [entitlement, new Set(userIds)]));
}

/** Now, by the clock of the database. */
export async function readClock(db: Queryable): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`${prepared}select clock_timestamp() as now`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error("the database told no time");
  return row.now;
}

async function listUsersNamed(db: Queryable, userNames: readonly string[]): Promise<readonly DirectoryUserRecord[]> {
  const found = await Promise.all(userNames.map((userName) => findUserByUserName(db, userName)));
  return found.filter((user) => user !== undefined);
}

const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/**
 * Attributes that policy may insert into a pattern: `externalId`, which a user has one of, its client's, and single
 * strings of the user or of the enterprise extension.
 */
export function toDirectoryUser(
  { id, externalId, userName, active, attributes }: DirectoryUserRecord,
  names: readonly string[],
): DirectoryUser {
  const own = { ...attributes, externalId };
  const extension = attributes[ENTERPRISE];
  const values = names.flatMap((name) => {
    const value = Object.hasOwn(own, name) ? readOwn(own, name) : readOwn(extension, name);
    return typeof value === "string" ? [[name, value] as const] : [];
  });
  return { id, userName, active, attributes: Object.fromEntries(values) };
}

function readOwn(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}
