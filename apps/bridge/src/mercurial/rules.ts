/** Pure: what Mercurial is to read, as text and as the settings that it must then see. */
import { NOBODY, RESERVED_PREFIX } from "../accounts/account-name.ts";
import { toIndexLine } from "../files/index-line.ts";
import { findEntitlement, type GroupEntitlement } from "../state/entitlement.ts";
import { type HeldGroup, type HeldUser, isActive, listActiveUsers, type Snapshot } from "../state/snapshot.ts";
import { textOf } from "../state/text-of.ts";
import type { MercurialRepository } from "./configuration.ts";

/** Settings by section and key, as Mercurial shows them. */
export type Settings = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** A file's text, and what Mercurial sees when it reads it. */
export interface Rules {
  readonly text: string;
  readonly settings: Settings;
}

/** Accounts as values of `[acl.groups]`. */
export interface MemberLists {
  /** Those who may push where nothing governs: all active ones, those that were found where the configuration says so. */
  accountsOf(snapshot: Snapshot): string;
  /** Whom the web server lets push at all: these, and who of those that were found is in an entitlement group. */
  pushersOf(snapshot: Snapshot): string;
  /** The active ones that a group reaches. */
  membersOf(snapshot: Snapshot, group: HeldGroup): string;
}

/** Makes the lists; one that was made serves as long as nothing changes that it is made of. */
export function createMemberLists(found: "allow" | "deny"): MemberLists {
  const lists = new WeakMap<
    HeldGroup,
    Pick<Snapshot, "users"> & { readonly groups: unknown; readonly value: string }
  >();
  const accounts = new WeakMap<Snapshot["users"], string>();
  const isCounted = (user: HeldUser): boolean => isActive(user) && (found === "allow" || user.isFound !== true);
  const accountsOf = ({ users }: Snapshot): string => {
    const value = accounts.get(users) ?? listOf([...users.values()].filter(isCounted).map(({ account }) => account));
    accounts.set(users, value);
    return value;
  };
  return {
    accountsOf,
    pushersOf(snapshot) {
      const members = found === "allow" ? [] : listFoundMembers(snapshot);
      if (members.length === 0) return accountsOf(snapshot);
      const counted = [...snapshot.users.values()].filter(isCounted);
      return listOf([...counted, ...members].map(({ account }) => account));
    },
    membersOf(snapshot, group) {
      const { users, groups } = snapshot;
      const held = lists.get(group);
      if (held?.users === users && (held.groups === null || held.groups === groups)) return held.value;
      const value = listOf(listActiveUsers(snapshot, group).map(({ account }) => account));
      const isNesting = [...group.members].some((id) => groups.has(id));
      lists.set(group, { users, groups: isNesting ? groups : null, value });
      return value;
    },
  };
}

/** The group of all active accounts. */
export const ACCOUNTS = `${RESERVED_PREFIX}accounts`;
const HOOK = "python:hgext.acl.hook";
const HEAD = "# Written by the Branchward bridge, whole and anew at each change. Do not edit.";

/** Who has an active account, who may push by http, and the groups that people are in: one file for all repositories. */
export function toAccountRules(snapshot: Snapshot, lists: MemberLists): Rules {
  const accounts = lists.accountsOf(snapshot);
  const pushers = lists.pushersOf(snapshot);
  const groups = [...snapshot.groups.values()].filter(({ attributes }) => findEntitlement(attributes) === undefined);
  const held = groups.map((group) => ({ name: aclNameOf(group), value: lists.membersOf(snapshot, group), group }));
  const lines = held.flatMap(({ name, value, group }) => [toGroupIndex(snapshot, group), `${name} = ${value}`]);
  return {
    text: [HEAD, "[web]", `allow-push = ${pushers}`, "[acl.groups]", `${ACCOUNTS} = ${accounts}`, ...lines, ""].join(
      "\n",
    ),
    settings: {
      web: { "allow-push": pushers },
      "acl.groups": { [ACCOUNTS]: accounts, ...Object.fromEntries(held.map(({ name, value }) => [name, value])) },
    },
  };
}

/** The rules of one repository; `generation` is a number that its web server must show once it has read them. */
export function toRepositoryRules(
  { repository, generation }: { readonly repository: MercurialRepository; readonly generation: number },
  snapshot: Snapshot,
  lists: MemberLists,
): Rules {
  const groups = listGroupsOf(repository, snapshot);
  const rest = repository.ungoverned === "allow" ? `@${ACCOUNTS}` : NOBODY;
  const governed = (refType: string) => listGoverned(groups, refType);
  const settings = {
    "acl.groups": Object.fromEntries(groups.map(({ group }) => [aclNameOf(group), lists.membersOf(snapshot, group)])),
    "acl.allow.branches": toAllowed(governed("branch"), rest),
    "acl.deny.branches": toDenied(governed("branch")),
    "acl.allow.bookmarks": toAllowed(governed("bookmark"), rest),
    "acl.deny.bookmarks": toDenied(governed("bookmark")),
    server: { maxhttpheaderlen: String(generation) },
  };
  const index = groups.map(({ group }) => toGroupIndex(snapshot, group));
  return { text: [HEAD, ...index, ...toLines(settings), ""].join("\n"), settings };
}

