/**
 * The oracle: what the rules say of a history, written from rules.md alone. It folds what was told (events in the order
 * in which they were delivered, directory changes, policy versions, time) and answers who may and who must hold what.
 * Where the rules leave an answer open (a lost or reordered event, an unreported re-creation), `may` is wider than `must`.
 */
import type { EndpointName } from "../setting.ts";
import {
  type GrantModel,
  isAbout,
  isAboutForSomebody,
  isWithinCeiling,
  type PolicyModel,
  type RuleModel,
} from "./policy.ts";

export interface UserModel {
  userName: string;
  active: boolean;
}

/** Of whom is inactive, or deleted: when the identity provider made them so. */
type Departures = Map<string, number>;

export interface GroupModel {
  name: string;
  /** Ids of users and groups. */
  readonly members: Set<string>;
}

/** What a reference of the policy was bound to (rule B4): once and for all. */
type Binding = { readonly groupId: string } | { readonly lastMembers: ReadonlySet<string> };

/** One life of a branch as told. */
export interface Life {
  name: string;
  isAlive: boolean;
  /** True where it may be another life than this one: a rename told apart, events lost or late. Stays may count or not. */
  isUncertain: boolean;
  /** True while it may be alive or not, until the source tells what is. */
  isDoubtful: boolean;
}

/** A working copy on a name. */
interface Stay {
  readonly userId: string;
  readonly name: string;
  /** Null while no branch of the name is known. */
  life: Life | null;
  readonly startedAt: number;
}

export interface Holders {
  readonly must: ReadonlySet<string>;
  readonly may: ReadonlySet<string>;
}

export interface World {
  now: number;
  policy: PolicyModel | null;
  readonly users: Map<string, UserModel>;
  readonly departures: Departures;
  readonly groups: Map<string, GroupModel>;
  readonly bindings: Map<string, Binding>;
  readonly lives: Map<string, Life>;
  readonly stays: Map<string, Stay>;
  /** Former stays of working copies on names that are uncertain: they may yet count. */
  readonly former: Stay[];
}

export function createWorld(now: number): World {
  return {
    now,
    policy: null,
    users: new Map(),
    departures: new Map(),
    groups: new Map(),
    bindings: new Map(),
    lives: new Map(),
    stays: new Map(),
    former: [],
  };
}

/** Every reference of the policy in force takes the one group of its name, if it has none yet (rule B4). */
export function bindReferences(world: World): void {
  for (const reference of listReferences(world.policy)) {
    if (world.bindings.has(reference)) continue;
    const named = [...world.groups].filter(([, group]) => `group:${group.name}` === reference);
    const [only, second] = named;
    if (only !== undefined && second === undefined) world.bindings.set(reference, { groupId: only[0] });
  }
}

function listReferences(policy: PolicyModel | null): readonly string[] {
  const named = (policy?.rules ?? []).flatMap((rule) => [...rule.grants, ...(rule.deny ?? [])].flatMap(({ to }) => to));
  return [...new Set(named.filter((reference) => reference.startsWith("group:")))];
}

/** A bound group that is deleted leaves its last members behind (rule B4). */
export function deleteGroup(world: World, groupId: string): void {
  const lastMembers = flatten(world, groupId);
  for (const [reference, binding] of world.bindings) {
    if ("groupId" in binding && binding.groupId === groupId) world.bindings.set(reference, { lastMembers });
  }
  world.groups.delete(groupId);
  for (const group of world.groups.values()) group.members.delete(groupId);
}

function flatten(world: World, groupId: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(groupId)) return new Set();
  seen.add(groupId);
  const users = new Set<string>();
  for (const id of world.groups.get(groupId)?.members ?? []) {
    if (!world.groups.has(id)) users.add(id);
    else for (const userId of flatten(world, id, seen)) users.add(userId);
  }
  return users;
}

/** A working copy moves (rule B6); a repeated checkout of the same branch extends nothing. */
export function checkOut(
  world: World,
  copy: string,
  told: { readonly userId: string; readonly name: string | null; readonly startedAt: number },
): void {
  const open = world.stays.get(copy);
  if (open !== undefined && open.startedAt > told.startedAt) return;
  const life = told.name === null ? undefined : world.lives.get(told.name);
  const standing = life?.isAlive === true ? life : null;
  const isSameName = open?.name === told.name && open?.userId === told.userId;
  // A branch made anew under the name is another branch (rule A6).
  if (isSameName && (standing === null || open?.life === standing)) return;
  if (open !== undefined) world.former.push(open);
  world.stays.delete(copy);
  if (told.name === null) return;
  world.stays.set(copy, { userId: told.userId, name: told.name, life: standing, startedAt: told.startedAt });
}

