import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { computeDesired } from "../desired/compute-desired.ts";
import type { Desired } from "../desired/types.ts";
import { branchOf, type BranchOptions, planFactsOf, planOf, type PlanOptions, tellPlan } from "./testing.ts";

const people: readonly string[] = ["alice", "bob", "carol", "dave", "deployer"];
const someone = fc.constantFrom(...people);
const principal = fc.oneof(
  someone.map((name) => `"user:${name}"`),
  fc.constantFrom("g", "h", "new").map((name) => `"group:${name}"`),
);
const to = fc.uniqueArray(principal, { minLength: 1, maxLength: 2 }).map((list) => `to: [${list.join(", ")}]`);
const verb = fc.constantFrom("push", "merge", "environment:preview");
const grant = fc
  .tuple(verb, to, fc.constantFrom("", ", when: checkout, for: 1h", ", endpoints: [hg]", ", until: 2026-06-01"))
  .map(([name, whom, rest]) => `{ entitlement: ${name}, ${whom}${rest} }`);
const deny = fc.tuple(verb, to).map(([name, whom]) => `{ entitlement: ${name}, ${whom} }`);
const pattern = fc.constantFrom("**", "main", "dev/**", "dev/${user.userName}", "x-${user.userName}-y", "*");
const rule = fc
  .record({
    branches: fc.uniqueArray(pattern, { minLength: 1, maxLength: 2 }),
    repositories: fc.constantFrom("acme/*", "${user.userName}/*"),
    grants: fc.array(grant, { minLength: 1, maxLength: 2 }),
    denies: fc.array(deny, { maxLength: 1 }),
    exclusive: fc.boolean(),
  })
  .map(({ branches, repositories, grants, denies, exclusive }) => {
    const names = branches.map((each) => `"${each}"`).join(", ");
    const rest = exclusive ? ", exclusive: [push, merge]" : "";
    return `{ repositories: ["${repositories}"], branches: [${names}], grants: [${grants.join(", ")}], deny: [${denies.join(", ")}]${rest} }`;
  });
const bots = fc.constantFrom(
  "",
  '\nbots: [{ user: deployer, ceiling: { entitlements: [push], branches: ["main"] } }]',
  '\nbots: [{ user: deployer, ceiling: { entitlements: [merge], branches: ["**"], hours: "13:00-14:00" } }]',
);
const policy = fc
  .tuple(fc.array(rule, { maxLength: 4 }), bots)
  .map(([list, rest]) => `policy: [${list.join(", ")}]${rest}`);
const branch: fc.Arbitrary<BranchOptions> = fc
  .record({
    name: fc.constantFrom("main", "dev/alice", "dev/bob", "dev/x", "x-carol-y", "topic", "dev/alice/x"),
    repository: fc.constantFrom("acme/web", "acme/api", "alice/web"),
    strictName: fc.constantFrom(undefined, undefined, undefined, "dev/bob"),
    state: fc.constantFrom("active" as const, "active" as const, "closed" as const),
    present: fc.subarray(["alice", "dave"]),
  })
  .map(({ strictName, ...rest }) => (strictName === undefined ? rest : { ...rest, strictName }));
const members = fc.uniqueArray(someone);
const scene = fc
  .record({
    before: fc.option(policy, { freq: 8 }),
    edited: policy,
    isEdited: fc.boolean(),
    g: members,
    h: members,
    fresh: members,
    branches: fc.uniqueArray(branch, { maxLength: 12, selector: ({ name, repository }) => `${repository} ${name}` }),
  })
  .map(({ before, edited, isEdited, g, h, fresh, branches }) => ({
    before,
    after: before === null || isEdited ? edited : before,
    groups: { g, h },
    bound: { new: fresh },
    branches,
    endpoints: ["directory", "hg"],
  }));

/** The same told the slow way: both versions worked out for every scope and everybody. */
function tellSlowly(options: PlanOptions): readonly string[] {
  const { before, after, users, endpoints, now } = planFactsOf(options);
  const lines = options.branches.map(branchOf).flatMap((each) =>
    endpoints.flatMap((endpoint) => {
      const facts = {
        users,
        now,
        repository: { name: each.repository },
        incarnation: {
          id: each.incarnation,
          refType: each.refType,
          state: each.state,
          names: [each.name, ...(each.strictNames.get(endpoint) ?? [])] as [string, ...string[]],
        },
        checkouts: each.checkouts,
        emergencies: each.emergencies,
        endpoint: { name: endpoint },
      };
      const old = before === null ? null : computeDesired({ ...facts, ...before });
      return tellDifference(`${each.name}@${endpoint}`, old, computeDesired({ ...facts, ...after }));
    }),
  );
  return lines.toSorted();
}

function tellDifference(head: string, old: Desired | null, now: Desired): readonly string[] {
  const index = (desired: Desired | null) =>
    new Map((desired?.entitlements ?? []).map((each) => [each.entitlement, each.members.map(({ userId }) => userId)]));
  const [had, has] = [index(old), index(now)];
  return [...new Set([...had.keys(), ...has.keys()])].flatMap((entitlement) => {
    const [was, is] = [had.get(entitlement), has.get(entitlement)];
    const group = was === undefined ? ["appears"] : is === undefined ? ["vanishes"] : [];
    const gained = (is ?? []).filter((user) => !was?.includes(user)).map((user) => `+${user}`);
    const lost = (was ?? []).filter((user) => !is?.includes(user)).map((user) => `-${user}`);
    return [...group, ...gained, ...lost].map((change) => `${head} ${entitlement} ${change}`);
  });
}

describe("the plan of a version, over any two policies", { timeout: 60_000 }, () => {
  it("says of every scope what working it out alone says", () => {
    fc.assert(
      fc.property(scene, (options) => {
        const plan = planOf(options);
        const told = tellPlan(plan);
        expect(told).toEqual(tellSlowly(options));
        const count = (sign: RegExp) => told.filter((line) => sign.test(line)).length;
        expect(plan).toMatchObject({
          branches: options.branches.length,
          gains: count(/ \+\S+$/u),
          losses: count(/ -\S+$/u),
          groupsAppearing: count(/ appears$/u),
          groupsVanishing: count(/ vanishes$/u),
        });
      }),
      { numRuns: 100 },
    );
  });

  it("changes nothing where the policy and what its groups mean stay the same", () => {
    fc.assert(
      fc.property(scene, ({ after, branches, ...options }) => {
        // A rename under way is always looked at again.
        const settled = branches.map(({ name, repository = "", present = [] }) => ({ name, repository, present }));
        const plan = planOf({ ...options, branches: settled, before: after, after, bound: {} });
        expect([plan.changes, plan.holds, plan.touched]).toEqual([[], [], []]);
      }),
    );
  });
});
