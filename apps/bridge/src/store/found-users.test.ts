import { describe, expect, it } from "vitest";
import type { HeldUser, Snapshot } from "../state/snapshot.ts";
import { withFoundUsers } from "./found-users.ts";

const at = "2026-02-01T00:00:00.000Z";
const meta = { version: 1, created: "2026-01-01T00:00:00.000Z", lastModified: "2026-01-01T00:00:00.000Z" };
const nobody: Snapshot = { users: new Map(), groups: new Map() };

function account(name: string, password = "hash") {
  return { account: name, native: { password, keys: [] } };
}

function look(snapshot: Snapshot, ...found: readonly ReturnType<typeof account>[]): Snapshot {
  let count = snapshot.users.size;
  return withFoundUsers(snapshot, { found, at, createId: () => `u${(count += 1)}` });
}

const namesOf = ({ users }: Snapshot) => [...users.values()].map((user) => user.account);

describe("accounts that were found", () => {
  it("are users, with the same id at each look, and nothing where nothing differs", () => {
    const first = look(nobody, account("alice"), account("bob"));
    expect([...first.users.values()]).toMatchObject([
      { id: "u1", account: "alice", isFound: true, attributes: { userName: "alice", active: true } },
      { id: "u2", account: "bob" },
    ]);
    expect(look(first, account("bob"), account("alice"))).toBe(first);
    const changed = look(first, account("alice", "other"), account("bob"));
    expect(changed.users.get("u1")).toMatchObject({ version: 2, lastModified: at, native: { password: "other" } });
    expect(changed.users.get("u2")).toBe(first.users.get("u2"));
  });

  it("make no user of a name that somebody has, whatever its case", () => {
    const carol: HeldUser = { id: "c", ...meta, account: "c1", native: {}, attributes: { userName: "Carol" } };
    const snapshot = { users: new Map([["c", carol]]), groups: new Map() };
    expect(look(snapshot, account("carol"), account("C1"))).toBe(snapshot);
    expect(namesOf(look(nobody, account("dave"), account("DAVE")))).toEqual(["dave"]);
  });

  it("leave every group when they are gone", () => {
    const { users } = look(nobody, account("alice"), account("bob"));
    const group = { id: "g", ...meta, attributes: { displayName: "g" }, fence: 0, members: new Set(["u1", "u2"]) };
    const after = look({ users, groups: new Map([["g", group]]) }, account("bob"));
    expect(namesOf(after)).toEqual(["bob"]);
    expect(after.groups.get("g")).toMatchObject({ version: 2, members: new Set(["u2"]) });
  });
});
