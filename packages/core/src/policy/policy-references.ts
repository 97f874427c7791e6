import type { Policy } from "./types.ts";

/** What a policy needs of the directory. */
export interface PolicyReferences {
  /** `group:name` and `group:client/name`, as written. */
  readonly groups: readonly string[];
  /** As written; not case-sensitive. */
  readonly userNames: readonly string[];
  /** Of users, beside `userName`. */
  readonly attributes: readonly string[];
  /** That grants are limited to. */
  readonly endpoints: readonly string[];
}

/** Everything that the policy names in the directory, each once, sorted. */
export function policyReferences(policy: Policy): PolicyReferences {
  const principals = policy.rules.flatMap((rule) => [...rule.grants, ...rule.deny].flatMap((each) => each.to));
  const patterns = policy.rules.flatMap((rule) => [...rule.repositories, ...rule.branches]);
  const named = principals.flatMap((principal) => (principal.kind === "group" ? [] : [principal.userName]));
  const attributes = patterns.flatMap((pattern) => pattern.attributes).filter((attribute) => attribute !== "userName");
  return {
    groups: sorted(principals.flatMap((principal) => (principal.kind === "group" ? [principal.reference] : []))),
    userNames: sorted([...named, ...policy.bots.map((bot) => bot.userName)]),
    attributes: sorted(attributes),
    endpoints: sorted(policy.rules.flatMap((rule) => rule.grants.flatMap((grant) => grant.endpoints ?? []))),
  };
}

function sorted(values: readonly string[]): readonly string[] {
  return [...new Set(values)].toSorted();
}