/** A branch of the name is known from here on; who waited for it stands on it now (rule A1). */
export function bear(world: World, name: string): Life {
  const life = { name, isAlive: true, isUncertain: false, isDoubtful: false };
  world.lives.set(name, life);
  for (const stay of world.stays.values()) if (stay.name === name && stay.life === null) stay.life = life;
  return life;
}

/** The life ends; working copies stay with it, and stand on nothing (rule A6). */
export function end(world: World, name: string): void {
  const life = world.lives.get(name);
  if (life !== undefined) life.isAlive = false;
}

/** What happened to the name was lost or comes late: whether and which life it has may be judged either way. */
export function doubt(world: World, name: string): void {
  const life = world.lives.get(name) ?? bear(world, name);
  life.isUncertain = true;
  life.isDoubtful = true;
}

/** The source tells what is: doubt ends, but for which life it is. */
export function settle(world: World, names: ReadonlySet<string>): void {
  for (const name of names) if (world.lives.get(name)?.isAlive !== true) bear(world, name).isUncertain = true;
  for (const life of world.lives.values()) {
    life.isAlive = names.has(life.name);
    life.isDoubtful = false;
  }
}

/** One life goes on under another name (rule A5). */
export function rename(world: World, from: string, to: string): void {
  const life = world.lives.get(from);
  if (life === undefined) return;
  world.lives.delete(from);
  life.name = to;
  world.lives.set(to, life);
  for (const stay of world.stays.values()) if (stay.name === to && stay.life === null) stay.life = life;
}

/** A branch's name at an endpoint. */
export interface Place {
  readonly endpoint: EndpointName;
  readonly name: string;
}

/** Verbs named by a grant that matches: their groups exist (rule B2). */
export function listEntitlements({ policy }: World, { endpoint, name }: Place): readonly string[] {
  const rules = (policy?.rules ?? []).filter((rule) => isAboutForSomebody(rule, name));
  const grants = rules.flatMap((rule) => rule.grants).filter((grant) => isAt(grant, endpoint));
  return [...new Set(grants.map((grant) => grant.entitlement))];
}

function isAt({ endpoints }: GrantModel, endpoint: EndpointName): boolean {
  return endpoints?.includes(endpoint) ?? true;
}

/**
 * Who may and must hold each entitlement on the branch of this name: grants, exclusive, deny, ceilings (rule B3). For a
 * former name, `life` is the branch that bore it.
 */
export function listHolders(
  world: World,
  place: Place,
  life = world.lives.get(place.name),
): ReadonlyMap<string, Holders> {
  const { policy } = world;
  const entitlements = listEntitlements(world, place);
  if (policy === null || life === undefined) return new Map();
  if (!life.isAlive && !life.isDoubtful)
    return new Map(entitlements.map((each) => [each, { must: new Set(), may: new Set() }]));
  const may = decide(world, policy, { ...place, life, isLoose: true });
  const must = decide(world, policy, { ...place, life, isLoose: false });
  const isLost = isGroupLost(world, policy, place.name);
  return new Map(
    entitlements.map((entitlement) => {
      const certain = isLost || life.isDoubtful ? new Set<string>() : (must.get(entitlement) ?? new Set<string>());
      return [entitlement, { must: certain, may: may.get(entitlement) ?? new Set<string>() }];
    }),
  );
}

/** While a group of the branch's rules is lost nobody is added (rule B4). */
function isGroupLost(world: World, policy: PolicyModel, name: string): boolean {
  const rules = policy.rules.filter((rule) => isAboutForSomebody(rule, name));
  return listReferences({ ...policy, rules }).some((reference) => {
    const binding = world.bindings.get(reference);
    return binding !== undefined && "lastMembers" in binding;
  });
}

interface Question extends Place {
  readonly life: Life;
  /** Counts what may be judged either way. */
  readonly isLoose: boolean;
}

