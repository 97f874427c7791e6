import { describe, expect, it } from "vitest";
import { computeDesired } from "./compute-desired.ts";
import { factsOf, membersOf, noon, ruleOf, type FactsOptions } from "./testing.ts";

const desiredOf = (options: FactsOptions) => computeDesired(factsOf(options));
const members = (options: FactsOptions) => membersOf(desiredOf(options));
const policyWith = (...rules: string[]) => `policy: [${rules.join(", ")}]`;
const after = (ms: number) => new Date(noon.getTime() + ms);
const hourMs = 3_600_000;

describe("standing grants", () => {
  const policy = policyWith(
    ruleOf(['entitlement: push, to: ["group:eng", "user:BOB"]']),
    ruleOf(['entitlement: push, to: ["group:web"]']),
  );

  it("add up over rules and principals, and every member carries its reasons", () => {
    const { entitlements } = desiredOf({ policy, groups: { eng: ["alice"], web: ["alice", "carol"] } });
    expect(entitlements).toMatchObject([
      {
        entitlement: "push",
        members: [
          {
            userId: "alice",
            reasons: [
              {
                rule: "policy[0].grants[0]",
                file: "branchward.yaml",
                line: 2,
                reference: "group:eng",
                path: ["eng"],
                kind: "standing",
                until: null,
              },
              { rule: "policy[1].grants[0]", reference: "group:web", path: ["web"] },
            ],
          },
          { userId: "bob", reasons: [{ reference: "user:BOB", path: [] }] },
          { userId: "carol" },
        ],
      },
    ]);
  });

  it("do not hold for the inactive, who are named with the cause", () => {
    const desired = desiredOf({ policy, groups: { eng: ["alice"], web: [] }, inactive: ["alice"] });
    expect(membersOf(desired)).toEqual({ push: ["bob"] });
    expect(desired.exclusions).toMatchObject([
      { userId: "alice", entitlement: "push", cause: "inactive", rule: "policy[0].grants[0]" },
    ]);
  });

  it("end at their date", () => {
    const ending = policyWith(ruleOf(['entitlement: push, to: ["user:alice"], until: "2026-06-01T13:00:00Z"']));
    expect(desiredOf({ policy: ending })).toMatchObject({
      nextChangeAt: after(hourMs),
      entitlements: [{ members: [{ userId: "alice" }] }],
    });
    const ended = desiredOf({ policy: ending, now: after(hourMs) });
    expect(membersOf(ended)).toEqual({ push: [] });
    expect(ended).toMatchObject({ nextChangeAt: null, exclusions: [{ cause: "expired" }] });
  });
});

describe("rule B2: what a scope holds", () => {
  const policy = policyWith(
    ruleOf(
      ['entitlement: push, to: ["group:nobody"]', 'entitlement: deploy, to: ["user:alice"], endpoints: [hg]'],
      ', deny: [{ entitlement: force, to: ["user:bob"] }]',
    ),
  );

  it("is the group of every entitlement that a matching grant names there, empty or not", () => {
    expect(members({ policy, groups: { nobody: [] } })).toEqual({ push: [] });
    expect(members({ policy, groups: { nobody: [] }, endpoint: "hg" })).toEqual({ deploy: ["alice"], push: [] });
  });

  it("is nothing where no rule matches", () => {
    const other = `policy: [{ repositories: ["acme/api"], branches: ["**"], grants: [{ entitlement: push, to: ["user:alice"] }] }]`;
    expect(desiredOf({ policy: other }).entitlements).toEqual([]);
  });
});

