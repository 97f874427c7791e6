import type { UserId } from "@branchward/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findUserIdAt } from "./access-history.ts";
import type { DirectoryChange } from "../directory/changes.ts";
import { insertUser, openTestDatabase, type TestDatabase } from "../testing.ts";

const OLD = "018f0000-0000-7000-8000-000000000001" as UserId;
const day = (number: number) => new Date(Date.UTC(2026, 5, number, 12));

describe("whom a name meant at a past moment", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeEach(async () => void Object.assign(context, { database: await openTestDatabase() }));
  afterEach(() => context.database[Symbol.asyncDispose]());

  async function record(number: number, { kind, resourceId, details }: DirectoryChange): Promise<void> {
    await context.database.pool.query(
      "insert into directory_changes (kind, resource_id, details, created_at) values ($1, $2, $3, $4)",
      [kind, resourceId, JSON.stringify(details), day(number)],
    );
  }
  const created = (number: number, resourceId: string, userName: string) =>
    record(number, { kind: "user.created", resourceId, details: { userName, active: true } });
  const renamed = (number: number, resourceId: string, from: string, to: string) =>
    record(number, { kind: "user.renamed", resourceId, details: { from, to } });
  const deleted = (number: number, resourceId: string, userName: string) =>
    record(number, {
      kind: "user.deleted",
      resourceId,
      details: { userName, userNameKey: userName, active: true, client: "okta" },
    });
  const at = (userName: string, number: number) => findUserIdAt(context.database.db, userName, day(number));

  it("is whoever bore it then, not the namesake made since", async () => {
    const now = await insertUser(context.database.db, "alice");
    await created(1, OLD, "alice");
    await deleted(3, OLD, "alice");
    await created(5, now, "alice");
    expect([await at("alice", 2), await at("ALICE", 4), await at("alice", 6)]).toEqual([OLD, OLD, now]);
  });

  it("is whoever bore it then through renames, from one to another and back", async () => {
    const now = await insertUser(context.database.db, "alice");
    await created(1, OLD, "alice");
    await renamed(3, OLD, "alice", "alice.old");
    await created(4, now, "bob");
    await renamed(5, now, "bob", "alice");
    expect([await at("alice", 2), await at("alice", 6), await at("alice.old", 6)]).toEqual([OLD, now, OLD]);
    expect(await at("bob", 4)).toBe(now);
    await renamed(7, now, "alice", "bob");
    expect([await at("alice", 6), await at("bob", 8)]).toEqual([now, now]);
  });

  it("is whoever bears it now, or bore it last, where nothing of it was recorded by then", async () => {
    const now = await insertUser(context.database.db, "strauss");
    await created(5, now, "Strau\u00df");
    expect([await at("STRAUSS", 2), await at("nobody", 2)]).toEqual([now, undefined]);
  });
});
