/** Pure: what gitolite reads of the bridge, and what cannot be said in it. */
import { ScimError } from "@branchward/scim";
import type { JsonObject } from "@branchward/scim";
import { findNameProblem, RESERVED_PREFIX } from "../accounts/account-name.ts";
import { toIndexLine } from "../files/index-line.ts";
import { findEntitlement } from "../state/entitlement.ts";
import { type HeldGroup, isActive, listActiveUsers, type Snapshot } from "../state/snapshot.ts";
import { textOf } from "../state/text-of.ts";
import type { GitoliteConfiguration, GitoliteRepository } from "./configuration.ts";

const HEAD = "# Written by the Branchward bridge, whole and anew at each change. Do not edit.";

/** @throws ScimError 400 invalidValue naming what gitolite cannot represent, or does not enforce here */
export function requireRepresentable(
  { repositories, otherEntitlements }: Pick<GitoliteConfiguration, "repositories" | "otherEntitlements">,
  attributes: JsonObject,
): void {
  const marked = findEntitlement(attributes);
  if (marked === undefined) {
    const problem = findNameProblem(textOf(attributes, "displayName"));
    if (problem !== undefined) throw refuse(`displayName makes no name of a gitolite group: ${problem}`);
    return;
  }
  const { repository, branch, refType, entitlement, vcs } = marked;
  if (!repositories.some(({ name }) => name === repository))
    throw refuse(`this bridge has no repository ${JSON.stringify(repository)}`);
  if (vcs !== "" && vcs !== "git") throw refuse(`${repository} is a Git repository, not ${JSON.stringify(vcs)}`);
  if (entitlement !== "push" && otherEntitlements === "keep") return;
  if (entitlement !== "push")
    throw refuse(
      `this bridge has gitolite enforce push alone, not ${JSON.stringify(entitlement)} (otherEntitlements: keep takes it unenforced)`,
    );
  if (refType !== "branch") throw refuse(`gitolite knows branches, not a ${JSON.stringify(refType)}`);
  const problem = findBranchProblem(branch);
  if (problem !== undefined)
    throw refuse(`a rule of gitolite cannot name the branch ${JSON.stringify(branch)}: ${problem}`);
}

/** Why a branch's name cannot stand in a rule; undefined when it can. */
export function findBranchProblem(branch: string): string | undefined {
  if (branch === "" || branch.length > 200) return "it is empty or has more than 200 characters";
  const character = /[^A-Za-z0-9_./+-]/u.exec(branch)?.[0];
  if (character !== undefined)
    return `${JSON.stringify(character)} cannot be in one; letters without accents, digits and _ . / + - can`;
  return /^[A-Za-z0-9_]/u.test(branch) ? undefined : "it must begin with a letter, a digit or _";
}

/** The name of a group as rules and the list of groups have it, without the `@`. */
export function groupNameOf({ id, attributes }: HeldGroup): string {
  return findEntitlement(attributes) === undefined ? textOf(attributes, "displayName") : `${RESERVED_PREFIX}${id}`;
}

/**
 * Rules that come before all others: of a governed branch, who is in the group, then nobody. `@all` denies, since an
 * unknown group in a `-` would match nobody and leave the branch open. `letterOf` says which of C (create) and D
 * (delete) the repository's other rules use: where none does, push covers both, and one of ours would change that.
 */
export function toRules(
  repositories: readonly GitoliteRepository[],
  snapshot: Snapshot,
  letterOf: (repository: GitoliteRepository) => string,
): string {
  const lines = repositories.flatMap((repository) => {
    const governed = [...listGoverned(repository, snapshot)].flatMap(([branch, group]) => {
      const refex = `refs/heads/${branch.replaceAll(/[.+]/gu, String.raw`\$&`)}$`;
      return [`    RW+${letterOf(repository)} ${refex} = @${groupNameOf(group)}`, `    -   ${refex} = @all`];
    });
    return governed.length === 0 ? [] : [`repo ${repository.repo}`, ...governed];
  });
  return [HEAD, ...lines, ""].join("\n");
}

/** The group that decides for each branch: of several, the newest, since an older one is of a branch that is gone. */
export function listGoverned({ name }: GitoliteRepository, { groups }: Snapshot): ReadonlyMap<string, HeldGroup> {
  const governed = new Map<string, HeldGroup>();
  for (const group of groups.values()) {
    const entitlement = findEntitlement(group.attributes);
    if (entitlement?.repository !== name || entitlement.entitlement !== "push") continue;
    const held = governed.get(entitlement.branch);
    if (held === undefined || held.id < group.id) governed.set(entitlement.branch, group);
  }
  return governed;
}

/** The groups of each active account, as the program reads them that gitolite asks; what else SCIM knows in comments. */
export function toGroupList(snapshot: Snapshot): string {
  const { users, groups } = snapshot;
  const held = new Map([...users.values()].filter(isActive).map(({ account }) => [account, [] as string[]]));
  for (const group of groups.values()) {
    for (const { account } of listActiveUsers(snapshot, group)) held.get(account)?.push(groupNameOf(group));
  }
  const people = [...users.values()].map(({ id, account, attributes, native, isFound }) =>
    toIndexLine({ user: id, account, attributes, native, isFound }),
  );
  const index = [...groups.values()].map(({ id, attributes, members }) =>
    toIndexLine({ group: id, attributes, members: [...members] }),
  );
  const lines = [...held].map(([account, names]) => `${account}: ${names.join(" ")}`);
  return [HEAD, ...people, ...index, ...lines, ""].join("\n");
}

/** The program behind GROUPLIST_PGM: prints the groups of the account that it is given. */
export function toGroupProgram(list: string): string {
  return `#!/bin/sh
# Written by the Branchward bridge: gitolite asks it at each access which groups an account is in.
case "$1" in '' | *[!A-Za-z0-9_.+-]*) exit 0 ;; esac
exec awk -v account="$1: " 'index($0, account) == 1 { print substr($0, length(account) + 1) }' '${list}'
`;
}

function refuse(detail: string): ScimError {
  return new ScimError(400, detail, "invalidValue");
}
