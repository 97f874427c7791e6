import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { acquireLease, getLeaseRemaining, renewLease, type ScopeOutcome, settleScope } from "./leases.ts";
import {
  ensureScopes,
  listUnreconciled,
  requestDueScope,
  requestDueScopes,
  requestScopes,
  requestScopesOf,
} from "./scopes.ts";
import { listSyncs } from "./syncs.ts";
import { insertBranch, insertTestSync, openTestDatabase, type TestDatabase } from "../testing.ts";

const outcome = { verdict: "verified", mismatches: [], due: [], failures: 0, settledNames: [] } as const;

describe("scopes", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => {
    context.database = await openTestDatabase();
  });
  afterAll(() => context.database[Symbol.asyncDispose]());

  async function createScope(): Promise<{ incarnationId: string; scopeId: string }> {
    const { db } = context.database;
    const incarnationId = await insertBranch(db, `dev/${randomUUID()}`);
    await ensureScopes(db, incarnationId, ["directory"], "create");
    const [scope] = await requestScopesOf(db, new Map([[incarnationId, "create"]]));
    return { incarnationId, scopeId: scope?.id ?? "" };
  }

  const lease = (scopeId: string, leaseMs = 30_000) =>
    acquireLease(context.database.db, scopeId, { holder: "test", leaseMs });

  it("are asked for once more by each event, for its reason", async () => {
    const { incarnationId } = await createScope();
    const [again] = await requestScopesOf(context.database.db, new Map([[incarnationId, "push"]]));
    expect(again).toMatchObject({ requested: 2, endpoint: "directory", incarnationId });
  });

  it("are made once, and making them again asks for nothing", async () => {
    const { incarnationId } = await createScope();
    await ensureScopes(context.database.db, incarnationId, ["directory", "hg"], "create");
    const scopes = await requestScopesOf(context.database.db, new Map([[incarnationId, "push"]]));
    expect(Object.fromEntries(scopes.map((scope) => [scope.endpoint, scope.requested]))).toEqual({
      directory: 2,
      hg: 1,
    });
  });

  it("keep nobody who records something of them waiting while they are asked for", async () => {
    const { incarnationId, scopeId } = await createScope();
    const { db } = context.database;
    await db.transaction().execute(async (trx) => {
      await requestScopes(trx, [scopeId], "directory");
      // Another connection, which would wait for the end of this transaction.
      await insertTestSync(db, scopeId);
    });
    expect(await listSyncs(db, { limit: 10 })).toMatchObject([{ incarnation: incarnationId }]);
  });

  it("are leased to one holder at a time", async () => {
    const { scopeId } = await createScope();
    const [first, second] = await Promise.all([lease(scopeId), lease(scopeId)]);
    expect([first, second].filter((one) => one !== undefined)).toHaveLength(1);
  });

  it("go to another holder once a lease has expired, under a higher token", async () => {
    const { scopeId } = await createScope();
    const first = await lease(scopeId, 0);
    const second = await lease(scopeId);
    expect(second?.token).toBe((first?.token ?? 0) + 1);
  });

  it("take no record of a run whose lease was lost (rule C4)", async () => {
    const { scopeId } = await createScope();
    const { db } = context.database;
    const lost = await lease(scopeId, 0);
    const held = await lease(scopeId);
    if (lost === undefined || held === undefined) throw new Error("both leases were to be had");
    expect(await settleScope(db, lost, { ...outcome, verdict: "failed" })).toBeUndefined();
    expect(await renewLease(db, lost, 30_000)).toBe(false);
    expect(await getLeaseRemaining(db, lost)).toBe(0);
    expect(await getLeaseRemaining(db, held)).toBeGreaterThan(20_000);
    expect(await settleScope(db, held, outcome)).toEqual({ requested: 1, dueInMs: null });
  });

  it("tell a run of requests that came while it worked", async () => {
    const { incarnationId, scopeId } = await createScope();
    const held = await lease(scopeId);
    if (held === undefined) throw new Error("the lease was to be had");
    await requestScopesOf(context.database.db, new Map([[incarnationId, "push"]]));
    expect(held.requested).toBe(1);
    expect(await settleScope(context.database.db, held, outcome)).toEqual({ requested: 2, dueInMs: null });
  });

  it("are found by the sweeper when nobody took them, and not while a lease is held", async () => {
    const { scopeId } = await createScope();
    const { db } = context.database;
    const find = async () =>
      (await listUnreconciled(db, { quietMs: -1_000, limit: 100 })).some((scope) => scope.id === scopeId);
    expect(await find()).toBe(true);
    const held = await lease(scopeId);
    expect(await find()).toBe(false);
    if (held !== undefined) await settleScope(db, held, outcome);
    expect(await find()).toBe(false);
  });

  it("are asked for by their timer once it is due, and once only", async () => {
    const { scopeId } = await createScope();
    const { db } = context.database;
    const held = await lease(scopeId);
    if (held === undefined) throw new Error("the lease was to be had");
    await settleScope(db, held, { ...outcome, due: [{ reason: "retry", inMs: 60_000 }] });
    expect(await requestDueScope(db, scopeId)).toBeUndefined();
    const again = await lease(scopeId);
    if (again === undefined) throw new Error("the lease was to be had");
    await settleScope(db, again, { ...outcome, due: [{ reason: "expiry", at: new Date(Date.now() - 1_000) }] });
    expect((await requestDueScopes(db, 100)).map((scope) => scope.id)).toContain(scopeId);
    expect(await requestDueScope(db, scopeId)).toBeUndefined();
  });

  it("are due at the first of several moments, those of the record and those from now alike, by the database's clock", async () => {
    const { scopeId } = await createScope();
    const { db, pool } = context.database;
    const { rows } = await pool.query<{ soon: Date; late: Date }>(
      "select now() + interval '30 seconds' as soon, now() + interval '2 hours' as late",
    );
    const { soon = new Date(), late = new Date() } = rows[0] ?? {};
    const settle = async (due: ScopeOutcome["due"]) => {
      const held = await lease(scopeId);
      if (held === undefined) throw new Error("the lease was to be had");
      const settled = await settleScope(db, held, { ...outcome, due });
      const found = await pool.query<{ due_reason: string; due_at: Date }>(
        "select due_reason, due_at from scopes where id = $1",
        [scopeId],
      );
      const [row] = found.rows;
      return { dueInMs: settled?.dueInMs ?? 0, reason: row?.due_reason, atMs: row?.due_at.getTime() };
    };
    const retry = { reason: "retry", inMs: 60_000 } as const;
    const expiry = await settle([retry, { reason: "expiry", at: soon }]);
    expect(expiry).toMatchObject({ reason: "expiry", atMs: soon.getTime() });
    expect(expiry.dueInMs).toBeLessThanOrEqual(30_000);
    expect(await settle([{ reason: "window", at: late }, retry])).toMatchObject({ reason: "retry", dueInMs: 60_000 });
    expect(await settle([retry, { reason: "expiry", at: new Date(0) }])).toMatchObject({
      reason: "expiry",
      dueInMs: 0,
    });
  });

  it("stay due for the look that follows a write by a deadline, whatever runs come before it (rule C4)", async () => {
    const { scopeId } = await createScope();
    const { db, pool } = context.database;
    const settle = async (due: ScopeOutcome["due"]) => {
      const held = await lease(scopeId);
      if (held === undefined) throw new Error("the lease was to be had");
      await settleScope(db, held, { ...outcome, due });
      const { rows } = await pool.query<{ due_reason: string | null; due_at: Date | null }>(
        "select due_reason, due_at from scopes where id = $1",
        [scopeId],
      );
      return rows[0];
    };
    const wanted = await settle([{ reason: "verify", inMs: 10_000 }]);
    expect(wanted?.due_reason).toBe("verify");
    expect(await settle([])).toEqual(wanted);
    expect(await settle([{ reason: "window", at: new Date(Date.now() + 3_600_000) }])).toEqual(wanted);
    await pool.query("update scopes set due_at = now() - interval '1 millisecond' where id = $1", [scopeId]);
    await requestDueScope(db, scopeId);
    expect(await settle([])).toMatchObject({ due_reason: null, due_at: null });
  });

  it("are asked for by many transactions at once without a deadlock", async () => {
    const scopes = await Promise.all(Array.from({ length: 8 }, createScope));
    const ids = scopes.map((scope) => scope.incarnationId);
    const rounds = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? ids : ids.toReversed()));
    const requested = await Promise.all(
      rounds.map((order) =>
        context.database.db
          .transaction()
          .execute((trx) => requestScopesOf(trx, new Map(order.map((id) => [id, "push"])))),
      ),
    );
    expect(Math.max(...requested.flat().map((scope) => scope.requested))).toBe(41);
  });
});
