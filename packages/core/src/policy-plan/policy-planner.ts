/**
 * What a proposed policy version would do to every live branch (rule B1). Branches come one by one and none is kept:
 * what is kept is each different change, once, and the names of the scopes that it is about. Pure.
 */
import { canonicalRule } from "../policy/canonical-policy.ts";
import type { Bot, PolicyRule } from "../policy/types.ts";
import { type BranchClass, createBranchClass, createCompareFor } from "./branch-classes.ts";
import { createFindPersonalUsers } from "./find-personal-users.ts";
import { createMatchBranch, type Matches } from "./match-branch.ts";
import { createTally } from "./plan-tally.ts";
import type { PlannedBranch, PolicyPlan, PolicyPlanFacts } from "./types.ts";

export interface PolicyPlanner {
  add(branch: PlannedBranch): void;
  finish(): PolicyPlan;
}

export function createPolicyPlanner(facts: PolicyPlanFacts): PolicyPlanner {
  const match = createMatchBranch();
  const findPersonal = createFindPersonalUsers(facts.users);
  const compare = createCompareFor(facts);
  const meaningOf = createMeaningOf();
  const classes = new Map<string, BranchClass>();
  const worked = new Map<string, BranchClass["scopes"]>();
  const tally = createTally(facts);

  function matchBoth(branch: PlannedBranch): Matches {
    const after = match(facts.after.policy, branch);
    return { after, before: facts.before === null ? noMatch : match(facts.before.policy, branch) };
  }

  /** A rename under way narrows by the rules of another name: such branches are few, and looked at whole. */
  function addRenamed(branch: PlannedBranch): void {
    for (const endpoint of facts.endpoints) {
      const shared = compare(branch, endpoint, { matches: null, who: "all" });
      tally.place({ branch, endpoint, shared, own: null, users: new Set() });
    }
  }

  function add(branch: PlannedBranch): void {
    const matches = matchBoth(branch);
    tally.countBranch(matches);
    if (branch.strictNames.values().some((names) => names.length > 0)) return addRenamed(branch);
    const personal = findPersonal([...matches.before.personal, ...matches.after.personal], branch);
    const users = personal.union(new Set([...branch.checkouts, ...branch.emergencies].map(({ userId }) => userId)));
    const key = `${branch.state} ${matches.before.key} ${matches.after.key}`;
    const known = classes.get(key);
    const shared = known ?? createBranchClass({ facts, meaningOf, compare, branch, matches, known: worked });
    if (known === undefined) classes.set(key, shared);
    if (shared.isSame) return;
    for (const endpoint of facts.endpoints) {
      const comparison = shared.scopes.get(endpoint);
      if (comparison === undefined) continue;
      const own = users.size === 0 ? null : compare(branch, endpoint, { matches: shared.matches, who: users });
      tally.place({ branch, endpoint, shared: comparison, own, users });
    }
  }

  return { add, finish: () => tally.finish(meaningOf) };
}

const noMatch: Matches["before"] = { rules: [], personal: [], bots: [], key: "" };

function createMeaningOf(): (rule: PolicyRule | Bot) => string {
  const meanings = new WeakMap<PolicyRule | Bot, string>();
  return (rule) => {
    const meaning = meanings.get(rule) ?? canonicalRule(rule);
    meanings.set(rule, meaning);
    return meaning;
  };
}
