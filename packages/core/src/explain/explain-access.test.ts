import { describe, expect, it } from "vitest";
import { factsOf, noon, userIdOf, type FactsOptions } from "../desired/testing.ts";
import { explainAccess } from "./explain-access.ts";

const rules = `
  - repositories: ["acme/*"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["group:release-managers"] }
      - { entitlement: push, to: ["group:eng"], when: checkout, for: 8h }
      - { entitlement: deploy, to: ["bot:deployer"], endpoints: [hg] }
    deny:
      - { entitlement: push, to: ["group:contractors"] }
  - repositories: ["acme/*"]
    branches: ["dev/**"]
    grants:
      - { entitlement: push, to: ["group:eng"] }
`;
const bots = 'bots: [{ user: deployer, ceiling: { entitlements: [deploy], branches: ["release/*"] } }]';
const policy = `policy:${rules}${bots}`;
const groups = { "release-managers": ["alice", "bob"], eng: ["alice", "carol"], contractors: ["bob"] };

function explain(user: string, entitlement: string, options: Partial<FactsOptions> = {}) {
  const facts = factsOf({ policy, groups, names: ["release/9"], ...options });
  return explainAccess({ ...facts, userId: userIdOf(user), entitlement });
}

const decisive = (...asked: Parameters<typeof explain>) => explain(...asked).reasons.filter((reason) => reason.decides);

describe("an explanation", () => {
  it("lists every rule of the branch that names the verb, the deciding one with file, line and group path", () => {
    expect(explain("alice", "push")).toEqual({
      allowed: true,
      governed: true,
      reasons: [
        {
          rule: "policy[0].grants[0]",
          file: "branchward.yaml",
          line: 6,
          group: "group:release-managers",
          path: ["release-managers"],
          until: null,
          decides: true,
          text: "grants push (standing)",
        },
        expect.objectContaining({
          rule: "policy[0].grants[1]",
          decides: false,
          text: "grants push, but not to alice or not without a checkout",
        }),
        expect.objectContaining({ rule: "policy[0].deny[0]", decides: false, text: "denies push, but not to alice" }),
      ],
    });
  });

  it("names the deny that decides over a grant", () => {
    expect(explain("bob", "push").allowed).toBe(false);
    expect(decisive("bob", "push")).toMatchObject([
      { rule: "policy[0].deny[0]", group: "group:contractors", path: ["contractors"], text: "denies push" },
    ]);
    expect(explain("bob", "push").reasons[0]).toMatchObject({
      rule: "policy[0].grants[0]",
      group: "group:release-managers",
      path: ["release-managers"],
      decides: false,
      text: "would grant push (standing)",
    });
  });

  it("tells until when a checkout lasts, and when it has expired", () => {
    const at = (ms: number) => ({ checkouts: [{ user: "carol", startedAt: new Date(noon.getTime() - ms) }] });
    expect(decisive("carol", "push", at(3_600_000))).toMatchObject([
      {
        rule: "policy[0].grants[1]",
        until: new Date("2026-06-01T19:00:00Z"),
        text: "grants push (just-in-time) until 2026-06-01T19:00:00.000Z",
      },
    ]);
    const expired = explain("carol", "push", at(9 * 3_600_000));
    expect(expired.allowed).toBe(false);
    expect(expired.reasons).toMatchObject([
      {},
      { text: "would grant, but has expired" },
      {},
      { decides: true, rule: null },
    ]);
  });

  it("says that no rule grants where none does", () => {
    expect(decisive("dave", "push")).toMatchObject([
      { rule: null, file: null, line: null, text: "no rule grants push to dave" },
    ]);
  });

  it("says so of the deactivated and of the unknown", () => {
    expect(explain("alice", "push", { inactive: ["alice"] })).toMatchObject({
      allowed: false,
      reasons: [{ text: "alice is deactivated" }],
    });
    expect(explain("nobody", "push")).toMatchObject({ allowed: false, governed: true });
  });

  it("denies the deactivated what is ungoverned, too", () => {
    expect(explain("alice", "read", { inactive: ["alice"] })).toMatchObject({ allowed: false, governed: false });
  });

  it("names the ceiling that clips a bot and the endpoints that a grant is limited to", () => {
    expect(decisive("deployer", "deploy")).toMatchObject([
      { rule: "policy[0].grants[2]", text: "grants deploy (standing) at hg" },
    ]);
    const clipped = explain("deployer", "deploy", { names: ["release/a/b"] });
    expect(clipped.allowed).toBe(false);
    expect(clipped.reasons.filter((reason) => reason.decides)).toMatchObject([
      { rule: "bots[0]", text: "is clipped by the bot's ceiling" },
    ]);
  });

  describe("while a group of the branch's rules is missing", () => {
    const lost = ["contractors"];

    it("says what would be granted, and withholds it from whoever does not hold it yet, whichever rule gives it", () => {
      const withheld = [
        {
          rule: null,
          withheld: true,
          text: "would be granted; withheld since group:contractors is missing, until bound again",
        },
      ];
      expect(explain("alice", "push", { lost }).allowed).toBe(false);
      expect(decisive("alice", "push", { lost })).toMatchObject(withheld);
      expect(decisive("carol", "push", { lost, checkouts: [{ user: "carol" }] })).toMatchObject(withheld);
      expect(decisive("deployer", "deploy", { lost })).toMatchObject(withheld);
      expect(explain("alice", "push", { lost, held: { deploy: ["alice"], push: ["carol"] } }).allowed).toBe(false);
    });

    it("leaves what the ledger says is held, and goes on denying the missing group's last members", () => {
      const held = { push: ["alice", "bob"] };
      expect(explain("alice", "push", { lost, held })).toEqual(explain("alice", "push"));
      expect(decisive("bob", "push", { lost, held })).toMatchObject([
        { rule: "policy[0].deny[0]", text: "denies push" },
      ]);
    });

    it("changes nothing on branches whose rules do not name it", () => {
      expect(explain("alice", "push", { lost, names: ["dev/a"] }).allowed).toBe(true);
    });

    it("withholds while a rename is pending under whose former name it counts", () => {
      const names = ["dev/a", "release/9"] as const;
      expect(explain("alice", "push", { names: [...names] }).allowed).toBe(true);
      expect(explain("alice", "push", { names: [...names], lost }).allowed).toBe(false);
    });
  });

  it("names what excludes an entitlement", () => {
    const grants =
      'grants: [{ entitlement: merge, to: ["user:alice"] }, { entitlement: deploy, to: ["user:alice"] }], exclusive: [deploy, merge]';
    const exclusive = `policy: [{ repositories: ["**"], branches: ["**"], ${grants} }]`;
    expect(decisive("alice", "merge", { policy: exclusive })).toMatchObject([
      { rule: "policy[0].exclusive", text: "is withheld: the user holds what excludes it" },
    ]);
  });
});

