import { describe, expect, it } from "vitest";
import { explainAccess } from "../explain/explain-access.ts";
import { computeDesired } from "./compute-desired.ts";
import { factsOf, type FactsOptions, membersOf, noon, ruleOf, userIdOf } from "./testing.ts";

const hour = 3_600_000;
const policyWith = (...rules: readonly string[]) => `policy: [${rules.join(", ")}]`;
const pushTo = (who: string) => `entitlement: push, to: ["${who}"]`;

function desiredOf(options: FactsOptions) {
  return computeDesired(factsOf(options));
}
function explain(options: FactsOptions, user: string, entitlement = "push") {
  const { endpoint: _endpoint, ...facts } = factsOf(options);
  return explainAccess({ ...facts, userId: userIdOf(user), entitlement });
}

describe("an emergency grant (rule B9)", () => {
  const policy = policyWith(ruleOf([pushTo("user:alice")]));
  const emergencies = [{ user: "bob" }];

  it("gives its entitlement until its end, says who approved it, and wakes the scope when it is over", () => {
    const desired = desiredOf({ policy, emergencies });
    expect(membersOf(desired)).toEqual({ push: ["alice", "bob"] });
    const bob = desired.entitlements[0]?.members.find(({ userId }) => userId === userIdOf("bob"));
    const until = new Date(noon.getTime() + hour);
    expect(bob?.reasons).toMatchObject([{ kind: "emergency", approvedBy: "carol", until }]);
    expect(desired.nextChangeAt).toEqual(until);
  });

  it("is over by the clock, and that it is over is why its user loses", () => {
    const over = { policy, emergencies, now: new Date(noon.getTime() + hour) };
    expect(membersOf(desiredOf(over))).toEqual({ push: ["alice"] });
    expect(desiredOf(over).exclusions).toMatchObject([{ userId: "bob", entitlement: "push", cause: "expired" }]);
    expect(explain(over, "bob").reasons).toContainEqual(
      expect.objectContaining({ text: "was granted push for an emergency, which is over", decides: false }),
    );
  });

  it("takes nothing from who holds the entitlement anyway when it is over", () => {
    const over = { policy, emergencies: [{ user: "alice" }], now: new Date(noon.getTime() + 2 * hour) };
    expect(desiredOf(over)).toMatchObject({ exclusions: [], nextChangeAt: null });
    expect(membersOf(desiredOf(over))).toEqual({ push: ["alice"] });
  });

  it("never stands over a deny", () => {
    const denied = policyWith(ruleOf([pushTo("user:alice")], `, deny: [{ ${pushTo("user:bob")} }]`));
    const desired = desiredOf({ policy: denied, emergencies });
    expect(membersOf(desired)).toEqual({ push: ["alice"] });
    expect(desired.exclusions).toMatchObject([{ userId: "bob", cause: "deny" }]);
    expect(explain({ policy: denied, emergencies }, "bob").allowed).toBe(false);
  });

  it("never stands over the ceiling of a bot", () => {
    const bots = 'bots: [{ user: deployer, ceiling: { entitlements: [deploy], branches: ["**"] } }]';
    const desired = desiredOf({ policy: `${policy}\n${bots}`, emergencies: [{ user: "deployer" }] });
    expect(membersOf(desired)).toEqual({ push: ["alice"] });
    expect(desired.exclusions).toMatchObject([{ userId: "deployer", cause: "ceiling" }]);
  });

  it("gives nothing to the deactivated, and nothing that no grant of the policy carries on the branch", () => {
    expect(membersOf(desiredOf({ policy, emergencies, inactive: ["bob"] }))).toEqual({ push: ["alice"] });
    const deploy = [{ user: "bob", entitlement: "deploy" }];
    expect(membersOf(desiredOf({ policy, emergencies: deploy }))).toEqual({ push: ["alice"] });
    expect(explain({ policy, emergencies: deploy }, "bob", "deploy").reasons).toHaveLength(1);
  });

  it.each(["closed", "deleted"] as const)("gives nothing on a branch that is %s", (state) => {
    expect(membersOf(desiredOf({ policy, emergencies, state }))).toEqual({ push: [] });
  });

  it("counts under both names of a rename, but for a deny of either", () => {
    const names = ["new", "old"] as const;
    expect(membersOf(desiredOf({ policy, emergencies, names }))).toEqual({ push: ["alice", "bob"] });
    const deny = `{ repositories: ["**"], branches: [old], deny: [{ ${pushTo("user:bob")} }] }`;
    expect(
      membersOf(desiredOf({ policy: policyWith(ruleOf([pushTo("user:alice")]), deny), emergencies, names })),
    ).toEqual({
      push: ["alice"],
    });
  });

  it("decides in explain, by whom and until when, without a place in a file", () => {
    const { allowed, reasons } = explain({ policy, emergencies }, "bob");
    expect(allowed).toBe(true);
    expect(reasons.find(({ decides }) => decides)).toMatchObject({
      rule: "emergency e1",
      file: null,
      text: "is granted push for an emergency until 2026-06-01T13:00:00.000Z, approved by carol",
    });
  });
});

