import { describe, expect, it } from "vitest";
import { canonicalRemovals, listGuardedLosses } from "./canonical-removals.ts";
import { planOf, tellPlan, type PlanOptions } from "./testing.ts";

const many = Array.from({ length: 5 }, (_, index) => ["alice", "bob", "carol", "dave", "deployer"][index] ?? "");
const rule = (branches: string, ...grants: string[]) =>
  `{ repositories: ["**"], branches: ["${branches}"], grants: [${grants.map((each) => `{ ${each} }`).join(", ")}] }`;
const policyOfRules = (...rules: string[]) => `policy: [${rules.join(", ")}]`;
const pushBy = (group: string) => `entitlement: push, to: ["group:${group}"]`;
const release = policyOfRules(rule("release/**", pushBy("managers")));
const groups = { managers: ["alice", "bob"], eng: many };
const plan = (options: Partial<PlanOptions> & Pick<PlanOptions, "after">) =>
  planOf({ before: release, groups, branches: ["release/1", "release/2", "main"], ...options });
const kinds = (options: Parameters<typeof plan>[0]) => plan(options).holds.map(({ kind, subject }) => [kind, subject]);

describe("the plan of a policy version", () => {
  it("tells a change of many scopes once, with the rule that gives, the rule that gave, and every scope", () => {
    const after = policyOfRules(rule("release/**", pushBy("managers"), 'entitlement: read, to: ["user:carol"]'));
    expect(plan({ after })).toMatchObject({
      branches: 3,
      scopes: 2,
      gains: 2,
      groupsAppearing: 2,
      touched: [
        { incarnation: "incarnation-0", endpoints: ["directory"] },
        { incarnation: "incarnation-1", endpoints: ["directory"] },
      ],
      holds: [],
      changes: [
        {
          entitlements: [
            {
              entitlement: "read",
              group: "appears",
              gains: [{ rule: "policy[0].grants[1]", line: 2, reference: "user:carol", users: ["carol"] }],
              losses: [],
            },
          ],
          scopes: [
            { branch: "release/1", endpoint: "directory" },
            { branch: "release/2", endpoint: "directory" },
          ],
        },
      ],
    });
  });

  it("gives and takes nothing at a retired endpoint, whose scopes are made all the same for when that is taken back", () => {
    const after = policyOfRules(rule("release/**", 'entitlement: read, to: ["user:carol"]'));
    const both = { after, endpoints: ["directory", "hg"] };
    const { scopes, gains, losses, groupsVanishing, touched, ...told } = plan({ ...both, retired: ["hg"] });
    expect({ scopes, gains, losses, groupsVanishing }).toEqual({ scopes: 2, gains: 2, losses: 4, groupsVanishing: 2 });
    expect(told.changes.flatMap((change) => change.scopes.map(({ endpoint }) => endpoint))).not.toContain("hg");
    expect(told.holds.map(({ example }) => example).join()).not.toContain("at hg");
    expect(touched).toEqual(plan(both).touched);
    const alone = plan({ ...both, retired: ["directory", "hg"] });
    expect(alone).toMatchObject({ scopes: 0, changes: [] });
    expect(alone.holds.map(({ kind }) => kind)).not.toContain("entitlement-group");
  });

  it("names what takes away: a deny, a ceiling, or nothing that grants any more", () => {
    const deny = `{ repositories: ["**"], branches: ["**"], deny: [{ entitlement: push, to: ["user:bob"] }] }`;
    const lossesOf = (after: string) =>
      plan({ after }).changes.flatMap(({ entitlements }) => entitlements.flatMap(({ losses }) => losses));
    expect(lossesOf(policyOfRules(rule("release/**", pushBy("managers")), deny))).toMatchObject([
      { users: ["bob"], cause: "deny", was: { reference: "group:managers" }, by: { rule: "policy[1].deny[0]" } },
    ]);
    expect(lossesOf(policyOfRules(rule("release/**", 'entitlement: push, to: ["user:alice"]')))).toMatchObject([
      { users: ["bob"], cause: "not-granted", by: null },
    ]);
    expect(lossesOf("policy: []")).toMatchObject([{ users: ["alice", "bob"], cause: "unmentioned", by: null }]);
  });

  it("keeps whoever has a checkout, or a value of their own in the name, apart from all others", () => {
    const before = policyOfRules(rule("dev/**", pushBy("eng")));
    const after = policyOfRules(rule("dev/${user.userName}/**", pushBy("eng")));
    const told = plan({ before, after, branches: ["dev/alice/x", "dev/bob/x"] });
    expect(told.changes).toHaveLength(1);
    expect(told.changes[0]?.scopes.map(({ branch, except }) => [branch, except])).toEqual([
      ["dev/alice/x", ["alice"]],
      ["dev/bob/x", ["bob"]],
    ]);
    const jit = policyOfRules(rule("**", 'entitlement: read, to: ["group:eng"], when: checkout, for: 1h'));
    const present = { name: "main", present: ["dave"] };
    expect(tellPlan(plan({ before: null, after: jit, branches: [present, "dev"] }))).toEqual([
      "dev@directory read appears",
      "main@directory read +dave",
      "main@directory read appears",
    ]);
  });

  it("counts what a group comes to mean once it is bound", () => {
    const after = policyOfRules(rule("release/**", pushBy("managers"), pushBy("new")));
    expect(tellPlan(plan({ after, bound: { new: ["carol"] }, branches: ["release/1"] }))).toEqual([
      "release/1@directory push +carol",
    ]);
  });

  it("names the rules that match no live branch", () => {
    const after = policyOfRules(rule("release/**", pushBy("managers")), rule("hotfix/**", pushBy("managers")));
    expect(plan({ after }).idleRules).toEqual([{ rule: "policy[1]", file: "branchward.yaml", line: 2 }]);
  });
});