/**
 * What stands at the end of a repository's hgrc. Before the includes everything is closed: should one be missing, which
 * Mercurial passes over in silence, nobody pushes anywhere.
 */
export function toHgrcBlock(includes: readonly string[]): {
  readonly lines: readonly string[];
  readonly settings: Settings;
} {
  const closed: Settings = {
    web: { "allow-push": NOBODY },
    "acl.groups": { [ACCOUNTS]: NOBODY },
    "acl.allow.branches": { "*": NOBODY },
    "acl.allow.bookmarks": { "*": NOBODY },
  };
  const settings: Settings = {
    hooks: { "pretxnchangegroup.acl": HOOK, "prepushkey.acl": HOOK },
    acl: { sources: "serve" },
    // Else bookmarks move without the hook.
    server: { "bookmarks-pushkey-compat": "yes" },
  };
  // A deprecated file of rules that knows no bookmarks.
  const lines = [...toLines(settings), "[acl]", "%unset config", ...toLines(closed)];
  return { lines: [...lines, ...includes.map((path) => `%include ${path}`)], settings };
}

/** All settings of several files, later ones over earlier ones. */
export function mergeSettings(...all: readonly Settings[]): Settings {
  const merged: Record<string, Record<string, string>> = {};
  for (const settings of all) {
    for (const [section, values] of Object.entries(settings)) merged[section] = { ...merged[section], ...values };
  }
  return merged;
}

/** The name that a group has in `[acl.groups]`. */
export function aclNameOf({ id, attributes }: Pick<HeldGroup, "id" | "attributes">): string {
  return findEntitlement(attributes) === undefined ? textOf(attributes, "displayName") : `${RESERVED_PREFIX}${id}`;
}

interface RepositoryGroup {
  readonly group: HeldGroup;
  readonly entitlement: GroupEntitlement;
}

function listGroupsOf({ name }: MercurialRepository, { groups }: Snapshot): readonly RepositoryGroup[] {
  return [...groups.values()].flatMap((group) => {
    const entitlement = findEntitlement(group.attributes);
    return entitlement?.repository === name ? [{ group, entitlement }] : [];
  });
}

/** The group that decides for each name: of several, the newest, since an older one is of a branch that is gone. */
function listGoverned(groups: readonly RepositoryGroup[], refType: string): ReadonlyMap<string, HeldGroup> {
  const governed = new Map<string, HeldGroup>();
  for (const { group, entitlement } of groups) {
    if (entitlement.entitlement !== "push" || entitlement.refType !== refType) continue;
    const held = governed.get(entitlement.branch);
    if (held === undefined || held.id < group.id) governed.set(entitlement.branch, group);
  }
  return governed;
}

function toAllowed(governed: ReadonlyMap<string, HeldGroup>, rest: string): Record<string, string> {
  const named = [...governed].map(([name, group]) => [name, `@${aclNameOf(group)}`]);
  return { "*": rest, ...Object.fromEntries(named) };
}

/** Denied is who is not in the group: this holds also where `*` allows, and over what else the file says. */
function toDenied(governed: ReadonlyMap<string, HeldGroup>): Record<string, string> {
  return Object.fromEntries([...governed].map(([name, group]) => [name, `!@${aclNameOf(group)}`]));
}

function toLines(settings: Settings): readonly string[] {
  return Object.entries(settings).flatMap(([section, values]) => [
    `[${section}]`,
    ...Object.entries(values).map(([key, value]) => `${key} = ${value}`),
  ]);
}

/** Who was found and is a member of an entitlement group: it was given the right to push there. */
function listFoundMembers({ users, groups }: Snapshot): readonly HeldUser[] {
  const found = [...users.values()].filter(({ isFound }) => isFound);
  if (found.length === 0) return [];
  const entitled = [...groups.values()].filter(({ attributes }) => findEntitlement(attributes) !== undefined);
  return found.filter(({ id }) => entitled.some(({ members }) => members.has(id)));
}

/** Never empty: an empty or undefined group falls back to the group of that name of the operating system. */
function listOf(accounts: readonly string[]): string {
  return accounts.length === 0 ? NOBODY : accounts.toSorted().join(", ");
}

/** What the settings do not tell of a group. */
function toGroupIndex({ users, groups }: Snapshot, { id, attributes, members }: HeldGroup): string {
  const ids = [...members];
  // Those that come through another group are no members themselves.
  if (ids.some((member) => groups.has(member))) return toIndexLine({ group: id, attributes, members: ids });
  const others = ids.filter((member) => {
    const user = users.get(member);
    return user === undefined || !isActive(user);
  });
  return toIndexLine({ group: id, attributes, ...(others.length > 0 ? { others } : {}) });
}
