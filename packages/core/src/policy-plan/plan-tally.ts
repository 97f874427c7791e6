/** What a version's plan has come to so far: changes, counts, and what guards would say. */
import type { Entitlement, IncarnationId, UserId } from "../words.ts";
import type { MeaningOf } from "./branch-classes.ts";
import { type ChangeDraft, createDraft, tellDraft } from "./change-drafts.ts";
import { type Delta, isSameChange, type ScopeComparison } from "./compare-scope.ts";
import type { BranchMatch, Matches } from "./match-branch.ts";
import type { PlannedBranch, PlannedScope, PolicyPlan, PolicyPlanFacts } from "./types.ts";
import {
  createOverGroups,
  listOverReferences,
  listUnmatchedEntitlements,
  listUnmatchedRules,
  type MatchCount,
} from "./weigh-version.ts";

/** What changes in one scope: what its class shares, and the place of the users who stand out on this branch. */
export interface Placement {
  readonly branch: PlannedBranch;
  readonly endpoint: string;
  readonly shared: ScopeComparison;
  /** Compared for `users` alone; null where nobody stands out. */
  readonly own: ScopeComparison | null;
  readonly users: ReadonlySet<UserId>;
}

export interface PlanTally {
  countBranch(matches: Matches): void;
  place(placement: Placement): void;
  finish(meaningOf: MeaningOf): PolicyPlan;
}

export function createTally(facts: PolicyPlanFacts): PlanTally {
  const counted = createMatchCounts();
  const over = createOverGroups(facts.before?.policy.guards ?? null);
  const touched = new Map<IncarnationId, string[]>();
  const shared = new Map<ScopeComparison, ChangeDraft>();
  const own = new Map<string, ChangeDraft>();
  const changed = { scopes: 0 };
  const retired = new Set(facts.retired);

  function place(placement: Placement): void {
    const { branch, shared: comparison } = placement;
    touch(touched, placement);
    if (retired.has(placement.endpoint)) return;
    const draft = shared.get(comparison) ?? createDraft(comparison.groups, comparison.deltas);
    shared.set(comparison, draft);
    const masked = listMasked(placement);
    const except = masked.filter((userId) => comparison.deltas.has(userId));
    const isShared = hasGroupChange(comparison) || comparison.deltas.size > except.length;
    if (isShared) draft.scopes.push(toScope(placement, except));
    const ownDraft = placeOwn(own, placement, masked);
    if (isShared || ownDraft !== undefined) changed.scopes += 1;
    for (const { entitlement, counts } of countLosses(placement, masked, draft.lossCounts)) {
      const where = `${branch.repository}:${branch.name} at ${placement.endpoint}`;
      if (!over.add({ entitlement, counts, where })) continue;
      draft.over.add(entitlement);
      ownDraft?.over.add(entitlement);
    }
  }

  return {
    countBranch: (matches) => counted.count(matches),
    place,
    finish(meaningOf) {
      const drafts = [...shared.values(), ...own.values()].filter(({ scopes }) => scopes.length > 0);
      const references = listOverReferences(facts.before, listLostReferences(drafts));
      const overReferences = new Set(references.map(({ subject }) => subject));
      const before = facts.before?.policy ?? null;
      return {
        branches: counted.branches(),
        touched: [...touched].map(([incarnation, endpoints]) => ({ incarnation, endpoints })),
        scopes: changed.scopes,
        ...sumDrafts(drafts),
        changes: drafts.map((draft) => ({
          entitlements: tellDraft(draft, (reference) => overReferences.has(reference)),
          scopes: draft.scopes,
        })),
        holds: [
          ...over.list(),
          ...references,
          ...(before === null ? [] : listUnmatchedEntitlements(counted.entitlements)),
          ...listUnmatchedRules({ before, after: facts.after.policy, matched: counted.rules, meaningOf }),
        ],
        idleRules: facts.after.policy.rules
          .filter(({ rule }) => !counted.rules.after.has(rule))
          .map(({ rule, file, line }) => ({ rule, file, line })),
      };
    },
  };
}

function touch(touched: Map<IncarnationId, string[]>, { branch, endpoint, shared }: Placement): void {
  const endpoints = touched.get(branch.incarnation) ?? [];
  if (shared.groups.values().some((group) => group !== "vanishes")) endpoints.push(endpoint);
  touched.set(branch.incarnation, endpoints);
}

/** The users who stand out here: their change is another than what the class says of them. */
function listMasked({ shared, own, users }: Placement): readonly UserId[] {
  if (own === null) return [];
  return [...users].filter((userId) => !isSameChange(shared.deltas.get(userId), own.deltas.get(userId)));
}

function hasGroupChange({ groups }: ScopeComparison): boolean {
  return groups.values().some((group) => group !== "stays");
}

function toScope({ branch, endpoint }: Placement, except: readonly UserId[]): PlannedScope {
  const { incarnation, repository, name, refType } = branch;
  return { incarnation, repository, branch: name, refType, endpoint, except };
}

