import { describe, expect, it } from "vitest";
import { computeDesired } from "./compute-desired.ts";
import { toDirectoryUsers } from "./resolve-principal.ts";
import { factsOf, membersOf, ruleOf, userIdOf } from "./testing.ts";

/** Who may push where the directory has one user, in the group `eng`, under the given name. */
function pushersOf(userName: string, policy: string): readonly string[] {
  const facts = factsOf({ policy, groups: { eng: [userName] } });
  const users = toDirectoryUsers([{ id: userIdOf(userName), userName, active: true, attributes: {} }]);
  return membersOf(computeDesired({ ...facts, users }))["push"] ?? [];
}

const grant = 'entitlement: push, to: ["group:eng"]';

describe("a user named by policy in other letters than the directory's", () => {
  it.each([
    ["case", "JOSÉ", "josé"],
    ["composed letters", "Jose\u0301", "José"],
    ["decomposed letters", "José", "JOSE\u0301"],
    ["a sharp s", "strauß", "STRAUSS"],
  ])("is the same one: %s", (_, inDirectory, inPolicy) => {
    const denied = `policy: [${ruleOf([grant], `, deny: [{ entitlement: push, to: ["user:${inPolicy}"] }]`)}]`;
    const clipped = `policy: [${ruleOf([grant])}]\nbots: [{ user: "${inPolicy}", ceiling: { entitlements: [read], branches: ["**"] } }]`;
    const named = `policy: [${ruleOf([`entitlement: push, to: ["user:${inPolicy}"]`])}]`;
    expect(pushersOf(inDirectory, denied)).toEqual([]);
    expect(pushersOf(inDirectory, clipped)).toEqual([]);
    expect(pushersOf(inDirectory, named)).toEqual([userIdOf(inDirectory)]);
  });

  it("is another one where more than case and composition differ", () => {
    expect(pushersOf("jose", `policy: [${ruleOf(['entitlement: push, to: ["user:josé"]'])}]`)).toEqual([]);
  });
});
