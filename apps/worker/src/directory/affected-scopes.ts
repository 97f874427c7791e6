/** From changes of the directory to exactly the scopes that they may concern, by index. */
import {
  bindPattern,
  dependsOnUser,
  isGrantedAt,
  literalBeginnings,
  matchesBranch,
  type Policy,
  policyReferences,
  type PolicyRule,
  type Principal,
  toMention,
  toReferenceKey,
  toUserKey,
} from "@branchward/core";
import {
  bindReferences,
  listReferencesReaching,
  listScopesBeginning,
  listScopesGrantedTo,
  listScopesMentioning,
  listScopesStoodOn,
  listUnindexedScopes,
  listUsersById,
  mentionsOf,
  type NamedScope,
  type Queryable,
  type RecordedChange,
  toDirectoryUser,
} from "@branchward/store";
import { type ChangedSubjects, type ChangedUser, readSubjects } from "./changed-subjects.ts";

/** More users than this are looked up as if they were all: one by one they would cost more than the looks they save. */
const MAX_SINGLE_USERS = 1_000;

type ValueOf = (attribute: string) => string | undefined;

/** What changed, in the terms in which policy speaks of it. Keys are those of `toReferenceKey`. */
interface Reach {
  /** References whose members changed. */
  readonly changed: ReadonlySet<string>;
  /** Of those, where anybody may have come or gone. */
  readonly unbounded: ReadonlySet<string>;
  /** References that reach one of the users concerned, or did. */
  readonly reaching: ReadonlySet<string>;
  /** The users concerned; null for more than are looked at one by one. */
  readonly userIds: readonly string[] | null;
  /** What `${user.…}` stands for or stood for, of each of them. */
  readonly values: readonly ValueOf[];
}

/** Ids of the scopes whose desired members the changes may alter. */
export async function listAffectedScopes(
  trx: Queryable,
  policy: Policy,
  changes: readonly RecordedChange[],
): Promise<ReadonlySet<string>> {
  const references = policyReferences(policy);
  const newlyBound = await bindReferences(trx, references.groups);
  const subjects = readSubjects(changes, new Set(references.attributes));
  const reach = await findReach(trx, { subjects, newlyBound, attributes: references.attributes });
  const found = [
    ...(await listIndexed(trx, reach)),
    ...(await listUnindexed(trx, policy, reach)),
    ...(await listOwn(trx, policy, reach)),
    ...(await listScopesGrantedTo(trx, reach.userIds)),
  ];
  return new Set(found);
}

/** Ids of the live scopes that a rule which names the reference is about, whoever it reaches there. */
export async function listScopesNaming(trx: Queryable, policy: Policy, reference: string): Promise<readonly string[]> {
  const keys = new Set([reference]);
  const inAnyWay = (["grant", "checkout", "deny"] as const).flatMap((kind) => toMentions(kind, keys));
  const anybody: Reach = { changed: keys, unbounded: keys, reaching: keys, userIds: null, values: [] };
  const found = [
    ...(await listScopesMentioning(trx, { mentions: inAnyWay })),
    ...(await listUnindexed(trx, policy, anybody)),
    ...(await listOwn(trx, policy, anybody)),
  ];
  return [...new Set(found)];
}

interface ReachQuestion {
  readonly subjects: ChangedSubjects;
  readonly newlyBound: readonly string[];
  readonly attributes: readonly string[];
}

async function findReach(trx: Queryable, { subjects, newlyBound, attributes }: ReachQuestion): Promise<Reach> {
  const ids = [...new Set([...subjects.users.keys(), ...subjects.members])];
  const records = await listUsersById(trx, ids);
  const known = new Set([...records.map((user) => user.id), ...subjects.users.keys()]);
  // A member that is no user is a group, or a user whose deletion is read later: then it may have been anybody.
  const isBounded = subjects.members.values().every((id) => known.has(id));
  const unboundedGroups = isBounded ? subjects.unboundedGroups : subjects.unboundedGroups.union(subjects.groups);
  const unbounded = new Set([...newlyBound, ...(await reachingGroups(trx, unboundedGroups))]);
  const userNames = records.filter(({ id }) => subjects.users.has(id)).map(({ userName }) => userName);
  const formerNames = [...subjects.users.values()].flatMap((user) => user.formerNames);
  const own = [
    ...(await reachingUsers(trx, [...subjects.users.keys()])),
    ...[...userNames, ...formerNames].map((name) => toUserKey(name)),
  ];
  const changed = new Set([...unbounded, ...(await reachingGroups(trx, subjects.groups)), ...own]);
  const reaching = new Set([
    ...changed,
    ...(await reachingUsers(trx, ids)),
    ...records.map(({ userName }) => toUserKey(userName)),
  ]);
  const isMany = ids.length > MAX_SINGLE_USERS;
  const users = records.map((record) => toDirectoryUser(record, attributes));
  return {
    changed,
    unbounded,
    reaching,
    userIds: isMany ? null : ids,
    values: isMany ? [] : listValues(users, subjects.users),
  };
}

function reachingGroups(trx: Queryable, groupIds: ReadonlySet<string>): Promise<readonly string[]> {
  return listReferencesReaching(trx, { groupIds: [...groupIds], userIds: [] });
}

