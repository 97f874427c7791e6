/** Leaves out the verbs for which two versions say the same: nobody's place changes there, and most changes touch few verbs. */
import { canonicalPart } from "../policy/canonical-policy.ts";
import { policyReferences } from "../policy/policy-references.ts";
import type { Deny, Grant, PolicyRule } from "../policy/types.ts";
import type { Entitlement } from "../words.ts";
import type { BranchMatch, Matches } from "./match-branch.ts";
import type { PolicyPlanFacts } from "./types.ts";

/** The matches with only those grants and denies whose verbs are affected. */
export function keepAffected({ before, after }: PolicyPlanFacts, matches: Matches): Matches {
  if (before === null) return matches;
  const isChanged = (reference: string) => before.groups.get(reference) !== after.groups.get(reference);
  const references = policyReferences({
    ...after.policy,
    rules: [...matches.before.rules, ...matches.after.rules],
  }).groups;
  // A lost group withholds additions of every verb.
  if (references.some((reference) => after.groups.get(reference)?.state === "lost")) return matches;
  if (canonicalPart(before.policy.bots) !== canonicalPart(after.policy.bots)) return matches;
  const [old, now] = [describeVerbs(matches.before), describeVerbs(matches.after)];
  const affected = new Set([...old.keys(), ...now.keys()].filter((verb) => old.get(verb) !== now.get(verb)));
  for (const each of [...matches.before.rules, ...matches.after.rules].flatMap(listParts)) {
    if (each.to.some(({ kind, reference }) => kind === "group" && isChanged(reference))) affected.add(each.entitlement);
  }
  addExcluding(affected, [...matches.before.rules, ...matches.after.rules]);
  return { before: keepVerbs(matches.before, affected), after: keepVerbs(matches.after, affected) };
}

function listParts({ grants, deny }: PolicyRule): readonly (Grant | Deny)[] {
  return [...grants, ...deny];
}

/** All that the matching rules say of each verb, as text. */
function describeVerbs({ rules, personal }: BranchMatch): ReadonlyMap<Entitlement, string> {
  const texts = new Map<Entitlement, string>();
  const add = (verb: Entitlement, text: string): void => void texts.set(verb, `${texts.get(verb) ?? ""}\n${text}`);
  for (const rule of rules) {
    const { repositories, branches, grants, deny, exclusive } = rule;
    const whose = personal.includes(rule) ? canonicalPart({ repositories, branches }) : "";
    for (const grant of grants) add(grant.entitlement, `grant ${whose} ${canonicalPart(grant)}`);
    for (const each of deny) add(each.entitlement, `deny ${whose} ${canonicalPart(each)}`);
    for (const verb of exclusive?.entitlements ?? []) add(verb, `exclusive ${whose} ${canonicalPart(exclusive)}`);
  }
  return texts;
}

/** Who holds a verb decides who holds those that it excludes. */
function addExcluding(affected: Set<Entitlement>, rules: readonly PolicyRule[]): void {
  const lists = rules.flatMap(({ exclusive }) => (exclusive === null ? [] : [new Set(exclusive.entitlements)]));
  for (let size = -1; size !== affected.size;) {
    size = affected.size;
    for (const list of lists) if (!list.isDisjointFrom(affected)) for (const verb of list) affected.add(verb);
  }
}

function keepVerbs(match: BranchMatch, affected: ReadonlySet<Entitlement>): BranchMatch {
  const isKept = ({ entitlement }: { readonly entitlement: Entitlement }) => affected.has(entitlement);
  const rules = match.rules.map((rule) => ({
    ...rule,
    grants: rule.grants.filter(isKept),
    deny: rule.deny.filter(isKept),
    exclusive: rule.exclusive?.entitlements.some((verb) => affected.has(verb)) === true ? rule.exclusive : null,
  }));
  const kept = rules.filter((rule) => listParts(rule).length > 0 || rule.exclusive !== null);
  const personal = new Set(match.personal.map(({ rule }) => rule));
  const names = kept.map(({ rule }) => (personal.has(rule) ? `${rule}p` : rule));
  const bots = match.bots.map(({ rule }) => rule);
  return { ...match, rules: kept, key: [...names, ...[...affected].toSorted(), ...bots].join(",") };
}
