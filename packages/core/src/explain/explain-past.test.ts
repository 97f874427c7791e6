import { describe, expect, it } from "vitest";
import { policyOf } from "../desired/testing.ts";
import { explainPast, type PastHolding, type PastQuestion } from "./explain-past.ts";

const policy = policyOf(`
policy:
  - repositories: ["acme/*"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["group:managers"] }
      - { entitlement: push, to: ["group:eng", "user:bob"], when: checkout, for: 8h }
    deny:
      - { entitlement: push, to: ["group:contractors"] }
`);
const at = new Date("2026-06-02T09:00:00Z");
const holding: PastHolding = {
  endpoint: "directory",
  origin: "sync",
  grantedAt: new Date("2026-06-01T08:00:00Z"),
  verifiedAt: new Date("2026-06-01T08:00:01Z"),
  reasons: [
    {
      rule: "policy[0].grants[0]",
      file: "branchward.yaml",
      line: 7,
      reference: "group:managers",
      path: ["managers", "leads"],
      kind: "standing",
      until: null,
    },
  ],
};

function explain(over: Partial<PastQuestion> = {}) {
  return explainPast({
    policy,
    branch: { repository: "acme/web", name: "release/1" },
    entitlement: "push",
    userName: "alice",
    user: { wasActive: true },
    holdings: [],
    withheld: [],
    at,
    ledgerStart: new Date("2026-01-01T00:00:00Z"),
    ...over,
  });
}
const decisive = (over: Partial<PastQuestion> = {}) => explain(over).reasons.filter(({ decides }) => decides);

describe("an explanation of a past moment", () => {
  it("rests on what was held, by which rule and group path, and names every rule that then counted", () => {
    expect(explain({ holdings: [holding] })).toMatchObject({
      allowed: true,
      governed: true,
      reasons: [
        {
          rule: "policy[0].grants[0]",
          group: "group:managers",
          decides: false,
          text: "granted push to group:managers",
        },
        { rule: "policy[0].grants[1]", decides: false, text: "granted push with a checkout to group:eng, user:bob" },
        { rule: "policy[0].deny[0]", decides: false, text: "denied push to group:contractors" },
        {
          rule: "policy[0].grants[0]",
          line: 7,
          group: "group:managers",
          path: ["managers", "leads"],
          decides: true,
          text: "held push (standing) at directory since 2026-06-01T08:00:00.000Z",
        },
      ],
    });
  });

  it("says where no read had shown what was to be given, and rests on another endpoint where one had", () => {
    const unseen = { ...holding, endpoint: "away", verifiedAt: null };
    const text = "was to get push (standing) at away since 2026-06-01T08:00:00.000Z, which no read had shown";
    expect(decisive({ holdings: [unseen] })).toMatchObject([{ text }]);
    expect(explain({ holdings: [unseen, holding] }).reasons).toContainEqual(
      expect.objectContaining({ text, decides: false }),
    );
    expect(decisive({ holdings: [unseen, holding] })).toMatchObject([
      { text: expect.stringContaining("held push (standing) at directory") },
    ]);
  });

  it("gives an emergency grant no place in a file", () => {
    const reasons = [
      {
        rule: "emergency e1",
        file: "",
        line: 0,
        reference: "user:alice",
        path: [],
        kind: "emergency",
        until: at,
        approvedBy: "sec",
      },
    ] as const;
    expect(decisive({ holdings: [{ ...holding, reasons }] })).toMatchObject([
      { rule: "emergency e1", file: null, line: null, text: expect.stringContaining("held push (emergency)") },
    ]);
  });

  it("is no where the ledger has nothing, and unknown where the ledger does not reach", () => {
    expect(explain().allowed).toBe(false);
    expect(decisive()).toMatchObject([{ text: "by the ledger alice held push nowhere" }]);
    const early = { ledgerStart: new Date("2026-06-03T00:00:00Z") };
    expect(explain(early).allowed).toBeNull();
    expect(decisive(early)).toMatchObject([{ text: "unknown: the ledger begins at 2026-06-03T00:00:00.000Z" }]);
  });

  it("takes what nobody granted for drift, not for access", () => {
    const drifted = explain({ holdings: [{ ...holding, origin: "drift" }] });
    expect(drifted.allowed).toBe(false);
    expect(drifted.reasons.map(({ text }) => text)).toContain("held push at directory, which nobody granted (drift)");
  });

  it("says that a guard kept what policy gave no more, and lets another endpoint decide where one still counted", () => {
    const kept = [{ endpoint: "directory", isKept: true, notAdded: null }];
    const text = "policy gave it no more; a guard withheld the removal at directory";
    expect(explain({ holdings: [holding], withheld: kept }).allowed).toBe(true);
    expect(decisive({ holdings: [holding], withheld: kept })).toMatchObject([{ withheld: true, text }]);
    const both = explain({ holdings: [holding, { ...holding, endpoint: "hg" }], withheld: kept }).reasons;
    expect(both.filter(({ decides }) => decides)).toMatchObject([{ text: expect.stringContaining("at hg since") }]);
    expect(both).toContainEqual(expect.objectContaining({ withheld: true, decides: false, text }));
  });

  it("says that an addition was withheld while a group was missing, and of nobody who held it", () => {
    const withheld = [{ endpoint: "directory", isKept: false, notAdded: "policy[0].grants[0]; withheld since" }];
    expect(explain({ withheld }).allowed).toBe(false);
    expect(decisive({ withheld })).toMatchObject([
      { withheld: true, text: "would have been granted at directory by policy[0].grants[0]; withheld since" },
    ]);
    expect(explain({ withheld, holdings: [{ ...holding, endpoint: "hg" }] }).allowed).toBe(true);
  });

  it("is no for the deactivated, even while an endpoint still held it, and for the unknown", () => {
    expect(explain({ holdings: [holding], user: { wasActive: false } }).allowed).toBe(false);
    expect(explain({ holdings: [holding], user: { wasActive: undefined } }).allowed).toBe(true);
    expect(decisive({ user: null })).toMatchObject([{ text: "the directory knows no alice, and never did" }]);
  });

  it("says of ungoverned verbs what policy said of them, and follows push where they did", () => {
    const elsewhere = { branch: { repository: "acme/web", name: "main" } };
    expect(explain(elsewhere)).toMatchObject({ allowed: true, governed: false });
    expect(explain({ ...elsewhere, entitlement: "environment:preview" }).allowed).toBe(false);
    const force = explain({ entitlement: "force", holdings: [holding] });
    expect(force).toMatchObject({
      allowed: true,
      governed: false,
      reasons: [{ text: "force followed push" }, {}, {}, {}, {}],
    });
  });
});
