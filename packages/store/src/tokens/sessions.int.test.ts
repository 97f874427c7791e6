import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deleteSession, findLiveSession, insertSession } from "./sessions.ts";
import { openTestDatabase, type TestDatabase } from "../testing.ts";
import { hashToken, insertToken, revokeToken } from "./tokens.ts";

describe("sessions", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => {
    context.database = await openTestDatabase();
  });
  afterAll(() => context.database[Symbol.asyncDispose]());

  const admin = { client: "admin", scope: "admin", tokenId: null, token: "the-admin-token" } as const;

  it("are found by their secret until they end", async () => {
    const { db } = context.database;
    const { secret, expiresAt } = await insertSession(db, { ...admin, lifetimeMs: 60_000 });
    expect(await findLiveSession(db, secret)).toEqual({
      client: "admin",
      scope: "admin",
      tokenId: null,
      tokenHash: hashToken("the-admin-token"),
      expiresAt,
    });
    await deleteSession(db, secret);
    expect(await findLiveSession(db, secret)).toBeUndefined();
  });

  it("are over when their time is, and are cleared away by the next", async () => {
    const { db } = context.database;
    const { secret } = await insertSession(db, { ...admin, lifetimeMs: -1 });
    expect(await findLiveSession(db, secret)).toBeUndefined();
    await insertSession(db, { ...admin, lifetimeMs: 60_000 });
    const left = await db.selectFrom("sessions").select("hash").where("hash", "=", hashToken(secret)).execute();
    expect(left).toEqual([]);
  });

  it("end with the token that they were opened with", async () => {
    const { db } = context.database;
    const { token, secret: tokenSecret } = await insertToken(db, { client: "alice", scope: "read", expiresAt: null });
    const opened = {
      client: "alice",
      scope: "read",
      tokenId: token.id,
      token: tokenSecret,
      lifetimeMs: 60_000,
    } as const;
    const { secret } = await insertSession(db, opened);
    expect(await findLiveSession(db, secret)).toMatchObject({ client: "alice" });
    await revokeToken(db, token.id);
    expect(await findLiveSession(db, secret)).toBeUndefined();
  });

  it("keep no secret in the record", async () => {
    const { db } = context.database;
    const { secret } = await insertSession(db, { ...admin, lifetimeMs: 60_000 });
    const rows = JSON.stringify(await db.selectFrom("sessions").selectAll().execute());
    expect(rows).not.toContain(secret);
    expect(rows).not.toContain("the-admin-token");
  });
});
