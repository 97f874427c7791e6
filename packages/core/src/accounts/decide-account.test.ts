import { describe, expect, it } from "vitest";
import type { UserId } from "../words.ts";
import { type AccountHit, type AccountQuestion, decideAccount } from "./decide-account.ts";

const alice = "0198a000-0000-7000-8000-000000000001" as UserId;

function hit(id: string, over: Partial<AccountHit> = {}): AccountHit {
  return { id, userName: "alice", externalId: undefined, ...over };
}

function decide(over: Partial<AccountQuestion>) {
  return decideAccount({
    user: { id: alice, userName: "alice" },
    byExternalId: [],
    byUserName: [],
    taken: new Set(),
    rejected: new Set(),
    isNameQuarantined: false,
    adopt: "review",
    ...over,
  });
}

describe("an account (rule C5)", () => {
  it("that bears the user's id as externalId is the user's, whatever its name", () => {
    const byExternalId = [hit("1", { externalId: alice, userName: "renamed" })];
    expect(decide({ byExternalId, byUserName: [hit("2")] })).toEqual({ kind: "linked", accountId: "1" });
  });

  it("of the same name alone waits for approval, or is adopted where that is said", () => {
    const byUserName = [hit("2", { userName: "ALICE" })];
    expect(decide({ byUserName })).toEqual({ kind: "pending-approval", accountId: "2" });
    expect(decide({ byUserName, adopt: "auto" })).toEqual({ kind: "linked", accountId: "2" });
    expect(decide({ byUserName, rejected: new Set(["2"]) })).toEqual({ kind: "rejected", accountId: "2" });
  });

  it("that was another user's, or whose name a deleted user had, is nobody's, also where adoption is automatic", () => {
    const byUserName = [hit("2")];
    expect(decide({ byUserName, adopt: "auto", taken: new Set(["2"]) })).toMatchObject({ kind: "quarantined" });
    expect(decide({ byUserName, adopt: "auto", isNameQuarantined: true })).toMatchObject({ kind: "quarantined" });
  });

  it("is not guessed among several, nor taken from who has it", () => {
    const twice = [hit("1", { externalId: alice }), hit("2", { externalId: alice })];
    expect(decide({ byExternalId: twice })).toEqual({ kind: "ambiguous", accountIds: ["1", "2"] });
    expect(decide({ byUserName: [hit("1"), hit("2")], adopt: "auto" })).toMatchObject({ kind: "ambiguous" });
    expect(decide({ byExternalId: twice.slice(1), taken: new Set(["2"]) })).toMatchObject({ kind: "ambiguous" });
  });

  it("is not one of those that an endpoint shows which ignores filters", () => {
    const everybody = [hit("1", { userName: "bob", externalId: "1" }), hit("2", { userName: "mallory" })];
    expect(decide({ byExternalId: everybody, byUserName: everybody, adopt: "auto" })).toEqual({ kind: "none" });
  });
});
