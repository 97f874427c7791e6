import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  approveGrant,
  expireGrants,
  expireGrantsOf,
  findGrant,
  insertGrant,
  listEmergencies,
  listGrants,
  moveGrants,
  rejectGrant,
  revokeGrant,
} from "./emergency-grants.ts";
import { insertBranch, insertUser, openTestDatabase, type TestDatabase } from "../testing.ts";

describe("emergency grants (rule B9)", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => void (context.database = await openTestDatabase()));
  afterAll(() => context.database[Symbol.asyncDispose]());

  async function ask(over: { readonly forMs?: number; readonly branch?: string } = {}) {
    const { db } = context.database;
    const incarnationId = over.branch ?? (await insertBranch(db, "main"));
    const userId = await insertUser(db, `user-${crypto.randomUUID()}`);
    const asked = {
      userId,
      entitlement: "push",
      incarnationId,
      forMs: over.forMs ?? 60_000,
      reason: "fire",
      requestedBy: "bob",
    };
    return { id: await insertGrant(db, asked), userId, incarnationId };
  }
  const stateOf = async (id: string) => (await findGrant(context.database.db, id))?.state;
  const emergenciesOf = (incarnationId: string) => listEmergencies(context.database.db, incarnationId);

  it("give nothing before they are approved, and their time counts from there", async () => {
    const { db } = context.database;
    const { id, userId, incarnationId } = await ask();
    expect(await stateOf(id)).toBe("requested");
    expect(await emergenciesOf(incarnationId)).toEqual([]);
    await db
      .updateTable("emergency_grants")
      .set({ requested_at: sql<Date>`now() - interval '1 day'` })
      .where("id", "=", id)
      .execute();
    await approveGrant(db, id, "carol");
    const grant = await findGrant(db, id);
    expect(grant).toMatchObject({ state: "approved", decidedBy: "carol", requestedBy: "bob", reason: "fire" });
    expect((grant?.expiresAt?.getTime() ?? 0) - (grant?.decidedAt?.getTime() ?? 0)).toBeGreaterThan(59_000);
    expect(await emergenciesOf(incarnationId)).toEqual([
      { id, userId, entitlement: "push", approvedBy: "carol", until: grant?.expiresAt },
    ]);
  });

  it("are expired as soon as their time is over, whether or not anybody has noted it", async () => {
    const { db } = context.database;
    const { id } = await ask();
    await approveGrant(db, id, "carol");
    await db
      .updateTable("emergency_grants")
      .set({ expires_at: sql<Date>`now() - interval '1 second'` })
      .where("id", "=", id)
      .execute();
    expect(await stateOf(id)).toBe("expired");
    expect((await listGrants(db, { limit: 10, state: "expired" })).map((grant) => grant.id)).toContain(id);
    await expireGrants(db);
    const row = await db.selectFrom("emergency_grants").select("state").where("id", "=", id).executeTakeFirst();
    expect(row?.state).toBe("expired");
  });

  it("tell revoked, rejected and expired apart, and none of them can be approved again", async () => {
    const { db } = context.database;
    const [revoked, rejected, expired] = [await ask(), await ask(), await ask()];
    await approveGrant(db, revoked.id, "carol");
    await revokeGrant(db, revoked.id, "dave");
    await rejectGrant(db, rejected.id, "carol");
    await expireGrantsOf(db, expired.incarnationId);
    for (const { id } of [revoked, rejected, expired]) await approveGrant(db, id, "carol");
    expect(await Promise.all([revoked, rejected, expired].map(({ id }) => stateOf(id)))).toEqual([
      "revoked",
      "rejected",
      "expired",
    ]);
  });

  it("that were revoked are told with the moment of their end, so that the loss has a cause", async () => {
    const { db } = context.database;
    const { id, incarnationId } = await ask();
    await approveGrant(db, id, "carol");
    await revokeGrant(db, id, "dave");
    const [told] = await emergenciesOf(incarnationId);
    expect(told?.until).toEqual((await findGrant(db, id))?.endedAt);
  });

  it("that nobody decided are expired while their branch is deleted, and wait again where that is taken back", async () => {
    const { db } = context.database;
    const { id, incarnationId } = await ask();
    const move = (state: "active" | "deleted") =>
      db.updateTable("incarnations").set({ state }).where("id", "=", incarnationId).execute();
    await move("deleted");
    expect(await stateOf(id)).toBe("expired");
    expect((await listGrants(db, { limit: 200, state: "requested" })).map((grant) => grant.id)).not.toContain(id);
    await move("active");
    expect(await stateOf(id)).toBe("requested");
  });

  it("end with the life of their branch, and go with a branch that is merged into another", async () => {
    const { db } = context.database;
    const ended = await ask();
    await approveGrant(db, ended.id, "carol");
    await db.updateTable("incarnations").set({ state: "deleted" }).where("id", "=", ended.incarnationId).execute();
    expect(await stateOf(ended.id)).toBe("expired");
    const moved = await ask();
    await approveGrant(db, moved.id, "carol");
    const survivor = await insertBranch(db, "survivor");
    await moveGrants(db, moved.incarnationId, survivor);
    expect(await findGrant(db, moved.id)).toMatchObject({ state: "approved", incarnation: survivor });
  });
});