function reachingUsers(trx: Queryable, userIds: readonly string[]): Promise<readonly string[]> {
  return listReferencesReaching(trx, { groupIds: [], userIds });
}

/** What a user's attributes are, and each combination of what they were with what stayed. */
function listValues(
  users: readonly ReturnType<typeof toDirectoryUser>[],
  changed: ReadonlyMap<string, ChangedUser>,
): readonly ValueOf[] {
  const present = new Map<string, ReturnType<typeof toDirectoryUser>>(users.map((user) => [user.id, user]));
  return [...new Set([...present.keys(), ...changed.keys()])].flatMap((id) => {
    const user = present.get(id);
    const { formerNames = [], former = [] } = changed.get(id) ?? {};
    const names = new Set([...(user === undefined ? [] : [user.userName]), ...formerNames]);
    const states = [{ ...user?.attributes }, ...former.map((values) => ({ ...user?.attributes, ...values }))];
    return [...names].flatMap((userName) => states.map((state) => toValueOf(userName, state)));
  });
}

function toValueOf(userName: string, attributes: Readonly<Record<string, string>>): ValueOf {
  return (attribute) => {
    if (attribute === "userName") return userName;
    return Object.hasOwn(attributes, attribute) ? attributes[attribute] : undefined;
  };
}

type Kind = Parameters<typeof toMention>[0];

function toMentions(kind: Kind, keys: ReadonlySet<string>): readonly string[] {
  return [...keys].map((key) => toMention(kind, key));
}

async function listIndexed(trx: Queryable, reach: Reach): Promise<readonly string[]> {
  const { changed, unbounded, reaching, userIds } = reach;
  const outright = [...toMentions("grant", changed), ...toMentions("deny", unbounded)];
  const stoodOn = toMentions("checkout", reaching);
  return [
    ...(await listScopesMentioning(trx, { mentions: outright })),
    // A deny takes nothing from whom no grant reaches.
    ...(await listScopesMentioning(trx, { mentions: toMentions("deny", changed), and: toMentions("grant", reaching) })),
    ...(await listScopesStoodOn(trx, { mentions: stoodOn, userIds })),
    ...(await listScopesStoodOn(trx, { mentions: toMentions("checkout", unbounded), userIds: null })),
  ];
}

/** Scopes that the index has not taken in yet, by the same mentions; one too many looked at does no harm. */
async function listUnindexed(trx: Queryable, policy: Policy, { changed, reaching }: Reach): Promise<readonly string[]> {
  const wanted = new Set([
    ...toMentions("grant", changed),
    ...toMentions("deny", changed),
    ...toMentions("checkout", reaching),
  ]);
  const scopes = await listUnindexedScopes(trx);
  return scopes.filter((scope) => mentionsOf(policy, scope).some((each) => wanted.has(each))).map(({ id }) => id);
}

/** Scopes of branches that a pattern names for one of the users, where a grant or deny of the branch changed. */
async function listOwn(trx: Queryable, policy: Policy, reach: Reach): Promise<readonly string[]> {
  const denying = policy.rules.filter((rule) => rule.deny.some((deny) => namesOne(deny.to, reach.changed)));
  const rules = policy.rules.filter((rule) => dependsOnUser(rule) && mentions(rule, reach.reaching));
  if (rules.length === 0) return [];
  const bound = rules.flatMap((rule) =>
    reach.userIds === null || mentions(rule, reach.unbounded)
      ? [rule]
      : reach.values.flatMap((valueOf) => bindRule(rule, valueOf)),
  );
  const scopes = await listScopesBeginning(
    trx,
    bound.flatMap((rule) => literalBeginnings(rule)),
  );
  const isConcerned = (scope: NamedScope): boolean => {
    const about = bound.filter((rule) => isAbout(rule, scope));
    if (about.some((rule) => mentions(rule, reach.changed))) return true;
    return about.length > 0 && denying.some((rule) => isAbout(rule, scope));
  };
  return scopes.filter(isConcerned).map(({ id }) => id);
}

function namesOne(principals: readonly Principal[], keys: ReadonlySet<string>): boolean {
  return principals.some((principal) => keys.has(toReferenceKey(principal)));
}

function mentions(rule: PolicyRule, keys: ReadonlySet<string>): boolean {
  return [...rule.grants, ...rule.deny].some((each) =>
    each.to.some((principal) => keys.has(toReferenceKey(principal))),
  );
}

/** The rule with patterns for one user; none where no pattern can match for that user. */
function bindRule(rule: PolicyRule, valueOf: ValueOf): readonly PolicyRule[] {
  const bind = (patterns: PolicyRule["branches"]) =>
    patterns.map((pattern) => bindPattern(pattern, valueOf)).filter((pattern) => pattern !== undefined);
  const [repositories, branches] = [bind(rule.repositories), bind(rule.branches)];
  return repositories.length === 0 || branches.length === 0 ? [] : [{ ...rule, repositories, branches }];
}

function isAbout(rule: PolicyRule, { repository, name, strictNames, endpoint }: NamedScope): boolean {
  const isHere =
    rule.deny.length > 0 || rule.exclusive !== null || rule.grants.some((grant) => isGrantedAt(grant, endpoint));
  return isHere && [name, ...strictNames].some((each) => matchesBranch(rule, { repository, name: each }));
}