describe("rule B3: the order of adding up", () => {
  const both = ['entitlement: merge, to: ["group:eng"]', 'entitlement: deploy, to: ["group:eng"]'];

  it("keeps of exclusive entitlements the one listed first and withholds the other with a finding", () => {
    const desired = desiredOf({
      policy: policyWith(ruleOf(both, ", exclusive: [deploy, merge]")),
      groups: { eng: ["alice"] },
    });
    expect(membersOf(desired)).toEqual({ deploy: ["alice"], merge: [] });
    expect(desired.findings).toMatchObject([
      { code: "exclusive-withheld", entitlement: "merge", userId: "alice", rule: "policy[0].exclusive" },
    ]);
  });

  it("applies exclusive before deny, so that a denied entitlement does not free the other", () => {
    const rest = ', exclusive: [deploy, merge], deny: [{ entitlement: deploy, to: ["user:alice"] }]';
    expect(members({ policy: policyWith(ruleOf(both, rest)), groups: { eng: ["alice", "bob"] } })).toEqual({
      deploy: ["bob"],
      merge: [],
    });
  });

  it("excludes across endpoints", () => {
    const policy = policyWith(
      ruleOf(
        ['entitlement: merge, to: ["user:alice"]', 'entitlement: deploy, to: ["user:alice"], endpoints: [hg]'],
        ", exclusive: [deploy, merge]",
      ),
    );
    expect(members({ policy })).toEqual({ merge: [] });
  });

  it("tells of what it withheld where that was granted, and at no other endpoint", () => {
    const bots = "\nbots: [{ user: alice, ceiling: { entitlements: [merge], branches: [main] } }]";
    const policy = policyWith(
      ruleOf(
        [
          'entitlement: merge, to: ["user:bob"]',
          'entitlement: deploy, to: ["user:bob", "user:alice"], endpoints: [hg]',
        ],
        ", exclusive: [merge, deploy]",
      ),
    );
    const told = (endpoint: string) => {
      return desiredOf({ policy: `${policy}${bots}`, endpoint }).findings.map(
        ({ code, userId }) => `${code} ${userId}`,
      );
    };
    expect(told("hg")).toEqual(["exclusive-withheld bob", "ceiling-clipped alice"]);
    expect(told("directory")).toEqual([]);
  });

  it("denies over every grant and names who is denied by what", () => {
    const policy = policyWith(
      ruleOf(['entitlement: push, to: ["group:eng"]']),
      ruleOf([], ', deny: [{ entitlement: push, to: ["group:contractors"] }]'),
    );
    const desired = desiredOf({ policy, groups: { eng: ["alice", "bob"], contractors: ["bob", "carol"] } });
    expect(membersOf(desired)).toEqual({ push: ["alice"] });
    expect(desired.exclusions).toMatchObject([
      { userId: "bob", cause: "deny", rule: "policy[1].deny[0]", path: ["contractors"] },
    ]);
  });

  it("reports fewer members than there must be, and delays nothing for it", () => {
    const policy = policyWith(ruleOf(['entitlement: push, to: ["user:alice"], atLeast: 1']));
    const desired = desiredOf({ policy, inactive: ["alice"] });
    expect(membersOf(desired)).toEqual({ push: [] });
    expect(desired.findings).toMatchObject([{ code: "at-least", severity: "critical" }]);
  });
});

