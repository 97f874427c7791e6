/** Why a proposed version waits for approval: guards exceeded, or something that matched and matches no more (rules B1, C1). */
import { judgeCounts } from "../guards/judge-removals.ts";
import { canonicalBody } from "../policy/canonical-policy.ts";
import type { Guards, Policy, PolicyRule } from "../policy/types.ts";
import type { Entitlement, UserId } from "../words.ts";
import type { MeaningOf } from "./branch-classes.ts";
import type { PolicyHold, PolicySide } from "./types.ts";

export interface GroupCounts {
  readonly removed: number;
  readonly baseline: number;
  readonly remaining: number;
}

/** Entitlement groups over their limit, told once for each entitlement. */
export interface OverGroups {
  /** @returns whether the group is over its limit */
  add(group: { readonly entitlement: Entitlement; readonly counts: GroupCounts; readonly where: string }): boolean;
  list(): readonly PolicyHold[];
}

export function createOverGroups(guards: Guards | null): OverGroups {
  const over = new Map<Entitlement, { count: number; worst: GroupCounts; example: string }>();
  return {
    add({ entitlement, counts, where }) {
      if (guards === null || counts.removed === 0 || !judgeCounts(guards, counts).isOver) return false;
      const known = over.get(entitlement);
      if (known === undefined) over.set(entitlement, { count: 1, worst: counts, example: where });
      else {
        known.count += 1;
        if (counts.removed > known.worst.removed) Object.assign(known, { worst: counts, example: where });
      }
      return true;
    },
    list: () =>
      [...over].map(([entitlement, { count, worst, example }]) => ({
        kind: "entitlement-group",
        subject: entitlement,
        count,
        members: { removed: worst.removed, before: worst.baseline },
        example,
        message: `${entitlement} would lose ${tellShare(worst)} in ${example}${count > 1 ? `, and too many in ${count - 1} other scopes` : ""}`,
      })),
  };
}

/** Directory groups that would lose too many, whatever the scope: by the policy's reference. */
export function listOverReferences(
  before: PolicySide | null,
  lost: ReadonlyMap<string, ReadonlySet<UserId>>,
): readonly PolicyHold[] {
  if (before === null) return [];
  return [...lost].flatMap(([reference, users]) => {
    const baseline = before.groups.get(reference)?.members.length ?? 0;
    const counts = { removed: users.size, baseline, remaining: Math.max(0, baseline - users.size) };
    if (!before.groups.has(reference) || !judgeCounts(before.policy.guards, counts).isOver) return [];
    const message = `${tellShare(counts)} of ${reference} would lose something`;
    const members = { removed: counts.removed, before: baseline };
    return [{ kind: "directory-group", subject: reference, count: users.size, members, example: reference, message }];
  });
}

function tellShare({ removed, baseline, remaining }: GroupCounts): string {
  const all = remaining === 0 ? "all " : "";
  return `${all}${removed} of ${baseline} member${baseline === 1 ? "" : "s"}`;
}

/** How many live branches something matches under each version. */
export interface MatchCount {
  readonly before: number;
  readonly after: number;
}

/** Verbs that are granted on live branches and would be granted on none. */
export function listUnmatchedEntitlements(counts: ReadonlyMap<Entitlement, MatchCount>): readonly PolicyHold[] {
  return [...counts]
    .filter(([, { before, after }]) => before > 0 && after === 0)
    .map(([entitlement, { before }]) => ({
      kind: "entitlement-unmatched",
      subject: entitlement,
      count: before,
      members: null,
      example: entitlement,
      message: `${entitlement} is granted on ${before} live branch${before === 1 ? "" : "es"} and would be granted on none`,
    }));
}

interface RuleQuestion {
  readonly before: Policy | null;
  readonly after: Policy;
  readonly matched: { readonly before: ReadonlyMap<string, number>; readonly after: ReadonlyMap<string, number> };
  readonly meaningOf: MeaningOf;
}

/**
 * Changed rules that match no live branch although what they replace did: a slip in a pattern. A rule replaces one that
 * gives and takes the same, or one that stood in its place and names one of its entitlements.
 */
export function listUnmatchedRules({ before, after, matched, meaningOf }: RuleQuestion): readonly PolicyHold[] {
  if (before === null) return [];
  const [known, kept] = [new Set(before.rules.map(meaningOf)), new Set(after.rules.map(meaningOf))];
  const replaced = before.rules.filter(
    (rule) => !kept.has(meaningOf(rule)) && (matched.before.get(rule.rule) ?? 0) > 0,
  );
  const changed = after.rules.filter((rule) => !known.has(meaningOf(rule)));
  return changed.flatMap((rule) => {
    if ((matched.after.get(rule.rule) ?? 0) > 0) return [];
    const was = replaced.find((old) => isReplacement(old, rule));
    if (was === undefined) return [];
    const count = matched.before.get(was.rule) ?? 0;
    const place = `${rule.rule} (${rule.file}:${rule.line})`;
    const message = `${place} matches no live branch; what it replaces matched ${count}`;
    return [{ kind: "rule-unmatched", subject: rule.rule, count, members: null, example: place, message }];
  });
}

function isReplacement(old: PolicyRule, rule: PolicyRule): boolean {
  if (canonicalBody(old) === canonicalBody(rule)) return true;
  return old.rule === rule.rule && !verbsOf(old).isDisjointFrom(verbsOf(rule));
}

function verbsOf({ grants, deny }: PolicyRule): ReadonlySet<Entitlement> {
  return new Set([...grants, ...deny].map(({ entitlement }) => entitlement));
}
