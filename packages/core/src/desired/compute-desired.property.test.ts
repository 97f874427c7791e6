import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { explainAccess } from "../explain/explain-access.ts";
import { computeDesired } from "./compute-desired.ts";
import { factsOf, membersOf, noon, userIdOf, type FactsOptions } from "./testing.ts";

const people: readonly string[] = ["alice", "bob", "carol", "dave"];
const someone = fc.constantFrom(...people);
const principal = fc.oneof(
  someone.map((name) => `"user:${name}"`),
  fc.constantFrom("g", "h").map((name) => `"group:${name}"`),
);
const to = fc
  .uniqueArray(principal, { minLength: 1, maxLength: 3 })
  .map((principals) => `to: [${principals.join(", ")}]`);
const verb = fc.constantFrom("push", "merge", "read");
const deny = fc.tuple(verb, to).map(([name, whom]) => `{ entitlement: ${name}, ${whom} }`);
const grant = fc
  .tuple(verb, to, fc.constantFrom("", ", when: checkout, for: 1h", ", endpoints: [hg]", ", until: 2026-06-01"))
  .map(([name, whom, rest]) => `{ entitlement: ${name}, ${whom}${rest} }`);
const branches = fc.constantFrom("**", "new", "old", "${user.userName}");
const rule = fc
  .record({
    branches,
    grants: fc.array(grant, { minLength: 1, maxLength: 3 }),
    denies: fc.array(deny, { maxLength: 2 }),
    exclusive: fc.boolean(),
  })
  .map(({ grants, denies, exclusive, branches: pattern }) => {
    const rest = exclusive ? ", exclusive: [push, merge]" : "";
    return `{ repositories: ["**"], branches: ["${pattern}"], grants: [${grants.join(", ")}], deny: [${denies.join(", ")}]${rest} }`;
  });
const rules = fc.array(rule, { minLength: 1, maxLength: 4 });
const members = fc.uniqueArray(someone);
const emergency = fc
  .record({ user: someone, entitlement: verb, isOver: fc.boolean() })
  .map(({ isOver, ...rest }) => ({ ...rest, until: new Date(noon.getTime() + (isOver ? 0 : 1)) }));
const scene = fc
  .record({
    rules,
    g: members,
    h: members,
    inactive: members,
    present: members,
    left: members,
    emergencies: fc.array(emergency, { maxLength: 3 }),
  })
  .map(({ rules: list, g, h, inactive, present, left, emergencies }) => {
    const checkouts = [
      ...present.map((user) => ({ user, startedAt: noon, endedAt: null })),
      ...left.map((user) => ({ user, startedAt: noon, endedAt: noon })),
    ];
    const names: [string, ...string[]] = ["new"];
    return { rules: list, options: { groups: { g, h }, inactive, checkouts, emergencies, names } };
  });

const policyOfRules = (list: readonly string[]) => `policy: [${list.join(", ")}]`;
const desiredOf = (list: readonly string[], options: Omit<FactsOptions, "policy">) =>
  computeDesired(factsOf({ ...options, policy: policyOfRules(list) }));
const pairsOf = (...args: Parameters<typeof desiredOf>) =>
  new Set(
    Object.entries(membersOf(desiredOf(...args))).flatMap(([name, users]) => users.map((user) => `${name} ${user}`)),
  );

describe("desired under any policy", () => {
  it("never holds the inactive", () => {
    fc.assert(
      fc.property(scene, ({ rules: list, options }) => {
        const held = Object.values(membersOf(desiredOf(list, options))).flat();
        expect(held.filter((user) => options.inactive.includes(user))).toEqual([]);
      }),
    );
  });

  it("never grows by a further deny, and loses exactly whom it names", () => {
    fc.assert(
      fc.property(scene, verb, someone, ({ rules: list, options }, name, user) => {
        const before = pairsOf(list, options);
        const denying = `{ repositories: ["**"], branches: ["**"], deny: [{ entitlement: ${name}, to: ["user:${user}"] }] }`;
        before.delete(`${name} ${user}`);
        expect(pairsOf([...list, denying], options)).toEqual(before);
      }),
    );
  });

  it("holds while a rename is not verified nobody whom either name alone does not allow", () => {
    fc.assert(
      fc.property(scene, ({ rules: list, options }) => {
        const during = pairsOf(list, { ...options, names: ["new", "old"] });
        const after = pairsOf(list, options);
        expect([...during].filter((pair) => !after.has(pair))).toEqual([]);
        const before = desiredOf(list, { ...options, names: ["old"] });
        for (const { entitlement, members: holders } of before.entitlements) {
          const held = holders.map(({ userId }) => `${entitlement} ${userId}`);
          const kept = [...during].filter((pair) => pair.startsWith(`${entitlement} `));
          expect(held).toEqual(expect.arrayContaining(kept));
        }
      }),
    );
  });

  it("does not depend on the order of rules", () => {
    fc.assert(
      fc.property(scene, ({ rules: list, options }) => {
        expect(pairsOf(list.toReversed(), options)).toEqual(pairsOf(list, options));
      }),
    );
  });

  it("is what explain says of every user and verb, over all endpoints", () => {
    fc.assert(
      fc.property(scene, fc.boolean(), someone, verb, ({ rules: list, options }, isRenamed, user, name) => {
        const names: [string, ...string[]] = isRenamed ? ["new", "old"] : ["new"];
        const facts = factsOf({ ...options, names, policy: policyOfRules(list) });
        const { allowed, governed, reasons } = explainAccess({ ...facts, userId: userIdOf(user), entitlement: name });
        const scopes = ["directory", "hg"].map((endpoint) =>
          computeDesired({ ...facts, endpoint: { name: endpoint } }),
        );
        const isHeld = scopes.some((desired) => membersOf(desired)[name]?.includes(userIdOf(user)));
        expect(isHeld && !allowed).toBe(false);
        // Where a verb is limited to some endpoints under one of two names, a scope is stricter than the whole.
        expect(allowed && governed && !isRenamed && !isHeld).toBe(false);
        expect(reasons.filter((reason) => reason.decides).length).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });
});
