import type { Trust, UserId } from "@branchward/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { uuidv7 } from "uuidv7";
import { endCheckoutsOfToken, listLeftCheckouts, listOpenCheckouts, moveCheckout } from "./checkouts.ts";
import { assignCheckouts } from "./identity-links.ts";
import { findBranch } from "../branches/incarnations.ts";
import { insertBranch, insertTestDelivery, insertUser, openTestDatabase, type TestDatabase } from "../testing.ts";
import { insertToken } from "../tokens/tokens.ts";

const noon = new Date("2026-06-01T12:00:00Z");
const minutesLater = (minutes: number) => new Date(noon.getTime() + minutes * 60_000);

interface Stay {
  readonly userId: UserId | null;
  readonly startedAt: Date;
  readonly receivedAt?: Date;
  readonly trust?: Trust;
  readonly workingCopy?: string;
  readonly deliveryId?: string;
}

describe("checkouts (rule B6)", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => void (context.database = await openTestDatabase()));
  afterAll(() => context.database[Symbol.asyncDispose]());

  async function createBranch() {
    const { db } = context.database;
    const branchId = await insertBranch(db, "main");
    const userId = await insertUser(db, `user-${uuidv7()}`);
    return { branchId, userId, repositoryId: (await findBranch(db, branchId))?.repositoryId ?? "" };
  }
  async function checkOut(repositoryId: string, name: string | null, stay: Stay) {
    const { db } = context.database;
    const { workingCopy = "w", startedAt, userId } = stay;
    return moveCheckout(db, {
      repositoryId,
      deliveryId: stay.deliveryId ?? (await insertTestDelivery(db, { source: "agents" })),
      actor: "alice",
      trust: stay.trust ?? "claim",
      userId,
      checkout: { refType: "branch", name, revision: null, workingCopy },
      startedAt,
      receivedAt: stay.receivedAt ?? startedAt,
    });
  }
  const open = (id: string) => listOpenCheckouts(context.database.db, id);

  it("that are repeated in one working copy extend nothing; another working copy is a stay of its own", async () => {
    const { branchId, userId, repositoryId } = await createBranch();
    await checkOut(repositoryId, "main", { userId, startedAt: noon });
    const again = await checkOut(repositoryId, "main", { userId, startedAt: minutesLater(30) });
    expect(again).toMatchObject({ note: "unchanged", touched: [] });
    await checkOut(repositoryId, "main", { userId, startedAt: minutesLater(5), workingCopy: "v" });
    expect((await open(branchId)).map(({ startedAt }) => startedAt)).toEqual([noon, minutesLater(5)]);
  });

  it("that prove better who is there raise the trust of the stay, and never lower it or make it longer", async () => {
    const { branchId, userId, repositoryId } = await createBranch();
    await checkOut(repositoryId, "main", { userId, startedAt: noon });
    const raised = await checkOut(repositoryId, "main", { userId, startedAt: minutesLater(1), trust: "token" });
    expect(raised.touched).toEqual([branchId]);
    await checkOut(repositoryId, "main", { userId, startedAt: minutesLater(2) });
    expect(await open(branchId)).toMatchObject([{ trust: "token", startedAt: noon }]);
  });

  it("that are older than what is known of the working copy move nothing", async () => {
    const { branchId, userId, repositoryId } = await createBranch();
    await checkOut(repositoryId, "main", { userId, startedAt: noon });
    const late = await checkOut(repositoryId, null, {
      userId,
      startedAt: minutesLater(-5),
      receivedAt: minutesLater(10),
    });
    expect(late.note).toBe("stale");
    expect(await open(branchId)).toHaveLength(1);
  });

  it("go on where the database's clock went back: what began later than now orders nothing", async () => {
    const { branchId, userId, repositoryId } = await createBranch();
    await checkOut(repositoryId, "main", { userId, startedAt: minutesLater(60) });
    const after = await checkOut(repositoryId, null, { userId, startedAt: noon });
    expect(after).toMatchObject({ note: null, touched: [branchId] });
    expect(await open(branchId)).toEqual([]);
  });

  it("that ended lately are told with their end, and of a user the last", async () => {
    const { branchId, userId, repositoryId } = await createBranch();
    const startedAt = new Date(Date.now() - 3_600_000);
    const leftAt = new Date(Date.now() - 60_000);
    await checkOut(repositoryId, "main", { userId, startedAt });
    await checkOut(repositoryId, null, { userId, startedAt: leftAt });
    expect(await listLeftCheckouts(context.database.db, branchId)).toMatchObject([{ userId, endedAt: leftAt }]);
  });

  it("become a linked user's from their start, and nobody's when the link goes", async () => {
    const { db } = context.database;
    const { branchId, userId, repositoryId } = await createBranch();
    await checkOut(repositoryId, "main", { userId: null, startedAt: noon });
    expect(await open(branchId)).toEqual([]);
    expect(await assignCheckouts(db, { source: "agents", actor: "alice", userId })).toContain(branchId);
    expect(await open(branchId)).toMatchObject([{ userId, startedAt: noon }]);
    expect(await assignCheckouts(db, { source: "agents", actor: "alice", userId: null })).toContain(branchId);
    expect(await open(branchId)).toEqual([]);
  });

  it("that a device told of end with its token", async () => {
    const { db } = context.database;
    const { branchId, userId, repositoryId } = await createBranch();
    const owner = { userId, device: "laptop" };
    const { token } = await insertToken(db, { client: "agent", scope: "agent", expiresAt: null, owner });
    const deliveryId = await insertTestDelivery(db, { source: "agents", tokenId: token.id });
    await checkOut(repositoryId, "main", { userId, startedAt: noon, trust: "token", deliveryId });
    await checkOut(repositoryId, "main", { userId, startedAt: noon, workingCopy: "other" });
    expect(await endCheckoutsOfToken(db, token.id)).toEqual([branchId]);
    expect(await open(branchId)).toMatchObject([{ workingCopy: "other" }]);
  });
});