describe("rule B4: groups", () => {
  const policy = policyWith(
    ruleOf(
      ['entitlement: push, to: ["group:release-managers"]'],
      ', deny: [{ entitlement: push, to: ["group:contractors"] }]',
    ),
  );

  it("grant and deny nobody while they are unbound, with a finding", () => {
    const desired = desiredOf({ policy, groups: { "release-managers": ["alice", "bob"] } });
    expect(membersOf(desired)).toEqual({ push: ["alice", "bob"] });
    expect(desired.lostReferences).toEqual([]);
    expect(desired.findings).toMatchObject([{ code: "group-unbound", rule: "policy[0].deny[0]" }]);
  });

  it("keep a contractor among the release managers from gaining push when contractors is deleted", () => {
    const groups = { "release-managers": ["alice", "bob"], contractors: ["bob"] };
    const desired = desiredOf({ policy, groups, lost: ["contractors"] });
    expect(membersOf(desired)).toEqual({ push: ["alice"] });
    expect(desired.lostReferences).toEqual(["group:contractors"]);
    expect(desired.findings).toMatchObject([{ code: "group-lost", severity: "critical" }]);
  });

  it("keep their last members while they are lost, minus the deactivated", () => {
    const groups = { "release-managers": ["alice", "bob"], contractors: [] };
    const desired = desiredOf({ policy, groups, lost: ["release-managers"], inactive: ["bob"] });
    expect(membersOf(desired)).toEqual({ push: ["alice"] });
    expect(desired.lostReferences).toEqual(["group:release-managers"]);
  });

  it("do not withhold additions where a lost group is not named", () => {
    const elsewhere = `{ repositories: ["**"], branches: ["other"], grants: [{ entitlement: push, to: ["group:gone"] }] }`;
    const desired = desiredOf({ policy: policyWith(elsewhere), groups: { gone: ["alice"] }, lost: ["gone"] });
    expect(desired).toMatchObject({ lostReferences: [], findings: [] });
  });
});

describe("rule B5: patterns that hold a user's attribute", () => {
  const policy = `policy: [{ repositories: ["**"], branches: ["dev/\${user.userName}/**"], grants: [{ entitlement: push, to: ["group:all"] }] }]`;
  const all = ["alice", "bob", "**"];

  it("give everyone their own branches", () => {
    expect(members({ policy, groups: { all }, names: ["dev/alice/x"] })).toEqual({ push: ["alice"] });
  });

  it.each(["dev/x/y", "dev/**/y", "dev/alice/bob/x"])("give a user named ** nothing at %s", (name) => {
    expect(members({ policy, groups: { all: ["**"] }, names: [name] })).toEqual({ push: [] });
  });

  it("give nothing to a user without the attribute", () => {
    const byTeam = policy.replace("userName", "team");
    const attributes = { alice: { team: "web" } };
    expect(members({ policy: byTeam, groups: { all }, names: ["dev/web/x"], attributes })).toEqual({ push: ["alice"] });
  });
});

describe("rule B6: just-in-time grants", () => {
  const policy = policyWith(ruleOf(['entitlement: read, to: ["group:eng"], when: checkout, for: 8h']));
  const groups = { eng: ["alice", "bob"] };

  it("hold while a checkout is young enough", () => {
    const desired = desiredOf({ policy, groups, checkouts: [{ user: "alice", startedAt: after(-hourMs) }] });
    expect(desired.entitlements).toMatchObject([
      { members: [{ userId: "alice", reasons: [{ kind: "just-in-time", until: after(7 * hourMs) }] }] },
    ]);
    expect(desired.nextChangeAt).toEqual(after(7 * hourMs));
  });

  it("are over at the very moment of expiry", () => {
    const desired = desiredOf({ policy, groups, checkouts: [{ user: "alice", startedAt: after(-8 * hourMs) }] });
    expect(membersOf(desired)).toEqual({ read: [] });
    expect(desired).toMatchObject({ nextChangeAt: null, exclusions: [{ userId: "alice", cause: "expired" }] });
  });

  it("last as long as the youngest of several working copies", () => {
    const checkouts = [
      { user: "alice", startedAt: after(-7 * hourMs), workingCopy: "a" },
      { user: "alice", startedAt: after(-2 * hourMs), workingCopy: "b" },
    ];
    expect(desiredOf({ policy, groups, checkouts }).nextChangeAt).toEqual(after(6 * hourMs));
  });

  it("never outlast the grant", () => {
    const ending = policyWith(
      ruleOf(['entitlement: read, to: ["group:eng"], when: checkout, for: 8h, until: "2026-06-01T13:00:00Z"']),
    );
    expect(desiredOf({ policy: ending, groups, checkouts: [{ user: "alice" }] }).nextChangeAt).toEqual(after(hourMs));
  });

  it("start nothing for a claim where a token is required", () => {
    const strict = policyWith(
      ruleOf(['entitlement: read, to: ["group:eng"], when: checkout, for: 8h, requireTrust: token']),
    );
    const desired = desiredOf({
      policy: strict,
      groups,
      checkouts: [{ user: "alice" }, { user: "bob", trust: "token" }],
    });
    expect(membersOf(desired)).toEqual({ read: ["bob"] });
    expect(desired.exclusions).toMatchObject([{ userId: "alice", cause: "untrusted" }]);
  });

  it("start nothing for somebody whom the grant does not reach", () => {
    expect(members({ policy, groups, checkouts: [{ user: "carol" }] })).toEqual({ read: [] });
  });
});

