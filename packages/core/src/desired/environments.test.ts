import { describe, expect, it } from "vitest";
import { parsePolicy } from "../config/parse-configuration.ts";
import { explainAccess } from "../explain/explain-access.ts";
import { computeDesired } from "./compute-desired.ts";
import { factsOf, membersOf, type FactsOptions, userIdOf } from "./testing.ts";

const policy = `policy:
  - { repositories: ["**"], branches: ["feature/**"], grants: [{ entitlement: "environment:preview", to: ["group:eng"] }] }
  - { repositories: ["**"], branches: ["demo/**"], grants: [{ entitlement: "environment:preview", to: ["group:sales"] }] }
`;
const groups = { eng: ["alice", "bob"], sales: ["bob", "carol"] };
const members = (options: Partial<FactsOptions>) => membersOf(computeDesired(factsOf({ policy, groups, ...options })));
const explain = (user: string, options: Partial<FactsOptions>) =>
  explainAccess({
    ...factsOf({ policy, groups, ...options }),
    userId: userIdOf(user),
    entitlement: "environment:preview",
  });

describe("an environment of a branch", () => {
  it("is there where policy grants it, for whom it grants it, and nowhere else", () => {
    expect(members({ names: ["feature/x"] })).toEqual({ "environment:preview": ["alice", "bob"] });
    expect(members({ names: ["main"] })).toEqual({});
  });

  it("is empty as soon as the branch is deleted or closed", () => {
    expect(members({ names: ["feature/x"], state: "deleted" })).toEqual({ "environment:preview": [] });
    expect(members({ names: ["feature/x"], state: "closed" })).toEqual({ "environment:preview": [] });
  });

  it("is nobody's where there is none, whatever ungoverned verbs are", () => {
    const answer = explain("alice", { names: ["main"], policy: `${policy}ungoverned: allow` });
    expect(answer).toMatchObject({ allowed: false, governed: false });
    expect(answer.reasons).toMatchObject([
      { decides: true, text: "the branch has no environment:preview: no rule gives it one" },
    ]);
  });

  it("is not widened by a rename before it is verified, from a name with another environment or with none", () => {
    expect(members({ names: ["feature/x", "demo/x"] })).toEqual({ "environment:preview": ["bob"] });
    expect(members({ names: ["feature/x", "main"] })).toEqual({ "environment:preview": [] });
    expect(explain("alice", { names: ["feature/x", "main"] }).allowed).toBe(false);
  });

  it("has a name", () => {
    const text =
      'policy: [{ repositories: ["**"], branches: ["**"], grants: [{ entitlement: environment, to: ["group:eng"] }] }]';
    expect(parsePolicy(text, "branchward.yaml")).toMatchObject({
      problems: [
        { path: "policy[0].grants[0].entitlement", message: "an environment has a name: write environment:preview" },
      ],
    });
  });
});
