import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listEndpointStates } from "../endpoints/endpoint-states.ts";
import { acquireLease, settleScope } from "./leases.ts";
import { findSync, listSyncs, type SyncFilter } from "./syncs.ts";
import { insertScope, insertTestSync, openTestDatabase, type TestDatabase } from "../testing.ts";

describe("the list of syncs", () => {
  const context: { database: TestDatabase; ids: Record<"a" | "b" | "c", string> } = {} as never;
  beforeAll(async () => {
    const database = await openTestDatabase();
    const { db } = database;
    const main = await insertScope(db, { branch: "release/100%_x" });
    const dev = await insertScope(db, { branch: "dev/y", endpoint: "hg" });
    const at = (day: number) => ({ finishedAt: new Date(Date.UTC(2026, 0, day)) });
    const ids = {
      a: await insertTestSync(db, main.scopeId, { reason: "create", ...at(1) }),
      b: await insertTestSync(db, dev.scopeId, { reason: "push", verdict: "failed", ...at(2) }),
      c: await insertTestSync(db, main.scopeId, { reason: "timer", verdict: "diverged", ...at(3) }),
    };
    Object.assign(context, { database, ids });
  });
  afterAll(() => context.database[Symbol.asyncDispose]());

  it.each<[string, Omit<SyncFilter, "limit">, readonly ("a" | "b" | "c")[]]>([
    ["nothing", {}, ["c", "b", "a"]],
    ["the branch", { branch: "dev/y" }, ["b"]],
    ["the endpoint", { endpoint: "directory" }, ["c", "a"]],
    ["the verdict", { verdict: "failed" }, ["b"]],
    ["the reason", { reason: "timer" }, ["c"]],
    ["since", { since: new Date(Date.UTC(2026, 0, 2)) }, ["c", "b"]],
    ["until, which is left out itself", { until: new Date(Date.UTC(2026, 0, 2)) }, ["a"]],
    ["part of a name in other letters", { text: "RELEASE" }, ["c", "a"]],
    ["part of a reason", { text: "ush" }, ["b"]],
    ["part of an endpoint's name", { text: "hg" }, ["b"]],
    ["a text whose wildcards mean themselves", { text: "100%_x" }, ["c", "a"]],
    ["a wildcard that no name holds", { text: "100__x" }, []],
    ["several at once", { text: "release", verdict: "diverged", endpoint: "directory" }, ["c"]],
  ])("is narrowed by %s", async (_, filter, expected) => {
    const rows = await listSyncs(context.database.db, { limit: 10, ...filter });
    expect(rows.map(({ id }) => id)).toEqual(expected.map((name) => context.ids[name]));
  });

  it("keeps ten thousand members that were as they ought to be once, however many runs found them so", async () => {
    const { db } = context.database;
    const { scopeId } = await insertScope(db, { branch: "release/big" });
    const members = Array.from({ length: 10_000 }, (_, n) => ({
      user: `id-${n}`,
      userName: `user-${n}`,
      why: `rule ${n % 3}`,
    }));
    const unchanged = [{ entitlement: "push", group: "g", members }];
    const before = await db.selectFrom("member_sets").select("digest").execute();
    const first = await insertTestSync(db, scopeId, { unchanged });
    await insertTestSync(db, scopeId, { unchanged });
    expect((await findSync(db, first))?.unchanged).toEqual(unchanged);
    expect(await db.selectFrom("member_sets").select("digest").execute()).toHaveLength(before.length + 1);
  });

  it("tells how each endpoint stands: what is asked for and not reached is pending, whatever its verdict", async () => {
    const { db } = context.database;
    const { scopeId } = await insertScope(db, { branch: "dev/other", endpoint: "phorge" });
    const [pending] = await listEndpointStates(db, ["phorge"]);
    expect(pending).toMatchObject({ scopes: { pending: 1, verified: 0 }, lastSync: null, lastError: null });
    expect(pending?.pendingSince).toBeInstanceOf(Date);
    const lease = await acquireLease(db, scopeId, { holder: "test", leaseMs: 10_000 });
    if (lease === undefined) throw new Error("the lease is free");
    await settleScope(db, lease, { verdict: "failed", mismatches: [], due: [], failures: 1, settledNames: [] });
    const error = { code: "endpoint_timeout", message: "no answer" };
    const failed = await insertTestSync(db, scopeId, { verdict: "failed", error });
    const verified = await insertTestSync(db, scopeId);
    const [state, unknown] = await listEndpointStates(db, ["phorge", "nobody"]);
    expect(state).toMatchObject({
      scopes: { pending: 0, failed: 1 },
      pendingSince: null,
      lastSync: { id: verified, verdict: "verified" },
      lastError: { sync: failed, ...error },
    });
    expect(unknown).toMatchObject({ scopes: { pending: 0, verified: 0 }, lastSync: null });
  });
});