describe("a stay that has ended", () => {
  const policy = policyWith(ruleOf([`${pushTo("user:alice")}, when: checkout, for: 8h`]));

  it("gives nothing, and its end is why its user loses", () => {
    const desired = desiredOf({ policy, checkouts: [{ user: "alice", endedAt: noon }] });
    expect(membersOf(desired)).toEqual({ push: [] });
    expect(desired.exclusions).toMatchObject([{ userId: "alice", cause: "expired" }]);
    expect(desired.nextChangeAt).toBeNull();
  });

  it("takes nothing from another stay that stands, and lends it no time", () => {
    const started = new Date(noon.getTime() - hour);
    const checkouts = [
      { user: "alice", endedAt: noon },
      { user: "alice", startedAt: started, workingCopy: "other" },
    ];
    const desired = desiredOf({ policy, checkouts });
    expect(membersOf(desired)).toEqual({ push: ["alice"] });
    expect(desired.nextChangeAt).toEqual(new Date(started.getTime() + 8 * hour));
    expect(desired.exclusions).toEqual([]);
  });

  it("that was proved by a token does not raise one that is claimed", () => {
    const strict = policyWith(ruleOf([`${pushTo("user:alice")}, when: checkout, for: 8h, requireTrust: token`]));
    const checkouts = [
      { user: "alice", trust: "token" as const, endedAt: noon },
      { user: "alice", workingCopy: "other" },
    ];
    expect(membersOf(desiredOf({ policy: strict, checkouts }))).toEqual({ push: [] });
  });
});

describe("at least so many members (rule B3)", () => {
  it("never keep a deactivated user, and are missed loudly", () => {
    const policy = policyWith(ruleOf([`${pushTo("user:alice")}, atLeast: 1`]));
    const desired = desiredOf({ policy, inactive: ["alice"] });
    expect(membersOf(desired)).toEqual({ push: [] });
    expect(desired.exclusions).toMatchObject([{ userId: "alice", cause: "inactive" }]);
    expect(desired.findings).toMatchObject([
      { code: "at-least", severity: "critical", message: "push has 0 of at least 1 members" },
    ]);
  });
});

describe("a bot's hours over midnight (rule B7)", () => {
  const policy = `${policyWith(ruleOf(['entitlement: deploy, to: ["bot:deployer"]']))}
bots: [{ user: deployer, ceiling: { entitlements: [deploy], branches: ["**"], hours: "22:00-02:00" } }]`;
  const at = (time: string) => new Date(`2026-06-01T${time}Z`);

  it.each([
    ["21:59:59", [], "22:00:00"],
    ["22:00:00", ["deployer"], "02:00:00"],
    ["23:59:59", ["deployer"], "02:00:00"],
    ["00:00:00", ["deployer"], "02:00:00"],
    ["01:59:59", ["deployer"], "02:00:00"],
    ["02:00:00", [], "22:00:00"],
  ])("at %s hold %j, and turn at %s", (time, members, next) => {
    const desired = desiredOf({ policy, now: at(time) });
    expect(membersOf(desired)).toEqual({ deploy: members });
    expect(desired.nextChangeAt?.toISOString().slice(11, 19)).toBe(next);
    expect(desired.nextChangeAt?.getTime()).toBeGreaterThan(at(time).getTime());
    expect(desired.findings.map(({ code }) => code)).toEqual(members.length === 0 ? ["ceiling-clipped"] : []);
  });
});
