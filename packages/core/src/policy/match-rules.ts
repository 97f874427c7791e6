import type { Entitlement } from "../words.ts";
import { bindPattern, matchesPattern, type Pattern } from "./pattern.ts";
import type { BranchRef, Grant, Policy, PolicyRule } from "./types.ts";

/** What the patterns are matched against. */
export type BranchName = Pick<BranchRef, "repository" | "name">;

type Patterns = Pick<PolicyRule, "repositories" | "branches">;

/** The rules whose patterns match the branch for somebody. */
export function listMatchingRules(policy: Policy, branch: BranchName): readonly PolicyRule[] {
  return policy.rules.filter((rule) => matchesBranch(rule, branch));
}

/** True when the patterns match the branch, for one user where they depend on the user. */
export function matchesBranch(
  patterns: Patterns,
  branch: BranchName,
  valueOf?: (attribute: string) => string | undefined,
): boolean {
  const matches = (pattern: Pattern, name: string) => {
    const bound = valueOf === undefined ? pattern : bindPattern(pattern, valueOf);
    return bound !== undefined && matchesPattern(bound, name);
  };
  return (
    patterns.repositories.some((pattern) => matches(pattern, branch.repository)) &&
    patterns.branches.some((pattern) => matches(pattern, branch.name))
  );
}

/** True when some grant or deny of the policy names the verb on the branch (rule B2). */
export function isGoverned(policy: Policy, branch: BranchName, entitlement: Entitlement): boolean {
  return listMatchingRules(policy, branch).some((rule) =>
    [...rule.grants, ...rule.deny].some((each) => each.entitlement === entitlement),
  );
}

const followersOfPush: readonly Entitlement[] = ["create", "delete", "force"];

/** True for an environment of the branch, `environment:preview`: it is there where policy grants it, and nowhere else. */
export function isEnvironment(entitlement: Entitlement): boolean {
  return entitlement.startsWith("environment:");
}

/** The governed verb that decides in place of this one, or what policy says of ungoverned verbs (rule B2). */
export function decidingVerb(
  policy: Policy,
  branch: BranchName,
  entitlement: Entitlement,
): { readonly governedBy: Entitlement } | { readonly ungoverned: "allow" | "deny" } {
  if (isGoverned(policy, branch, entitlement)) return { governedBy: entitlement };
  const follows = followersOfPush.includes(entitlement) && isGoverned(policy, branch, "push");
  if (follows) return { governedBy: "push" };
  // What is not there is nobody's, whatever policy says of verbs that it does not name.
  return { ungoverned: isEnvironment(entitlement) ? "deny" : policy.ungoverned };
}

export function isGrantedAt(grant: Pick<Grant, "endpoints">, endpoint: string): boolean {
  return grant.endpoints === null || grant.endpoints.includes(endpoint);
}

/** The entitlements whose groups exist in a scope, empty or not (rule B2); sorted. */
export function listScopeEntitlements(policy: Policy, branch: BranchName, endpoint: string): readonly Entitlement[] {
  const grants = listMatchingRules(policy, branch).flatMap((rule) => rule.grants);
  return [
    ...new Set(grants.filter((grant) => isGrantedAt(grant, endpoint)).map((grant) => grant.entitlement)),
  ].toSorted();
}

/** Which of the endpoints have a scope for the branch: those where some matching grant applies. */
export function scopesFor(policy: Policy, branch: BranchName, endpoints: readonly string[]): readonly string[] {
  const grants = listMatchingRules(policy, branch).flatMap((rule) => rule.grants);
  return endpoints.filter((endpoint) => grants.some((grant) => isGrantedAt(grant, endpoint)));
}
