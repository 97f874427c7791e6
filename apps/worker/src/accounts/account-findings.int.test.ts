import { findUserByUserName, listFindings } from "@branchward/store";
import { insertUser, openTestDatabase, type TestDatabase } from "@branchward/store/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { raiseAccountFindings } from "./account-findings.ts";

describe("people without an account at an endpoint (rule C5)", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => {
    context.database = await openTestDatabase();
  });
  afterAll(() => context.database[Symbol.asyncDispose]());

  async function miss(userName: string, since: string): Promise<void> {
    const { db, pool } = context.database;
    await insertUser(db, userName);
    const user = await findUserByUserName(db, userName);
    await pool.query(
      `insert into account_links (endpoint, user_id, user_name, state, state_since, managed)
       values ('hg', $1, $2, 'missing', now() - $3::interval, false)`,
      [user?.id, userName, since],
    );
  }

  const findMissing = async () => {
    await raiseAccountFindings(context.database.db);
    const found = await listFindings(context.database.db, 100);
    return found.filter(({ kind }) => kind === "accounts-missing").map(({ subject, message }) => [subject, message]);
  };

  it("are a finding of the endpoint after a day, and not before, until they have one", async () => {
    await miss("alice", "23 hours 59 minutes");
    expect(await findMissing()).toEqual([]);
    await miss("bob", "24 hours 1 minute");
    const told = "1 people have had no account there for a day (bob) and hold nothing there";
    expect(await findMissing()).toEqual([["hg", expect.stringContaining(told)]]);
    await context.database.pool.query(
      "update account_links set state = 'linked', account_id = '1' where user_name = 'bob'",
    );
    expect(await findMissing()).toEqual([]);
  });
});
