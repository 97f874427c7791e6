import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { insertEnrolmentCode, redeemEnrolmentCode } from "./enrolments.ts";
import { insertUser, openTestDatabase, type TestDatabase } from "../testing.ts";
import { findAgent, findAgentById, insertToken, revokeToken } from "../tokens/tokens.ts";

describe("enrolling a device", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => void (context.database = await openTestDatabase()));
  afterAll(() => context.database[Symbol.asyncDispose]());

  async function makeCode() {
    const { db } = context.database;
    const userName = `user-${crypto.randomUUID()}`;
    const userId = await insertUser(db, userName);
    const made = await insertEnrolmentCode(db, {
      userId,
      device: "laptop",
      madeBy: "admin",
      codeMs: 60_000,
      tokenDays: 90,
    });
    return { ...made, userId, userName };
  }

  it("gives a token of the user for the code, once", async () => {
    const { db } = context.database;
    const { code, userId, userName } = await makeCode();
    const enrolled = await redeemEnrolmentCode(db, { code, device: null });
    expect(enrolled).toMatchObject({ userName, token: { scope: "agent", userId, device: "laptop" } });
    expect(await findAgent(db, enrolled?.secret ?? "")).toMatchObject({ userId, userName, active: true });
    expect(await redeemEnrolmentCode(db, { code, device: null })).toBeUndefined();
  });

  it("may name the device anew", async () => {
    const { code } = await makeCode();
    const enrolled = await redeemEnrolmentCode(context.database.db, { code, device: "desk" });
    expect(enrolled?.token.device).toBe("desk");
  });

  it("is refused for a code that is unknown or over, and for a user who was deactivated", async () => {
    const { db } = context.database;
    expect(await redeemEnrolmentCode(db, { code: "bw_enrol_nothing", device: null })).toBeUndefined();
    const late = await makeCode();
    await db
      .updateTable("enrolment_codes")
      .set({ expires_at: sql<Date>`now() - interval '1 second'` })
      .where("id", "=", late.id)
      .execute();
    expect(await redeemEnrolmentCode(db, { code: late.code, device: null })).toBeUndefined();
    const left = await makeCode();
    await db.updateTable("directory_users").set({ active: false }).where("id", "=", left.userId).execute();
    expect(await redeemEnrolmentCode(db, { code: left.code, device: null })).toBeUndefined();
  });

  it("counts for live tokens of scope agent alone that are bound to a user", async () => {
    const { db } = context.database;
    const userId = await insertUser(db, "token-owner");
    const owner = { userId, device: "laptop" };
    const inAnHour = new Date(Date.now() + 3_600_000);
    const whole = await insertToken(db, { client: "agent", scope: "agent", expiresAt: inAnHour, owner });
    const unbound = await insertToken(db, { client: "agent", scope: "agent", expiresAt: inAnHour });
    const admin = await insertToken(db, { client: "admin", scope: "admin", expiresAt: inAnHour, owner });
    const over = await insertToken(db, { client: "agent", scope: "agent", expiresAt: new Date(0), owner });
    expect(await findAgent(db, whole.secret)).toMatchObject({ userId });
    for (const { secret } of [unbound, admin, over]) expect(await findAgent(db, secret)).toBeUndefined();
    await revokeToken(db, whole.token.id);
    expect(await findAgent(db, whole.secret)).toBeUndefined();
    expect(await findAgentById(db, whole.token.id)).toBeUndefined();
  });
});