describe("rule B7: bots", () => {
  const bots =
    'bots: [{ user: deployer, ceiling: { entitlements: [deploy], branches: ["main"], hours: "22:00-13:00" } }]';
  const policy = `${policyWith(ruleOf(['entitlement: deploy, to: ["bot:deployer"]', 'entitlement: push, to: ["group:all"]']))}\n${bots}`;
  const groups = { all: ["alice", "deployer"] };

  it("hold at most their ceiling, however they come by more, and what is clipped is reported", () => {
    const desired = desiredOf({ policy, groups });
    expect(membersOf(desired)).toEqual({ deploy: ["deployer"], push: ["alice"] });
    expect(desired.findings).toMatchObject([
      { code: "ceiling-clipped", entitlement: "push", userId: "deployer", rule: "bots[0]" },
    ]);
  });

  it("hold nothing on other branches", () => {
    expect(members({ policy, groups, names: ["dev"] })).toEqual({ deploy: [], push: ["alice"] });
  });

  it("hold nothing outside their hours, whose turns are changes to come", () => {
    expect(desiredOf({ policy, groups }).nextChangeAt).toEqual(after(hourMs));
    const evening = desiredOf({ policy, groups, now: after(hourMs) });
    expect(membersOf(evening)).toMatchObject({ deploy: [] });
    expect(evening.nextChangeAt).toEqual(new Date("2026-06-01T22:00:00Z"));
    expect(members({ policy, groups, now: new Date("2026-06-01T23:30:00Z") })).toMatchObject({ deploy: ["deployer"] });
  });
});

describe("rules A5–A7: the life of a branch", () => {
  const rule = (branches: string, group: string) =>
    `{ repositories: ["**"], branches: ["${branches}"], grants: [{ entitlement: push, to: ["group:${group}"] }] }`;
  const policy = policyWith(rule("dev/*", "everyone"), rule("release/*", "few"));
  const groups = { everyone: ["alice", "bob", "carol"], few: ["bob", "dave"] };

  it("never lets more than the stricter name allows while a rename is not verified", () => {
    const desired = desiredOf({ policy, groups, names: ["release/9", "dev/x"] });
    expect(membersOf(desired)).toEqual({ push: ["bob"] });
    expect(desired.exclusions).toMatchObject([{ userId: "dave", cause: "rename" }]);
    expect(members({ policy, groups, names: ["release/9"] })).toEqual({ push: ["bob", "dave"] });
  });

  it("takes an ungoverned former name for what ungoverned verbs are", () => {
    const names = ["release/9", "misc/x"] as const;
    expect(members({ policy, groups, names: [...names] })).toEqual({ push: ["bob", "dave"] });
    expect(members({ policy: `${policy}\nungoverned: deny`, groups, names: [...names] })).toEqual({ push: [] });
  });

  it.each(["deleted", "closed"] as const)("empties every group of a branch that is %s", (state) => {
    const jit = policyWith(
      ruleOf(['entitlement: push, to: ["group:few"]', 'entitlement: read, to: ["group:few"], when: checkout, for: 1h']),
    );
    const desired = desiredOf({ policy: jit, groups, state, checkouts: [{ user: "bob" }] });
    expect(membersOf(desired)).toEqual({ push: [], read: [] });
    expect(desired.nextChangeAt).toBeNull();
  });
});
