import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listFindings } from "../scopes/findings.ts";
import { endHold, findHold, getHold, insertHold, listHolds, type NewHold, settleEndedHolds } from "./holds.ts";
import { findBranch } from "../branches/incarnations.ts";
import { ensureScopes, requestScopesOf } from "../scopes/scopes.ts";
import { insertScope, openTestDatabase, type TestDatabase } from "../testing.ts";

describe("holds", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => void (context.database = await openTestDatabase()));
  afterAll(() => context.database[Symbol.asyncDispose]());

  /** A branch with scopes at two endpoints. */
  async function createHeld() {
    const { db } = context.database;
    const { incarnationId } = await insertScope(db, { branch: "main" });
    await ensureScopes(db, incarnationId, ["hg"], "create");
    await requestScopesOf(db, new Map([[incarnationId, "create"]]));
    const repositoryId = (await findBranch(db, incarnationId))?.repositoryId ?? "";
    return { repositoryId, incarnationId };
  }
  const make = (hold: Pick<NewHold, "repositoryId"> & Partial<NewHold>) =>
    insertHold(context.database.db, {
      incarnationId: null,
      endpoint: null,
      forMs: 60_000,
      reason: "the fire brigade works by hand",
      madeBy: "carol",
      ...hold,
    });
  const findingsOf = async (id: string) => {
    const findings = await listFindings(context.database.db, 200);
    return findings.filter(({ kind, subject }) => kind === "hold" && subject.endsWith(id.slice(-8)));
  };
  const over = (id: string) =>
    context.database.db
      .updateTable("holds")
      .set({ until_at: sql<Date>`now() - interval '1 second'` })
      .where("id", "=", id)
      .execute();

  it("stand on what they cover and on nothing else", async () => {
    const { db } = context.database;
    const [one, other] = [await createHeld(), await createHeld()];
    const { id } = await make({ ...one, endpoint: "hg" });
    expect(await findHold(db, { ...one, endpoint: "hg" })).toMatchObject({ id, madeBy: "carol" });
    expect(await findHold(db, { ...one, endpoint: "directory" })).toBeNull();
    expect(await findHold(db, { ...other, endpoint: "hg" })).toBeNull();
    await make({ repositoryId: other.repositoryId });
    expect(await findHold(db, { ...other, endpoint: "directory" })).not.toBeNull();
  });

  it("ask for exactly the scopes that they cover when they are made", async () => {
    const held = await createHeld();
    const whole = await make({ repositoryId: held.repositoryId });
    expect(whole.requested.map(({ endpoint }) => endpoint).toSorted()).toEqual(["directory", "hg"]);
    const one = await make({ ...held, endpoint: "hg" });
    expect(one.requested.map(({ endpoint }) => endpoint)).toEqual(["hg"]);
  });

  it("stand as a finding that says who, until when and why, as long as they last", async () => {
    const held = await createHeld();
    const { id } = await make(held);
    const [finding] = await findingsOf(id);
    expect(finding?.message).toMatch(/^carol holds repair until .*: the fire brigade works by hand;/u);
    await endHold(context.database.db, id, "dave");
    expect(await findingsOf(id)).toEqual([]);
    expect(await getHold(context.database.db, id)).toMatchObject({ state: "ended", endedBy: "dave" });
  });

  it("take their finding with them also where branch and repository were renamed meanwhile", async () => {
    const { db } = context.database;
    const held = await createHeld();
    const [{ id }, other] = [await make(held), await make(held)];
    await db.updateTable("incarnations").set({ name: "renamed" }).where("id", "=", held.incarnationId).execute();
    await db.updateTable("repositories").set({ name: "acme/new" }).where("id", "=", held.repositoryId).execute();
    await endHold(db, id, "dave");
    expect([await findingsOf(id), await findingsOf(other.id)]).toEqual([[], [expect.anything()]]);
  });

  it("end by themselves, by the database's clock, and are then looked at again by whoever sweeps", async () => {
    const { db } = context.database;
    const held = await createHeld();
    const { id } = await make(held);
    await over(id);
    expect(await findHold(db, { ...held, endpoint: "hg" })).toBeNull();
    expect((await listHolds(db, { limit: 50, state: "expired" })).map((hold) => hold.id)).toEqual([id]);
    const requested = await settleEndedHolds(db, 10);
    expect(requested.map(({ endpoint }) => endpoint).toSorted()).toEqual(["directory", "hg"]);
    expect(await findingsOf(id)).toEqual([]);
    expect(await settleEndedHolds(db, 10)).toEqual([]);
  });

  it("end once: who comes later is told", async () => {
    const { db } = context.database;
    const { id } = await make(await createHeld());
    expect(await endHold(db, id, "dave")).toHaveLength(2);
    expect(await endHold(db, id, "erin")).toBeUndefined();
    expect(await getHold(db, id)).toMatchObject({ endedBy: "dave" });
  });
});
