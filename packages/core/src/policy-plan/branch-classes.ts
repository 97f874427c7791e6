/**
 * Branches that the same rules match in the same way differ by nothing but their names, their checkouts and the users
 * whose own value stands in the name. What holds for everybody else is worked out once for all of them.
 */
import { computeDesired } from "../desired/compute-desired.ts";
import { toDirectoryUsers } from "../desired/resolve-principal.ts";
import type { Desired, DesiredFacts, DirectoryUsers, GroupMember, GroupResolution } from "../desired/types.ts";
import { policyReferences } from "../policy/policy-references.ts";
import type { Bot, Policy, PolicyRule } from "../policy/types.ts";
import type { UserId } from "../words.ts";
import { compareScope, isSameChange, type ScopeComparison } from "./compare-scope.ts";
import { keepAffected } from "./keep-affected.ts";
import type { BranchMatch, Matches } from "./match-branch.ts";
import type { PlannedBranch, PolicyPlanFacts, PolicySide } from "./types.ts";

export interface CompareQuestion {
  /** The rules to look at; null for all. */
  readonly matches: Matches | null;
  /**
   * `all`; `nameless`: everybody as one whose own value stands in no name and who has no checkout; or these users
   * alone, each standing where he would among all others, since no rule looks at two users together.
   */
  readonly who: "all" | "nameless" | ReadonlySet<UserId>;
}

export type CompareFor = (branch: PlannedBranch, endpoint: string, question: CompareQuestion) => ScopeComparison;

/** Compares what both versions want in a scope. */
export function createCompareFor(facts: PolicyPlanFacts): CompareFor {
  const members = new Map<GroupResolution, ReadonlyMap<UserId, GroupMember>>();
  const indexOf = (group: GroupResolution): ReadonlyMap<UserId, GroupMember> => {
    const index = members.get(group) ?? new Map(group.members.map((member) => [member.userId, member]));
    members.set(group, index);
    return index;
  };
  const references = new Map<BranchMatch["rules"], readonly string[]>();
  const referencesOf = (policy: Policy): readonly string[] => {
    const known = references.get(policy.rules) ?? policyReferences(policy).groups;
    references.set(policy.rules, known);
    return known;
  };
  const narrow = ({ policy, groups }: PolicySide, only: ReadonlySet<UserId>): PolicySide["groups"] =>
    new Map(
      referencesOf(policy).flatMap((reference) => {
        const group = groups.get(reference);
        if (group === undefined) return [];
        const index = indexOf(group);
        return [[reference, { ...group, members: [...only].flatMap((userId) => index.get(userId) ?? []) }] as const];
      }),
    );
  const nameless = withoutNames(facts.users);
  return (branch, endpoint, { matches, who }) => {
    const only = typeof who === "string" ? null : who;
    const users = only === null ? (who === "all" ? facts.users : nameless) : pickUsers(facts.users.byId, only);
    const checkouts = who === "nameless" ? [] : branch.checkouts;
    const emergencies = who === "nameless" ? [] : branch.emergencies;
    const desire = (side: PolicySide | null, match: BranchMatch | undefined): Desired => {
      if (side === null) return nothing;
      const policy = match === undefined ? side.policy : { ...side.policy, rules: match.rules };
      const groups = only === null ? side.groups : narrow({ policy, groups: side.groups }, only);
      return computeDesired(
        toFacts({ policy, groups, users, checkouts, emergencies, now: facts.now }, branch, endpoint),
      );
    };
    return compareScope(desire(facts.before, matches?.before), desire(facts.after, matches?.after));
  };
}

const nothing: Desired = {
  entitlements: [],
  exclusions: [],
  lostReferences: [],
  nextChangeAt: null,
  findings: [],
};

function pickUsers(byId: DirectoryUsers["byId"], only: ReadonlySet<UserId>): DirectoryUsers {
  return toDirectoryUsers([...only].flatMap((userId) => byId.get(userId) ?? []));
}