/** What the users who stand out gain and lose here, beside others of whom the same is true. */
function placeOwn(
  drafts: Map<string, ChangeDraft>,
  placement: Placement,
  masked: readonly UserId[],
): ChangeDraft | undefined {
  const deltas = masked.flatMap((userId) => {
    const theirs = placement.own?.deltas.get(userId);
    return theirs === undefined ? [] : [[userId, theirs] as const];
  });
  if (deltas.length === 0) return undefined;
  const key = JSON.stringify(deltas);
  const draft = drafts.get(key) ?? createDraft(new Map(), new Map(deltas));
  drafts.set(key, draft);
  draft.scopes.push(toScope(placement, []));
  return draft;
}

/** How each entitlement group that loses somebody stands before and after. */
function countLosses(
  { shared, own, users }: Placement,
  masked: readonly UserId[],
  lossCounts: ChangeDraft["lossCounts"],
): readonly { entitlement: Entitlement; counts: Record<"removed" | "baseline" | "remaining", number> }[] {
  const removed = new Map(lossCounts);
  const count = (deltas: readonly Delta[] | undefined, by: 1 | -1): void => {
    for (const { kind, entitlement } of deltas ?? [])
      if (kind === "loss") removed.set(entitlement, (removed.get(entitlement) ?? 0) + by);
  };
  for (const userId of masked) {
    count(shared.deltas.get(userId), -1);
    count(own?.deltas.get(userId), 1);
  }
  const sizeOf = (entitlement: Entitlement, side: "before" | "after"): number => {
    const all = shared[side].get(entitlement) ?? new Set();
    const theirs = own === null ? 0 : (own[side].get(entitlement)?.size ?? 0) - users.intersection(all).size;
    return all.size + theirs;
  };
  return [...removed].map(([entitlement, lost]) => ({
    entitlement,
    counts: { removed: lost, baseline: sizeOf(entitlement, "before"), remaining: sizeOf(entitlement, "after") },
  }));
}

/** Whom each reference of the version in force loses, in at least one scope. */
function listLostReferences(drafts: readonly ChangeDraft[]): ReadonlyMap<string, ReadonlySet<UserId>> {
  const lost = new Map<string, Set<UserId>>();
  for (const { deltas, scopes } of drafts) {
    const excepted = new Map<UserId, number>();
    for (const userId of scopes.flatMap(({ except }) => except)) excepted.set(userId, (excepted.get(userId) ?? 0) + 1);
    for (const [userId, theirs] of deltas) {
      if (excepted.get(userId) === scopes.length) continue;
      for (const delta of theirs) {
        if (delta.kind !== "loss") continue;
        const users = lost.get(delta.was.reference) ?? new Set();
        lost.set(delta.was.reference, users.add(userId));
      }
    }
  }
  return lost;
}

type Sums = Pick<PolicyPlan, "gains" | "losses" | "groupsAppearing" | "groupsVanishing">;

function sumDrafts(drafts: readonly ChangeDraft[]): Sums {
  const sums = { gains: 0, losses: 0, groupsAppearing: 0, groupsVanishing: 0 };
  for (const { groups, deltas, scopes } of drafts) {
    const kinds = [...groups.values()];
    sums.groupsAppearing += scopes.length * kinds.filter((kind) => kind === "appears").length;
    sums.groupsVanishing += scopes.length * kinds.filter((kind) => kind === "vanishes").length;
    const excepted = scopes.flatMap(({ except }) => except.map((userId) => deltas.get(userId) ?? []));
    sums.gains += scopes.length * countKind("gain", deltas.values()) - countKind("gain", excepted);
    sums.losses += scopes.length * countKind("loss", deltas.values()) - countKind("loss", excepted);
  }
  return sums;
}

function countKind(kind: Delta["kind"], users: Iterable<readonly Delta[]>): number {
  return [...users].reduce((sum, theirs) => sum + theirs.filter((delta) => delta.kind === kind).length, 0);
}

/** How many live branches each rule and each granted entitlement of both versions matches. */
function createMatchCounts() {
  const counts = { branches: 0 };
  const rules = { before: new Map<string, number>(), after: new Map<string, number>() };
  const entitlements = new Map<Entitlement, MatchCount>();
  const countSide = (side: "before" | "after", match: BranchMatch): void => {
    for (const { rule } of match.rules) rules[side].set(rule, (rules[side].get(rule) ?? 0) + 1);
    const granted = new Set(match.rules.flatMap(({ grants }) => grants.map(({ entitlement }) => entitlement)));
    for (const entitlement of granted) {
      const count = entitlements.get(entitlement) ?? { before: 0, after: 0 };
      entitlements.set(entitlement, { ...count, [side]: count[side] + 1 });
    }
  };
  return {
    rules,
    entitlements,
    branches: () => counts.branches,
    count({ before, after }: Matches): void {
      counts.branches += 1;
      countSide("before", before);
      countSide("after", after);
    },
  };
}
