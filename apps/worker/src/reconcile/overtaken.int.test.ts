import type { UserId } from "@branchward/core";
import { acquireLease } from "@branchward/store";
import { insertUser } from "@branchward/store/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createReconcileScope } from "./reconcile-scope.ts";
import { lastTry, openTestScope, type TestScope } from "./testing.ts";

describe("a run that is overtaken by a deactivation (rule C3)", () => {
  let stack = new AsyncDisposableStack();
  const context: { scope: TestScope; alice: UserId } = {} as never;
  const state: { onLookUp: () => Promise<void>; posted: unknown[] } = { onLookUp: async () => undefined, posted: [] };

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    state.posted = [];
    context.scope = stack.use(
      await openTestScope({
        to: "user:alice",
        async prepare({ db }) {
          context.alice = await insertUser(db, "alice");
        },
        async answer(request, handle) {
          // Nobody looks at the directory between the look-up of accounts and the write.
          if (request.method === "GET" && request.path === "/Users") await state.onLookUp();
          if (request.method === "POST") state.posted.push(request.body);
          return handle(request);
        },
      }),
    );
    await context.scope.handle({
      method: "POST",
      path: "/Users",
      query: new URLSearchParams(),
      headers: {},
      body: { schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"], userName: "alice", active: true },
      context: undefined,
    });
  });
  afterEach(() => stack.disposeAsync());

  async function deactivate(): Promise<void> {
    const { pool } = context.scope.database;
    await pool.query("update directory_users set active = false where id = $1", [context.alice]);
    await pool.query(
      `insert into directory_changes (kind, resource_id, details) values ('user.deactivated', $1, '{"client":"test"}')`,
      [context.alice],
    );
  }

  it("adds nobody who is gone by then, gives the scope back, and the next one goes by what is so", async () => {
    const { database, deps, scopeId } = context.scope;
    const reconcile = createReconcileScope(deps);
    state.onLookUp = deactivate;
    await expect(reconcile(scopeId, lastTry)).rejects.toMatchObject({ code: "overtaken" });
    expect(state.posted).toEqual([]);
    const lease = await acquireLease(database.db, scopeId, { holder: "another", leaseMs: 30_000 });
    expect(lease).toMatchObject({ isTakenOver: false, verdict: null });
    await database.pool.query("update scopes set lease_until = null");
    state.onLookUp = async () => undefined;
    await reconcile(scopeId, lastTry);
    expect(state.posted).toEqual([expect.not.objectContaining({ members: [expect.anything()] })]);
  });

  it("goes on where they have come back meanwhile", async () => {
    const { database, deps, scopeId } = context.scope;
    state.onLookUp = async () => {
      await deactivate();
      await database.pool.query("update directory_users set active = true where id = $1", [context.alice]);
    };
    await createReconcileScope(deps)(scopeId, lastTry);
    expect(state.posted).toEqual([expect.objectContaining({ members: [expect.anything()] })]);
  });
});
