import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTestDatabase, type TestDatabase } from "../testing.ts";
import { expireTokenBy, findLiveToken, findToken, insertToken, listTokens, revokeToken, touchToken } from "./tokens.ts";

const hourMs = 3_600_000;

describe("tokens", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => {
    context.database = await openTestDatabase();
  });
  afterAll(() => context.database[Symbol.asyncDispose]());

  const create = (expiresAt: Date | null = null) =>
    insertToken(context.database.db, { client: "okta", scope: "scim", expiresAt });

  it("are found by their secret, which is kept nowhere", async () => {
    const { token, secret } = await create();
    expect(secret).toMatch(/^bw_scim_[\w-]{43}$/u);
    expect(await findLiveToken(context.database.db, secret)).toMatchObject({
      id: token.id,
      client: "okta",
      scope: "scim",
    });
    const { rows } = await context.database.pool.query<{ row: string }>("select tokens::text as row from tokens");
    expect(rows.some(({ row }) => row.includes(secret))).toBe(false);
    expect(secret.startsWith(token.hint)).toBe(true);
    expect(token.hint.length).toBeLessThan(14);
  });

  it("are dead once revoked or expired", async () => {
    const { db } = context.database;
    const revoked = await create();
    expect(await revokeToken(db, revoked.token.id)).toBe(true);
    expect(await revokeToken(db, revoked.token.id)).toBe(false);
    expect(await findLiveToken(db, revoked.secret)).toBeUndefined();
    const expired = await create(new Date(Date.now() - 1_000));
    expect(await findLiveToken(db, expired.secret)).toBeUndefined();
  });

  it("live on for an overlap, and never longer than they would have", async () => {
    const { db } = context.database;
    const soon = new Date(Date.now() + hourMs);
    const endless = await create();
    await expireTokenBy(db, endless.token.id, soon);
    expect((await findToken(db, endless.token.id))?.expiresAt).toEqual(soon);
    const short = await create(new Date(Date.now() + 60_000));
    await expireTokenBy(db, short.token.id, soon);
    expect((await findToken(db, short.token.id))?.expiresAt).toEqual(short.token.expiresAt);
  });

  it("note their use, and not more than once a minute", async () => {
    const { db } = context.database;
    const { token } = await create();
    await touchToken(db, token.id);
    const first = (await findToken(db, token.id))?.lastUsedAt;
    expect(first).toBeInstanceOf(Date);
    await touchToken(db, token.id);
    expect((await findToken(db, token.id))?.lastUsedAt).toEqual(first);
    expect((await listTokens(db)).some((one) => one.id === token.id)).toBe(true);
  });
});