describe("rule B1: a version waits for approval", () => {
  it("never where no version is in force", () => {
    expect(kinds({ before: null, after: release })).toEqual([]);
  });

  it("where an entitlement group would be emptied that had more than one member", () => {
    const after = policyOfRules(rule("release/**", pushBy("nobody")));
    const { holds, changes } = plan({ after, groups: { ...groups, nobody: [] } });
    expect(holds).toMatchObject([
      {
        kind: "entitlement-group",
        subject: "push",
        count: 2,
        members: { removed: 2, before: 2 },
        example: "acme/web:release/1 at directory",
      },
      { kind: "directory-group", subject: "group:managers" },
    ]);
    expect(changes[0]?.entitlements[0]?.losses).toMatchObject([{ users: ["alice", "bob"], isOverGuard: true }]);
  });

  it("where more go than guards let go, and not where fewer do", () => {
    const guards = "\nguards: { maxRemovals: 1, maxRemovalShare: 0.1 }";
    const before = `${policyOfRules(rule("**", pushBy("eng")))}${guards}`;
    const keeping = (...users: string[]) =>
      policyOfRules(rule("**", `entitlement: push, to: [${users.map((user) => `"user:${user}"`).join(", ")}]`));
    expect(kinds({ before, after: keeping("alice", "bob", "carol") })).toEqual([
      ["entitlement-group", "push"],
      ["directory-group", "group:eng"],
    ]);
    expect(kinds({ before, after: keeping("alice", "bob", "carol", "dave") })).toEqual([]);
  });

  it("by the guards in force, whatever the proposed version says of guards", () => {
    const lax = "\nguards: { maxRemovals: 1000, maxRemovalShare: 1 }";
    const before = `${policyOfRules(rule("**", pushBy("eng")))}\nguards: { maxRemovals: 1, maxRemovalShare: 0.1 }`;
    expect(
      kinds({ before, after: `${policyOfRules(rule("**", 'entitlement: push, to: ["user:alice"]'))}${lax}` }),
    ).toHaveLength(2);
  });

  it("where a deny takes from too many, since it is not in force yet", () => {
    const deny = `{ repositories: ["**"], branches: ["**"], deny: [{ entitlement: push, to: ["group:managers"] }] }`;
    expect(kinds({ after: policyOfRules(rule("release/**", pushBy("managers")), deny) })).toHaveLength(2);
  });

  it("where an entitlement that was granted on live branches would be granted on none", () => {
    const before = policyOfRules(rule("release/**", pushBy("managers"), 'entitlement: merge, to: ["group:none"]'));
    expect(kinds({ before, after: release, groups: { ...groups, none: [] } })).toEqual([
      ["entitlement-unmatched", "merge"],
    ]);
  });

  it("where a slip in a pattern lets a rule match nothing", () => {
    const both = (branches: string) => policyOfRules(rule("main", pushBy("managers")), rule(branches, pushBy("one")));
    const options = { groups: { ...groups, one: ["carol"] }, before: both("release/**") };
    expect(kinds({ ...options, after: both("relase/**") })).toEqual([["rule-unmatched", "policy[1]"]]);
    expect(kinds({ ...options, after: both("release/*") })).toEqual([]);
  });

  it("not for a new rule that nothing matches yet, nor for a rule taken out", () => {
    const later = policyOfRules(rule("release/**", pushBy("managers")), rule("hotfix/**", pushBy("managers")));
    expect(kinds({ after: later })).toEqual([]);
    const one = { ...groups, one: ["carol"] };
    const before = policyOfRules(rule("release/**", pushBy("managers")), rule("main", pushBy("one")));
    expect(kinds({ before, after: release, groups: one })).toEqual([]);
  });
});

describe("what an approval is of", () => {
  const nobody = { groups: { ...groups, nobody: [] }, after: policyOfRules(rule("release/**", pushBy("nobody"))) };

  it("is whom guards would keep, through which reference", () => {
    expect(listGuardedLosses(plan(nobody))).toEqual([
      { entitlement: "push", reference: "group:managers", userId: "alice" },
      { entitlement: "push", reference: "group:managers", userId: "bob" },
    ]);
  });

  it("stays the same while branches of the same rules come, and not when others lose", () => {
    const text = canonicalRemovals(plan(nobody));
    expect(canonicalRemovals(plan({ ...nobody, branches: ["release/1", "release/2", "release/3"] }))).toBe(text);
    const grown = { ...nobody, groups: { managers: ["alice", "bob", "carol"], nobody: [] } };
    expect(canonicalRemovals(plan(grown))).not.toBe(text);
  });
});