describe("rule B2: ungoverned verbs in an explanation", () => {
  it("follow push where push is governed, for create, delete and force", () => {
    for (const verb of ["create", "delete", "force"]) {
      expect(explain("alice", verb)).toMatchObject({ allowed: true, governed: false });
      expect(explain("dave", verb)).toMatchObject({ allowed: false, governed: false });
    }
    expect(explain("alice", "force").reasons[0]).toMatchObject({ text: "force follows push", decides: false });
  });

  it("do not brick feature branches when only push on release branches is governed", () => {
    expect(explain("dave", "push", { names: ["feature/x"] })).toMatchObject({ allowed: true, governed: false });
    expect(explain("nobody", "create", { names: ["feature/x"] })).toMatchObject({ allowed: true, governed: false });
  });

  it("are denied where policy says so", () => {
    expect(explain("dave", "read", { policy: `${policy}\nungoverned: deny` })).toMatchObject({
      allowed: false,
      governed: false,
    });
  });
});

describe("the life of a branch in an explanation", () => {
  it("denies on a branch that is deleted or closed", () => {
    expect(explain("alice", "push", { state: "deleted" })).toMatchObject({
      allowed: false,
      reasons: [{ text: "the branch is deleted", decides: true }],
    });
    expect(explain("alice", "push", { state: "closed" })).toMatchObject({
      allowed: false,
      reasons: [{ text: "the branch is closed" }],
    });
  });

  it("counts the former name while a rename is not verified", () => {
    const names: [string, string] = ["release/9", "dev/x"];
    expect(explain("alice", "push", { names }).allowed).toBe(true);
    const managing = { groups: { ...groups, contractors: [] }, names };
    const answer = explain("bob", "push", managing);
    expect(answer.allowed).toBe(false);
    expect(answer.reasons.map((reason) => reason.text)).toContain(
      "until the rename from dev/x is verified, its rules count too",
    );
    expect(answer.reasons.filter((reason) => reason.decides)).toMatchObject([{ text: "no rule grants push to bob" }]);
  });

  it("counts it also where the new name is governed by nothing", () => {
    const names: [string, string] = ["free/9", "release/9"];
    expect(explain("alice", "push", { names })).toMatchObject({ allowed: true, governed: false });
    const answer = explain("carol", "push", { names });
    expect(answer).toMatchObject({ allowed: false, governed: false });
    expect(answer.reasons.map((reason) => reason.text)).toContain(
      "until the rename from release/9 is verified, its rules count too",
    );
    expect(explain("carol", "create", { names }).allowed).toBe(false);
    expect(explain("nobody", "push", { names }).allowed).toBe(false);
    expect(explain("nobody", "push", { names: ["free/9"] }).allowed).toBe(true);
    expect(explain("carol", "push", { names, state: "closed" }).allowed).toBe(true);
  });
});
