import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { raiseFinding, resolveFinding } from "./scopes/findings.ts";
import { findLivePosition, isBeyond, type LivePosition, listLiveRows } from "./live-rows.ts";
import { insertScope, insertTestDelivery, insertTestSync, openTestDatabase, type TestDatabase } from "./testing.ts";

describe("live rows", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => {
    context.database = await openTestDatabase();
  });
  afterAll(() => context.database[Symbol.asyncDispose]());

  const list = (after: LivePosition, limit = 100) => listLiveRows(context.database.db, after, limit);
  /** Transactions of other databases on the same server hold rows back for a while. */
  const waitForRows = (after: LivePosition, count: number) =>
    vi.waitFor(async () => {
      const rows = await list(after);
      expect(rows).toHaveLength(count);
      return rows;
    }, 10_000);

  it("are deliveries, branches, syncs and findings in the order in which they were written", async () => {
    const { db } = context.database;
    const start = await findLivePosition(db);
    const delivery = await insertTestDelivery(db);
    const { incarnationId, scopeId } = await insertScope(db, { branch: "dev/x" });
    const sync = await insertTestSync(db, scopeId);
    await raiseFinding(db, { kind: "k", subject: "s", severity: "info", message: "m" });
    const rows = await waitForRows(start, 4);
    expect(rows.map(({ type }) => type)).toEqual(["delivery", "branch", "sync", "finding"]);
    expect(rows.slice(0, 3).map(({ id }) => id)).toEqual([delivery, incarnationId, sync]);
  });

  it("come page by page without a gap, also in the middle of one transaction", async () => {
    const { db } = context.database;
    const start = await findLivePosition(db);
    const { scopeId } = await insertScope(db, { branch: "dev/pages" });
    await db.transaction().execute(async (trx) => {
      for (let n = 0; n < 5; n += 1) {
        await insertTestDelivery(trx);
        await insertTestSync(trx, scopeId);
      }
    });
    const all = await waitForRows(start, 11);
    const seen: string[] = [];
    for (let at: LivePosition | undefined = start; at !== undefined;) {
      const page: Awaited<ReturnType<typeof list>> = await list(at, 2);
      seen.push(...page.map(({ id }) => id));
      at = page.at(-1);
    }
    expect(seen).toEqual(all.map(({ id }) => id));
  });

  it("come again when they change, and only at their newest position", async () => {
    const { db } = context.database;
    await raiseFinding(db, { kind: "twice", subject: "s", severity: "info", message: "m" });
    const start = await findLivePosition(db);
    await resolveFinding(db, "twice", "s");
    const [row] = await waitForRows(start, 1);
    expect(row?.type).toBe("finding");
  });

  it("wait for a transaction that began earlier and commits later: its rows are not skipped", async () => {
    const { db } = context.database;
    const start = await findLivePosition(db);
    const early = await db.startTransaction().execute();
    const first = await insertTestDelivery(early);
    const second = await insertTestDelivery(db);
    expect(await list(start)).toEqual([]);
    await early.commit().execute();
    expect((await waitForRows(start, 2)).map(({ id }) => id)).toEqual([first, second]);
  });

  it("know a position that this database has never reached", async () => {
    const { db } = context.database;
    const position = await findLivePosition(db);
    expect(await isBeyond(db, position)).toBe(false);
    expect(await isBeyond(db, { ...position, xid: "999999999999" })).toBe(true);
  });
});
