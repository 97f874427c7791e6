import type { Reason } from "@branchward/core";
import { type ScimResponse } from "@branchward/scim";
import {
  acquireLease,
  findOpenRevocation,
  listFindings,
  openLedgerEntries,
  releaseLease,
  seizeLease,
} from "@branchward/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createReconcileScope, revokeScope } from "./reconcile-scope.ts";
import { lastTry, type NewTestScope, openTestScope, type TestScope } from "./testing.ts";

describe("the run of a scope", () => {
  let stack = new AsyncDisposableStack();
  const context: Pick<TestScope, "database" | "deps" | "scopeId" | "handle"> & { stop: AbortController } = {} as never;
  /** What the endpoint does before it answers, and answers in place of the ordinary. */
  const state: {
    answer: (request: { readonly method: string; readonly path: string }) => Promise<ScimResponse | undefined>;
  } = { answer: async () => undefined };

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    state.answer = async () => undefined;
    const answer: NewTestScope["answer"] = async (request, handle) => (await state.answer(request)) ?? handle(request);
    const stop = new AbortController();
    const scope = stack.use(await openTestScope({ to: "group:engineering", answer, stopping: stop.signal }));
    Object.assign(context, { ...scope, stop });
  });
  afterEach(() => stack.disposeAsync());

  it("that revokes has not come to its end where another took the lease meanwhile", async () => {
    const { database, deps, scopeId } = context;
    state.answer = async () => {
      await seizeLease(database.db, scopeId, { holder: "another", leaseMs: 30_000 });
      return undefined;
    };
    expect(await revokeScope(deps, scopeId, lastTry)).toBe(false);
    state.answer = async () => undefined;
    expect(await revokeScope(deps, scopeId, lastTry)).toBe(true);
  });

  /** Why the scope is due, and how many milliseconds after the run that said so. */
  async function findDue(): Promise<readonly [string, number] | null> {
    const { rows } = await context.database.pool.query<{ reason: string | null; inMs: number }>(
      `select due_reason as reason, (extract(epoch from due_at - verdict_at) * 1000)::int as "inMs" from scopes`,
    );
    const [row] = rows;
    return row === undefined || row.reason === null ? null : [row.reason, row.inMs];
  }

  it("that takes over from who did not come back is followed by another a deadline later (rule C4)", async () => {
    const { database, deps, scopeId } = context;
    await acquireLease(database.db, scopeId, { holder: "another", leaseMs: 30_000 });
    await database.pool.query("update scopes set lease_until = now() - interval '1 second'");
    await createReconcileScope(deps)(scopeId, lastTry);
    expect(await findDue()).toEqual(["verify", 10_000]);
  });

  it("that reads right after one that did not is followed by another a deadline later, and no other is (rule C4)", async () => {
    const { database, deps, scopeId } = context;
    const reconcile = createReconcileScope(deps);
    // What was written is not shown yet.
    state.answer = async ({ method, path }) =>
      method === "GET" && /^\/Groups\/./u.test(path) ? { status: 404, headers: {}, body: {} } : undefined;
    await reconcile(scopeId, lastTry);
    expect(await findDue()).toEqual(["retry", 1_000]);
    state.answer = async () => undefined;
    await database.pool.query("update scopes set requested = requested + 1");
    await reconcile(scopeId, lastTry);
    expect(await findDue()).toEqual(["verify", 10_000]);
    await database.pool.query("update scopes set requested = requested + 1, due_at = null, due_reason = null");
    await reconcile(scopeId, lastTry);
    expect(await findDue()).toBeNull();
  });

  /** A membership that ends at each of these times; null stands for never. */
  async function give(...ends: readonly (Date | null)[]): Promise<void> {
    const { database, scopeId } = context;
    const lease = await acquireLease(database.db, scopeId, { holder: "test", leaseMs: 30_000 });
    if (lease === undefined) throw new Error("no lease");
    const reasons = ends.map((until): Reason => {
      const kind = until === null ? "standing" : "just-in-time";
      return { rule: "0", file: "", line: 0, reference: "group:engineering", path: [], kind, until };
    });
    const entry = {
      entitlement: "push",
      member: "7",
      userId: null,
      origin: "sync",
      reasons,
      isVerified: true,
    } as const;
    await openLedgerEntries(database.db, { lease, policyVersion: null }, [entry]);
    await releaseLease(database.db, lease);
  }

  const [past, future] = [new Date(Date.now() - 60_000), new Date(Date.now() + 3_600_000)];

  it.each([
    ["a revocation stands", [past], true],
    ["none does while another reason lasts", [past, future], false],
    ["none does for what stands anyway", [past, null], false],
  ] as const)("that fails while somebody's time is over says so: %s", async (_, ends, stands) => {
    const { database, deps, scopeId } = context;
    await give(...ends);
    state.answer = async () => ({ status: 503, headers: {}, body: {} });
    const reconcile = createReconcileScope(deps);
    await reconcile(scopeId, lastTry);
    const revocation = await findOpenRevocation(database.db, { kind: "scope", id: scopeId });
    expect(revocation?.cause).toBe(stands ? "expired" : undefined);
    await database.pool.query("update scopes set requested = requested + 1");
    await reconcile(scopeId, lastTry);
    // Asked for once: what is asked again is tried again without a pause.
    expect((await findOpenRevocation(database.db, { kind: "scope", id: scopeId }))?.requested).toBe(
      revocation?.requested,
    );
  });

  it("that is cut off by the worker's end gives its lease back and has nothing to tell, be it the last try", async () => {
    const { database, deps, scopeId, stop } = context;
    // What is under way is answered, and nothing is asked any more.
    state.answer = async () => {
      stop.abort();
      return undefined;
    };
    await expect(createReconcileScope(deps)(scopeId, lastTry)).rejects.toMatchObject({ code: "stopping" });
    const lease = await acquireLease(database.db, scopeId, { holder: "another", leaseMs: 30_000 });
    expect(lease).toMatchObject({ isTakenOver: false, verdict: null, failures: 0 });
    expect((await database.pool.query("select from syncs")).rowCount).toBe(0);
  });

  it("leaves a group whose id a restored endpoint gave to another branch's, and makes its own (rule C6)", async () => {
    const { database, deps, scopeId, handle } = context;
    const reconcile = createReconcileScope(deps);
    await reconcile(scopeId, lastTry);
    const bound = async () => {
      const { rows } = await database.pool.query<{ id: string }>("select group_id as id from entitlement_groups");
      return rows.map(({ id }) => id);
    };
    const [lost = ""] = await bound();
    const change = (path: string, value: unknown) =>
      handle({
        method: "PATCH",
        path: `/Groups/${lost}`,
        query: new URLSearchParams(),
        headers: {},
        body: {
          schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
          Operations: [{ op: "replace", path, value }],
        },
        context: undefined,
      });
    await change("externalId", "branchward:00000000-0000-7000-8000-000000000000:push");
    await change("displayName", "acme/web:other:push");
    const { body: others } = await change("members", [{ value: "7" }]);
    await database.pool.query("update scopes set requested = requested + 1");
    await reconcile(scopeId, lastTry);
    const [own = "", ...rest] = await bound();
    expect([own, ...rest]).toEqual([expect.not.stringMatching(`^${lost}$`)]);
    const read = (id: string) =>
      handle({
        method: "GET",
        path: `/Groups/${id}`,
        query: new URLSearchParams(),
        headers: {},
        body: undefined,
        context: undefined,
      });
    expect((await read(lost)).body).toEqual(others);
    expect((await read(own)).body).toMatchObject({ displayName: expect.stringMatching(/dev\/x:push$/u) });
  });

  it("that fails again and again stands as a finding of its endpoint, until one comes through", async () => {
    const { database, deps, scopeId } = context;
    const listKinds = async () =>
      (await listFindings(database.db, 50)).map(({ kind, subject }) => `${kind} ${subject}`);
    state.answer = async () => ({ status: 200, headers: { "content-type": "text/html" }, body: "a page" });
    const reconcile = createReconcileScope(deps);
    for (let round = 1; round <= 5; round += 1) {
      expect(await listKinds()).not.toContain("endpoint-failing hg");
      await database.pool.query("update scopes set requested = requested + 1");
      await reconcile(scopeId, lastTry);
    }
    expect(await listKinds()).toContain("endpoint-failing hg");
    state.answer = async () => undefined;
    await database.pool.query("update scopes set requested = requested + 1");
    await reconcile(scopeId, lastTry);
    expect(await listKinds()).not.toContain("endpoint-failing hg");
  });
});
