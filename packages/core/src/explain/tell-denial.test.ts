import { describe, expect, it } from "vitest";
import { factsOf, type FactsOptions, noon, policyOf, userIdOf } from "../desired/testing.ts";
import { explainAccess } from "./explain-access.ts";
import { tellDenial } from "./tell-denial.ts";

const policy = `policy:
  - repositories: ["acme/*"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["group:release-managers", "user:dave"] }
      - { entitlement: push, to: ["group:eng"], when: checkout, for: 8h }
    deny:
      - { entitlement: push, to: ["group:contractors"] }
bots: [{ user: deployer, ceiling: { entitlements: [deploy], branches: ["release/*"] } }]
`;
const groups = { "release-managers": ["alice", "bob", "deployer"], eng: ["carol"], contractors: ["bob"] };

function tell(user: string, entitlement: string, options: Partial<FactsOptions> & { branch?: string } = {}) {
  const { branch = "release/9", ...rest } = options;
  const facts = factsOf({ policy, groups, names: [branch], ...rest });
  const { allowed, reasons } = explainAccess({ ...facts, userId: userIdOf(user), entitlement });
  expect(allowed).toBe(false);
  const change = { userName: user, repository: "acme/web", branch, refType: "branch", entitlement } as const;
  return tellDenial(policyOf(options.policy ?? policy), change, reasons);
}

describe("a denial told to whoever pushes", () => {
  it("names each grant with file and line, and the groups to ask", () => {
    expect(tell("carol", "push")).toEqual([
      "carol may not push to release/9 of acme/web",
      "no rule grants push to carol",
      "policy[0].grants[0] (branchward.yaml:6) gives push to group:release-managers, user:dave",
      "policy[0].grants[1] (branchward.yaml:7) gives push to group:eng for 8h after a checkout",
      "ask: group:release-managers, user:dave, group:eng",
    ]);
  });

  it("says that a grant of somebody's own has expired", () => {
    const checkouts = [{ user: "carol", startedAt: new Date(noon.getTime() - 9 * 3_600_000) }];
    expect(tell("carol", "push", { checkouts })).toContain(
      "policy[0].grants[1] (branchward.yaml:7) would grant, but has expired",
    );
  });

  it("names the deny that decides, and whoever keeps its file", () => {
    expect(tell("bob", "push")).toEqual([
      "bob may not push to release/9 of acme/web",
      "policy[0].deny[0] (branchward.yaml:9) denies push (group:contractors)",
      "ask: whoever keeps branchward.yaml",
    ]);
  });

  it("says that a missing group withholds it, and sends to whoever keeps the directory", () => {
    expect(tell("carol", "push", { lost: ["contractors"], checkouts: [{ user: "carol" }] })).toEqual([
      "carol may not push to release/9 of acme/web",
      "would be granted; withheld since group:contractors is missing, until bound again",
      "ask: whoever keeps the directory, or branchward.yaml",
    ]);
  });

  it("names a bot's ceiling", () => {
    expect(tell("deployer", "push")).toContain(
      "bots[0] (branchward.yaml:10) is clipped by the bot's ceiling (bot:deployer)",
    );
  });

  it("says whom an ungoverned verb follows", () => {
    expect(tell("carol", "force").slice(0, 2)).toEqual([
      "carol may not force-push to release/9 of acme/web",
      "force follows push",
    ]);
    expect(tell("carol", "create")[0]).toBe("carol may not create release/9 in acme/web");
    expect(tell("carol", "delete")[0]).toBe("carol may not delete release/9 of acme/web");
  });

  it("sends the deactivated and the unknown to the directory", () => {
    const ask = "ask: whoever keeps the directory, or branchward.yaml";
    expect(tell("alice", "push", { inactive: ["alice"] })).toEqual([
      "alice may not push to release/9 of acme/web",
      "alice is deactivated",
      ask,
    ]);
    expect(tell("mallory", "push").slice(1)).toEqual(["the directory has no such user", ask]);
  });

  it("tells of ungoverned verbs that are denied", () => {
    expect(tell("alice", "read", { policy: `${policy}ungoverned: deny\n` })[1]).toBe(
      "no rule governs read here: ungoverned verbs are denied",
    );
  });

  it("is short, however many grants there are", () => {
    const grants = Array.from({ length: 30 }, (_, n) => `{ entitlement: push, to: ["group:g${n}"] }`).join(", ");
    const many = `policy: [{ repositories: ["**"], branches: ["**"], grants: [${grants}] }]`;
    const lines = tell("alice", "push", { policy: many });
    expect(lines).toHaveLength(9);
    expect(lines.slice(-2)).toEqual([
      "and 25 more",
      "ask: group:g0, group:g1, group:g2, group:g3, group:g4, and 25 more",
    ]);
  });

  it("lets no name steer the terminal that shows it", () => {
    const change = { repository: "acme/web", refType: "bookmark", entitlement: "push" } as const;
    const [line] = tellDenial(policyOf(policy), { ...change, userName: "a\u001b[2J\n", branch: "x\u202e\u0085" }, []);
    expect(line).toBe("a\ufffd[2J\ufffd may not push to the bookmark x\ufffd\ufffd of acme/web");
  });
});
