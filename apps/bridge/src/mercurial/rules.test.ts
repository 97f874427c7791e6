import { describe, expect, it } from "vitest";
import type { HeldGroup, HeldUser, Snapshot } from "../state/snapshot.ts";
import { createMemberLists, toAccountRules, toRepositoryRules } from "./rules.ts";

const extension = "urn:branchward:scim:schemas:extension:1.0:BranchEntitlement";
const meta = { version: 1, created: "2026-01-01T00:00:00Z", lastModified: "2026-01-01T00:00:00Z" };

function user(account: string, active = true): HeldUser {
  return { id: `id-${account}`, ...meta, account, native: {}, attributes: { userName: account, active } };
}

function group(id: string, members: readonly string[], attributes = {}): HeldGroup {
  return { id, ...meta, fence: 0, members: new Set(members), attributes: { displayName: id, ...attributes } };
}

function pushTo(branch: string, more = {}) {
  return { [extension]: { repository: "acme/web", branch, entitlement: "push", refType: "branch", ...more } };
}

function snapshotOf(users: readonly HeldUser[], groups: readonly HeldGroup[]): Snapshot {
  return {
    users: new Map(users.map((each) => [each.id, each])),
    groups: new Map(groups.map((each) => [each.id, each])),
  };
}

const repository = { name: "acme/web", path: "/srv/web", ungoverned: "allow" } as const;
const rulesOf = (snapshot: Snapshot, ungoverned: "allow" | "deny" = "allow") =>
  toRepositoryRules(
    { repository: { ...repository, ungoverned }, generation: 1024 },
    snapshot,
    createMemberLists("deny"),
  ).settings;

describe("the rules of a repository", () => {
  it("deny a governed branch to all who are not in its group, whatever else is allowed", () => {
    const snapshot = snapshotOf([user("alice"), user("bob")], [group("g", ["id-alice"], pushTo("stable"))]);
    expect(rulesOf(snapshot)).toMatchObject({
      "acl.groups": { "branchward-g": "alice" },
      "acl.allow.branches": { "*": "@branchward-accounts" },
      "acl.deny.branches": { stable: "!@branchward-g" },
    });
    expect(rulesOf(snapshot, "deny")).toMatchObject({
      "acl.allow.branches": { "*": "branchward-nobody", stable: "@branchward-g" },
    });
  });

  it("name nobody, never nothing, where a group reaches no active account", () => {
    const snapshot = snapshotOf(
      [user("carol", false)],
      [group("g", ["id-carol"], pushTo("stable")), group("devs", [])],
    );
    expect(rulesOf(snapshot)).toMatchObject({ "acl.groups": { "branchward-g": "branchward-nobody" } });
    expect(toAccountRules(snapshot, createMemberLists("deny")).settings).toEqual({
      web: { "allow-push": "branchward-nobody" },
      "acl.groups": { "branchward-accounts": "branchward-nobody", devs: "branchward-nobody" },
    });
  });

  it("follow the newest of several lives of a branch", () => {
    const groups = [group("a2", ["id-alice"], pushTo("stable")), group("a1", ["id-bob"], pushTo("stable"))];
    expect(rulesOf(snapshotOf([user("alice"), user("bob")], groups))).toMatchObject({
      "acl.deny.branches": { stable: "!@branchward-a2" },
    });
  });

  it("hold groups within groups flat, also in a circle, and notice a change further in", () => {
    const lists = createMemberLists("deny");
    const outer = group("outer", ["inner"]);
    const before = snapshotOf([user("alice"), user("bob")], [outer, group("inner", ["outer", "id-alice"])]);
    expect(lists.membersOf(before, outer)).toBe("alice");
    const groups = new Map(before.groups).set("inner", group("inner", ["outer", "id-alice", "id-bob"]));
    expect(lists.membersOf({ ...before, groups }, outer)).toBe("alice, bob");
  });

  it("keep bookmarks and branches of one name apart", () => {
    const bookmark = group("m", ["id-alice"], pushTo("stable", { refType: "bookmark" }));
    const settings = rulesOf(snapshotOf([user("alice")], [bookmark]));
    expect(settings["acl.deny.branches"]).toEqual({});
    expect(settings["acl.deny.bookmarks"]).toEqual({ stable: "!@branchward-m" });
  });

  it.each([
    ["deny", { pushers: "alice, bob", accounts: "alice" }],
    ["allow", { pushers: "alice, bob, carol", accounts: "alice, bob, carol" }],
  ] as const)("let who was found push as a member alone, or as the configuration says: %s", (found, wanted) => {
    const isFound = true;
    const people = [user("alice"), { ...user("bob"), isFound } as const, { ...user("carol"), isFound } as const];
    const snapshot = snapshotOf(people, [group("g", ["id-bob"], pushTo("stable"))]);
    const { settings } = toAccountRules(snapshot, createMemberLists(found));
    expect(settings["web"]).toEqual({ "allow-push": wanted.pushers });
    expect(settings["acl.groups"]).toEqual({ "branchward-accounts": wanted.accounts });
  });
});
