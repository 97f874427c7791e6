import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { findHead } from "./heads.ts";
import { acquireLease, settleScope } from "../scopes/leases.ts";
import { type AskedScope, type BranchRequest, requestBranches } from "./request-branches.ts";
import { findRest } from "./rests.ts";
import { ensureScopes, requestScopesOf } from "../scopes/scopes.ts";
import { insertBranch, openTestDatabase, type TestDatabase } from "../testing.ts";

const outcome = { verdict: "verified", mismatches: [], due: [], failures: 0, settledNames: [] } as const;

describe("what a delivery asks of branches", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => {
    context.database = await openTestDatabase();
  });
  afterAll(() => context.database[Symbol.asyncDispose]());

  const request = (incarnationId: string, more: Partial<BranchRequest> = {}): Promise<readonly AskedScope[]> =>
    requestBranches(context.database.db, [
      { incarnationId, reason: "push", isPlainPush: true, endpoints: ["directory"], heads: [], ...more },
    ]);

  const create = async (): Promise<{ incarnationId: string; scopeId: string }> => {
    const incarnationId = await insertBranch(context.database.db, `dev/${randomUUID()}`);
    const [scope] = await request(incarnationId, { reason: "create", isPlainPush: false });
    return { incarnationId, scopeId: scope?.id ?? "" };
  };

  const run = async (scopeId: string, verdict: "verified" | "failed" = "verified"): Promise<void> => {
    const lease = await acquireLease(context.database.db, scopeId, { holder: "test", leaseMs: 30_000 });
    if (lease === undefined) throw new Error("the lease was to be had");
    await settleScope(context.database.db, lease, { ...outcome, verdict });
  };

  it("makes the scopes that are missing, and asks for those that are there", async () => {
    const { incarnationId } = await create();
    const scopes = await request(incarnationId, { endpoints: ["directory", "hg"] });
    expect(new Map(scopes.map(({ endpoint, requested }) => [endpoint, requested]))).toEqual(
      new Map([
        ["directory", 2],
        ["hg", 1],
      ]),
    );
  });

  it("makes scopes without asking for them where there is no reason", async () => {
    const incarnationId = await insertBranch(context.database.db, `dev/${randomUUID()}`);
    expect(await request(incarnationId, { reason: null })).toEqual([]);
    expect(await request(incarnationId)).toMatchObject([{ endpoint: "directory", requested: 1 }]);
  });

  it("asks also for scopes that policy no longer wants (rule B8)", async () => {
    const { incarnationId } = await create();
    expect(await request(incarnationId, { endpoints: [] })).toMatchObject([{ endpoint: "directory", requested: 2 }]);
  });

  it("notes what each scope has to reach for the head (rule D1)", async () => {
    const { db } = context.database;
    const { incarnationId } = await create();
    const scopes = await request(incarnationId, { endpoints: ["directory", "hg"], heads: ["f".repeat(40)] });
    const head = await findHead(db, incarnationId, "f".repeat(40));
    expect(head?.requested).toEqual(Object.fromEntries(scopes.map(({ id, requested }) => [id, requested])));
  });

  it("keeps what a head has to reach, and since when, where it is told of again and nothing is asked (rules D1, D3)", async () => {
    const { db, pool } = context.database;
    const { incarnationId } = await create();
    const head = "d".repeat(40);
    await request(incarnationId, { heads: [head] });
    await pool.query("update incarnation_heads set seen_at = now() - interval '1 hour' where incarnation_id = $1", [
      incarnationId,
    ]);
    const told = await findHead(db, incarnationId, head);
    await request(incarnationId, { reason: null, heads: [head] });
    const again = await findHead(db, incarnationId, head);
    expect(again?.requested).toEqual(told?.requested);
    expect(again?.ageMs).toBeGreaterThanOrEqual(3_600_000);
    const [scope] = await request(incarnationId, { heads: [head] });
    const moved = await findHead(db, incarnationId, head);
    expect(moved?.requested).toEqual({ [scope?.id ?? ""]: scope?.requested });
    expect(moved?.ageMs).toBeLessThan(3_600_000);
  });

  it("notes the same for each of several heads", async () => {
    const { db } = context.database;
    const { incarnationId } = await create();
    const [scope] = await request(incarnationId, { heads: [null, "e".repeat(40)] });
    for (const head of [null, "e".repeat(40)]) {
      expect((await findHead(db, incarnationId, head))?.requested).toEqual({ [scope?.id ?? ""]: scope?.requested });
    }
  });

  it("notes a head of a branch without scopes, and one that the source did not tell", async () => {
    const { db } = context.database;
    const incarnationId = await insertBranch(db, `dev/${randomUUID()}`);
    await request(incarnationId, { endpoints: [], heads: [null] });
    expect((await findHead(db, incarnationId, null))?.requested).toEqual({});
  });

  it("loses no request to a transaction that makes the scope meanwhile", async () => {
    const { db } = context.database;
    const incarnationId = await insertBranch(db, `dev/${randomUUID()}`);
    const making = db.transaction().execute(async (trx) => {
      await ensureScopes(trx, incarnationId, ["directory"], "create");
      const asking = request(incarnationId);
      await vi.waitFor(async () => expect(await countWaiting()).toBe(1));
      return { asking };
    });
    const asked = await (await making).asking;
    expect(asked).toMatchObject([{ endpoint: "directory", requested: 1 }]);
  });

  async function countWaiting(): Promise<number> {
    const { rows } = await sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query like '%with asked as%'`.execute(
      context.database.db,
    );
    return rows.length;
  }

  it("says of a push that one before it still waits for its run, and of nothing else", async () => {
    const { incarnationId, scopeId } = await create();
    expect(await request(incarnationId)).toMatchObject([{ isCovered: true }]);
    expect(await request(incarnationId, { reason: "rename", isPlainPush: false })).toMatchObject([
      { isCovered: false },
    ]);
    await run(scopeId);
    expect(await request(incarnationId)).toMatchObject([{ isCovered: false }]);
  });

  const push = async (incarnationId: string, scopeId: string): Promise<number> => {
    const [scope] = await request(incarnationId);
    await run(scopeId);
    return scope?.restMs ?? -1;
  };

  it("lets a branch rest that is pushed to again and again", async () => {
    const { incarnationId, scopeId } = await create();
    await run(scopeId);
    expect(await push(incarnationId, scopeId)).toBe(0);
    expect(await push(incarnationId, scopeId)).toBeGreaterThan(0);
  });

  it("lets nothing rest that anything else was asked of, or that is not verified", async () => {
    const { incarnationId, scopeId } = await create();
    await run(scopeId);
    for (let round = 0; round < 2; round += 1) await push(incarnationId, scopeId);
    await requestScopesOf(context.database.db, new Map([[incarnationId, "policy"]]));
    expect(await request(incarnationId)).toMatchObject([{ restMs: 0 }]);
    for (let round = 0; round < 2; round += 1) await push(incarnationId, scopeId);
    await request(incarnationId);
    await run(scopeId, "failed");
    expect(await request(incarnationId)).toMatchObject([{ restMs: 0 }]);
  });

  it("lets a run that was pushed past rest, and one that missed anything else look again", async () => {
    const { db } = context.database;
    const { incarnationId, scopeId } = await create();
    await run(scopeId);
    for (let round = 0; round < 2; round += 1) await push(incarnationId, scopeId);
    const [seen] = await request(incarnationId);
    await request(incarnationId);
    expect(await findRest(db, scopeId, seen?.requested ?? 0)).toBeGreaterThan(0);
    await requestScopesOf(db, new Map([[incarnationId, "directory"]]));
    for (let round = 0; round < 2; round += 1) await request(incarnationId);
    expect(await findRest(db, scopeId, seen?.requested ?? 0)).toBe(0);
  });
});
