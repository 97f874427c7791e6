/** What Mercurial's acl can say, and what it cannot. */
import { type JsonObject, ScimError } from "@branchward/scim";
import { findNameProblem } from "../accounts/account-name.ts";
import { findEntitlement } from "../state/entitlement.ts";
import { textOf } from "../state/text-of.ts";
import type { MercurialConfiguration } from "./configuration.ts";

/** @throws ScimError 400 invalidValue naming what acl cannot represent, or enforce */
export function requireRepresentable(
  { repositories, otherEntitlements }: Pick<MercurialConfiguration, "repositories" | "otherEntitlements">,
  attributes: JsonObject,
): void {
  const marked = findEntitlement(attributes);
  if (marked === undefined) {
    const problem = findNameProblem(textOf(attributes, "displayName"));
    if (problem !== undefined) throw refuse(`displayName makes no name of [acl.groups]: ${problem}`);
    return;
  }
  const { repository, branch, refType, entitlement, vcs } = marked;
  if (!repositories.some(({ name }) => name === repository))
    throw refuse(`this bridge has no repository ${JSON.stringify(repository)}`);
  if (vcs !== "" && vcs !== "hg") throw refuse(`${repository} is a Mercurial repository, not ${JSON.stringify(vcs)}`);
  if (entitlement !== "push" && otherEntitlements === "keep") return;
  if (entitlement !== "push")
    throw refuse(
      `Mercurial can enforce push alone, not ${JSON.stringify(entitlement)} (otherEntitlements: keep takes it unenforced)`,
    );
  if (refType !== "branch" && refType !== "bookmark")
    throw refuse(`Mercurial's acl knows branches and bookmarks, not a ${JSON.stringify(refType)}`);
  const problem = findBranchProblem(branch);
  if (problem !== undefined)
    throw refuse(`Mercurial's acl cannot name the branch ${JSON.stringify(branch)}: ${problem}`);
}

/** Why a branch's name cannot be a key of `[acl.allow.branches]`; undefined when it can. */
export function findBranchProblem(branch: string): string | undefined {
  if (branch === "") return "it is empty";
  if (branch.length > 200) return "it has more than 200 characters";
  if (branch === "*") return "it means every branch";
  if (branch.includes("=")) return "a key of a configuration ends at =";
  if (/^[#;[%]/u.test(branch)) return "a line that begins so is no key of a configuration";
  const character = /[^A-Za-z0-9_./+@~ -]/u.exec(branch)?.[0];
  if (character !== undefined)
    return `${JSON.stringify(character)} cannot be in one; letters without accents, digits, spaces and _ . / + @ ~ - can`;
  return branch.trim() === branch ? undefined : "it begins or ends with a space";
}

function refuse(detail: string): ScimError {
  return new ScimError(400, detail, "invalidValue");
}
