/** Plans for tests, from policies as they are written in a configuration. */
import { factsOf, noon, policyOf, userIdOf, type FactsOptions } from "../desired/testing.ts";
import type { IncarnationId } from "../words.ts";
import { createPolicyPlanner } from "./policy-planner.ts";
import type { PlannedBranch, PolicyPlan, PolicyPlanFacts, PolicySide } from "./types.ts";

export interface BranchOptions {
  readonly name: string;
  readonly repository?: string;
  /** Former name that still narrows it everywhere. */
  readonly strictName?: string;
  readonly state?: "active" | "closed";
  readonly present?: readonly string[];
}

export interface PlanOptions {
  /** Null: no version is in force. */
  readonly before: string | null;
  readonly after: string;
  readonly groups?: FactsOptions["groups"];
  /** Groups that come to be bound with the proposed version. */
  readonly bound?: FactsOptions["groups"];
  readonly branches: readonly (string | BranchOptions)[];
  readonly endpoints?: readonly string[];
  readonly retired?: readonly string[];
}

export function planFactsOf(options: PlanOptions): PolicyPlanFacts {
  const { before, after, groups = {}, bound = {}, endpoints, retired } = options;
  const { users, groups: known } = factsOf({ policy: after, groups: { ...groups, ...bound } });
  const sideOf = (text: string, names: readonly string[]): PolicySide => ({
    policy: policyOf(text),
    groups: new Map([...known].filter(([reference]) => names.includes(reference.replace("group:", "")))),
  });
  return {
    before: before === null ? null : sideOf(before, Object.keys(groups)),
    after: sideOf(after, Object.keys({ ...groups, ...bound })),
    users,
    endpoints: endpoints ?? ["directory"],
    retired: retired ?? [],
    now: noon,
  };
}

export function branchOf(branch: string | BranchOptions, index: number): PlannedBranch {
  const { name, repository, strictName, state, present = [] } = typeof branch === "string" ? { name: branch } : branch;
  const strict = strictName === undefined ? [] : [strictName];
  return {
    incarnation: parseIncarnation(`incarnation-${index}`),
    repository: repository ?? "acme/web",
    name,
    refType: "branch",
    state: state ?? "active",
    strictNames: new Map(["directory", "hg"].map((endpoint) => [endpoint, strict])),
    checkouts: present.map((user) => ({ userId: userIdOf(user), startedAt: noon, trust: "claim", workingCopy: "w" })),
    emergencies: [],
  };
}

export function planOf(options: PlanOptions): PolicyPlan {
  const planner = createPolicyPlanner(planFactsOf(options));
  for (const [index, branch] of options.branches.entries()) planner.add(branchOf(branch, index));
  return planner.finish();
}

/** Every change as `main@directory push +alice`, sorted; groups as `main@directory push appears`. */
export function tellPlan({ changes }: PolicyPlan): readonly string[] {
  const lines = changes.flatMap(({ entitlements, scopes }) =>
    scopes.flatMap(({ branch, endpoint, except }) =>
      entitlements.flatMap(({ entitlement, group, gains, losses }) => {
        const head = `${branch}@${endpoint} ${entitlement}`;
        const name = (sign: string, users: readonly string[]) =>
          users.filter((user) => !except.some((each) => each === user)).map((user) => `${head} ${sign}${user}`);
        return [
          ...(group === "stays" ? [] : [`${head} ${group}`]),
          ...gains.flatMap(({ users }) => name("+", users)),
          ...losses.flatMap(({ users }) => name("-", users)),
        ];
      }),
    ),
  );
  return lines.toSorted();
}

function parseIncarnation(text: string): IncarnationId {
  return text as IncarnationId;
}
