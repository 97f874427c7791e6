import { listSyncs, seizeLease } from "@branchward/store";
import { insertUser } from "@branchward/store/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createReconcileScope } from "./reconcile-scope.ts";
import { lastTry, openTestScope, type TestScope } from "./testing.ts";

describe("a write that is refused for its fence (rule C4)", () => {
  let stack = new AsyncDisposableStack();
  const context: { scope: TestScope } = {} as never;
  let onWrite: () => Promise<unknown> = async () => undefined;

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    context.scope = stack.use(
      await openTestScope({
        to: "user:alice",
        prepare: async ({ db }) => void (await insertUser(db, "alice")),
        async answer(request, handle) {
          if (request.method === "GET") return handle(request);
          await onWrite();
          const body = {
            schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"],
            status: "412",
            scimType: "staleFence",
          };
          return { status: 412, headers: { "content-type": "application/scim+json" }, body };
        },
      }),
    );
  });
  afterEach(() => stack.disposeAsync());

  async function listVerdicts() {
    const syncs = await listSyncs(context.scope.database.db, { limit: 10 });
    return syncs.map(({ verdict }) => verdict);
  }

  it("ends the run without a record where another has the lease: the scope is theirs", async () => {
    const { database, deps, scopeId } = context.scope;
    onWrite = () => seizeLease(database.db, scopeId, { holder: "another", leaseMs: 30_000 });
    await createReconcileScope(deps)(scopeId, { ...lastTry, lastAttempt: false });
    expect(await listVerdicts()).toEqual([]);
  });

  it("is a failure like any where the lease is still held", async () => {
    const { deps, scopeId } = context.scope;
    onWrite = async () => undefined;
    await createReconcileScope(deps)(scopeId, lastTry);
    expect(await listVerdicts()).toEqual(["failed"]);
  });
});