function decide(world: World, policy: PolicyModel, question: Question): ReadonlyMap<string, Set<string>> {
  const holders = new Map<string, Set<string>>();
  for (const rule of policy.rules) {
    for (const grant of rule.grants) {
      if (isAt(grant, question.endpoint)) give(world, holders, { ...question, rule, grant });
    }
  }
  for (const rule of policy.rules) withholdExclusive(world, holders, { ...question, rule });
  for (const rule of policy.rules) {
    for (const { entitlement, to } of rule.deny ?? []) {
      for (const userId of reach(world, { ...question, rule, to })) holders.get(entitlement)?.delete(userId);
    }
  }
  for (const [entitlement, users] of holders) {
    if (isWithinCeiling(policy, question.name, entitlement)) continue;
    for (const userId of users) if (world.users.get(userId)?.userName === "robot") users.delete(userId);
  }
  return holders;
}

/** Whether a deny of the policy in force names the user there. */
export function isDenied(world: World, place: Place, { entitlement, userId }: Membership): boolean {
  const life = { name: place.name, isAlive: true, isUncertain: false, isDoubtful: false };
  return (world.policy?.rules ?? []).some((rule) =>
    (rule.deny ?? []).some(
      (deny) =>
        deny.entitlement === entitlement &&
        reach(world, { ...place, life, isLoose: true, rule, to: deny.to }).includes(userId),
    ),
  );
}

export interface Membership {
  readonly entitlement: string;
  readonly userId: string;
}

/** Who must hold each entitlement there whatever their working copies. */
export function listStandingHolders(world: World, place: Place): ReadonlyMap<string, Holders> {
  const rules = (world.policy?.rules ?? []).map((rule) => ({
    ...rule,
    grants: rule.grants.filter((grant) => grant.forMs === undefined),
  }));
  return listHolders({ ...world, policy: world.policy && { ...world.policy, rules } }, place);
}

interface GrantQuestion extends Question {
  readonly rule: RuleModel;
  readonly grant: GrantModel;
}

function give(world: World, holders: Map<string, Set<string>>, question: GrantQuestion): void {
  const { grant } = question;
  const users = holders.get(grant.entitlement) ?? new Set();
  holders.set(grant.entitlement, users);
  for (const userId of reach(world, { ...question, to: grant.to })) {
    if (world.users.get(userId)?.active !== true) continue;
    if (grant.forMs === undefined || isStanding(world, question, userId)) users.add(userId);
  }
}

/** Whether a working copy of the user stands on this life of the branch, not longer ago than the grant lasts. */
function isStanding(world: World, { life, isLoose, grant }: GrantQuestion, userId: string): boolean {
  const isUnexpired = (stay: Stay) => stay.userId === userId && stay.startedAt + (grant.forMs ?? 0) > world.now;
  if (life.isUncertain && !isLoose) return false;
  if ([...world.stays.values()].some((stay) => isUnexpired(stay) && stay.life === life)) return true;
  return life.isUncertain && [...world.stays.values(), ...world.former].some(isUnexpired);
}

function withholdExclusive(
  world: World,
  holders: ReadonlyMap<string, Set<string>>,
  { name, rule }: Question & { readonly rule: RuleModel },
): void {
  const taken = new Set<string>();
  for (const entitlement of rule.exclusive ?? []) {
    for (const userId of new Set(holders.get(entitlement))) {
      if (!isAbout(rule, name, world.users.get(userId)?.userName ?? "")) continue;
      if (taken.has(userId)) holders.get(entitlement)?.delete(userId);
      else taken.add(userId);
    }
  }
}

/** The users whom principals mean on this branch. */
function reach(
  world: World,
  { rule, name, to }: Question & { readonly rule: RuleModel; readonly to: readonly string[] },
): readonly string[] {
  const meant = to.flatMap((reference) => {
    const [kind = "", text = ""] = reference.split(":");
    if (kind !== "group") return [...world.users].filter(([, user]) => user.userName === text).map(([id]) => id);
    const binding = world.bindings.get(reference);
    if (binding === undefined) return [];
    const members = "groupId" in binding ? flatten(world, binding.groupId) : binding.lastMembers;
    return members.values().toArray();
  });
  return meant.filter((userId) => isAbout(rule, name, world.users.get(userId)?.userName ?? ""));
}
