/** That the push rules of entitlement groups stand: who looks, and how one that does not is put back. */
import { branchEntitlementSchema } from "@branchward/core";
import type { HeldGroup } from "../state/snapshot.ts";
import { textOf } from "../state/text-of.ts";
import { findRuleDraft, isGuarding, type RuleDraft } from "./entitlement-rule.ts";
import type { Phabricator } from "./phabricator.ts";
import { type PushRule, stands } from "./push-rules.ts";

/** Those that limit a branch. */
export function listLimiting(groups: Iterable<HeldGroup>): readonly HeldGroup[] {
  return [...groups].filter(({ attributes }) => attributes[branchEntitlementSchema] !== undefined);
}

/** Those of the groups that limit a branch whose rules do not. @throws ConduitError, `unknown-method` without the extension */
export async function findUnlimited(
  { rules }: Phabricator,
  groups: readonly HeldGroup[],
): Promise<readonly HeldGroup[]> {
  const limiting = listLimiting(groups);
  const found = await rules.find(limiting.map(({ attributes }) => textOf(attributes, "externalId")));
  return limiting.filter((group) => !isLimited(group, found));
}

/** Whether one of the rules limits the branch of the group. */
export function isLimited({ id, attributes }: HeldGroup, rules: readonly PushRule[]): boolean {
  return rules.some((rule) => isGuarding(rule, id, attributes));
}

/** Puts the rule of a group back. @throws ScimError 400 for a branch that cannot be limited any more; ConduitError */
export async function restoreLimit(phabricator: Phabricator, { id, attributes }: HeldGroup): Promise<void> {
  const draft = await findRuleDraft(phabricator.repositories, attributes);
  if (draft !== undefined) await putLimit(phabricator, { ...draft, project: id });
}

/** Makes the rule what it shall be, and ends what it was in another repository. */
export async function putLimit({ rules }: Phabricator, rule: RuleDraft & { readonly project: string }): Promise<void> {
  const found = await rules.find([rule.name]);
  if (!found.some((each) => stands(each, rule))) await rules.put(rule);
  for (const { repository, ref, isDisabled } of found) {
    if (repository === undefined || repository === rule.repository || isDisabled || ref === undefined) continue;
    await rules.disable({ ...rule, repository, ref });
  }
}