/** The same users under the names that principals call them by, but with no value that could stand in a pattern. */
function withoutNames({ byId, byUserName }: DirectoryUsers): DirectoryUsers {
  const blank = new Map([...byId].map(([id, user]) => [id, { ...user, userName: "", attributes: {} }]));
  const named = [...byUserName].flatMap(([name, { id }]) => {
    const user = blank.get(id);
    return user === undefined ? [] : [[name, user] as const];
  });
  return { byId: blank, byUserName: new Map(named) };
}

function toFacts(
  common: Pick<DesiredFacts, "policy" | "groups" | "users" | "checkouts" | "emergencies" | "now">,
  branch: PlannedBranch,
  endpoint: string,
): DesiredFacts {
  const { incarnation: id, refType, state, name, strictNames } = branch;
  return {
    ...common,
    repository: { name: branch.repository },
    incarnation: { id, refType, state, names: [name, ...(strictNames.get(endpoint) ?? [])] },
    endpoint: { name: endpoint },
  };
}

/** What a class of branches shares. */
export interface BranchClass {
  /** True when nothing that counts here differs between the versions. */
  readonly isSame: boolean;
  /** What matches, without the verbs of which both versions say the same. */
  readonly matches: Matches;
  /** By endpoint; the same object where two endpoints change alike. */
  readonly scopes: ReadonlyMap<string, ScopeComparison>;
}

/** A rule's meaning, wherever it stands (`canonicalRule`). */
export type MeaningOf = (rule: PolicyRule | Bot) => string;

export interface ClassQuestion {
  readonly facts: PolicyPlanFacts;
  readonly meaningOf: MeaningOf;
  readonly compare: CompareFor;
  readonly branch: PlannedBranch;
  readonly matches: Matches;
  /** What was worked out before, by what is left of the matches: most classes differ in what does not change. */
  readonly known: Map<string, BranchClass["scopes"]>;
}

export function createBranchClass({
  facts,
  meaningOf,
  compare,
  branch,
  matches: all,
  known,
}: ClassQuestion): BranchClass {
  if (isSameMatch(facts, meaningOf, all)) return { isSame: true, matches: all, scopes: new Map() };
  const matches = keepAffected(facts, all);
  const key = `${branch.state} ${matches.before.key} ${matches.after.key}`;
  const same = known.get(key);
  if (same !== undefined) return { isSame: false, matches, scopes: same };
  const scopes = new Map<string, ScopeComparison>();
  for (const endpoint of facts.endpoints) {
    const comparison = compare(branch, endpoint, { matches, who: "nameless" });
    const alike = scopes.values().find((other) => isAlike(other, comparison));
    scopes.set(endpoint, alike ?? comparison);
  }
  known.set(key, scopes);
  return { isSame: false, matches, scopes };
}

/** True when the same rules match, with the same groups behind them and the same ceilings over them. */
function isSameMatch({ before, after }: PolicyPlanFacts, meaningOf: MeaningOf, matches: Matches): boolean {
  if (before === null) return false;
  const [old, now] = [matches.before, matches.after];
  if (!isSameList(old.rules.map(meaningOf), now.rules.map(meaningOf))) return false;
  if (!isSameList(before.policy.bots.map(meaningOf), after.policy.bots.map(meaningOf))) return false;
  return listReferences(after.policy, now.rules).every(
    (reference) => before.groups.get(reference) === after.groups.get(reference),
  );
}

function listReferences(policy: PolicySide["policy"], rules: readonly PolicyRule[]): readonly string[] {
  return policyReferences({ ...policy, rules }).groups;
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index]);
}

function isAlike(a: ScopeComparison, b: ScopeComparison): boolean {
  return (
    a.deltas.size === b.deltas.size &&
    isSameList(
      [...a.groups].map(([entitlement, group]) => `${entitlement} ${group}`),
      [...b.groups].map(([entitlement, group]) => `${entitlement} ${group}`),
    ) &&
    isSameMembers(a.before, b.before) &&
    isSameMembers(a.after, b.after) &&
    [...a.deltas].every(([userId, deltas]) => isSameChange(deltas, b.deltas.get(userId)))
  );
}

function isSameMembers(a: ScopeComparison["before"], b: ScopeComparison["before"]): boolean {
  return [...a].every(([entitlement, users]) => {
    const others = b.get(entitlement);
    return others !== undefined && others.size === users.size && users.isSubsetOf(others);
  });
}
