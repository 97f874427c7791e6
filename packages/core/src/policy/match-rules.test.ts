import { describe, expect, it } from "vitest";
import { policyOf } from "../desired/testing.ts";
import { decidingVerb, isGoverned, scopesFor } from "./match-rules.ts";
import { policyReferences } from "./policy-references.ts";

const policy = policyOf(`
policy:
  - repositories: ["acme/*"]
    branches: ["release/**", "dev/\${user.userName}"]
    grants:
      - { entitlement: push, to: ["group:okta/eng", "user:alice"] }
    deny:
      - { entitlement: deploy, to: ["group:contractors"] }
  - repositories: ["acme/\${user.team}"]
    branches: ["**"]
    grants:
      - { entitlement: merge, to: ["bot:ci", "group:okta/eng"], endpoints: [hg] }
bots:
  - { user: ci, ceiling: { entitlements: [merge], branches: ["**"] } }
`);
const release = { repository: "acme/web", name: "release/1" };

describe("rule B2: governed verbs", () => {
  it("are those that a matching grant or deny names", () => {
    expect(["push", "deploy", "merge", "force"].filter((verb) => isGoverned(policy, release, verb))).toEqual([
      "push",
      "deploy",
      "merge",
    ]);
    expect(isGoverned(policy, { repository: "other/web", name: "release/1" }, "push")).toBe(false);
  });

  it("are governed where a pattern matches for some user", () => {
    expect(isGoverned(policy, { repository: "acme/web", name: "dev/anybody" }, "push")).toBe(true);
    expect(isGoverned(policy, { repository: "acme/web", name: "dev/any/body" }, "push")).toBe(false);
  });

  it("decide for create, delete and force where push is governed, and for nothing else", () => {
    expect(decidingVerb(policy, release, "force")).toEqual({ governedBy: "push" });
    expect(decidingVerb(policy, release, "read")).toEqual({ ungoverned: "allow" });
    expect(decidingVerb(policy, { repository: "acme/web", name: "feature" }, "create")).toEqual({
      ungoverned: "allow",
    });
  });
});

describe("the scopes of a branch", () => {
  it("are the endpoints at which some matching grant applies", () => {
    expect(scopesFor(policy, release, ["directory", "hg"])).toEqual(["directory", "hg"]);
    expect(scopesFor(policy, { repository: "acme/web", name: "feature" }, ["directory", "hg"])).toEqual(["hg"]);
    expect(scopesFor(policy, { repository: "other/web", name: "feature" }, ["directory", "hg"])).toEqual([]);
  });
});

describe("the references of a policy", () => {
  it("are each named once", () => {
    expect(policyReferences(policy)).toEqual({
      groups: ["group:contractors", "group:okta/eng"],
      userNames: ["alice", "ci"],
      attributes: ["team"],
      endpoints: ["hg"],
    });
  });
});
