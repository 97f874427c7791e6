import { branchEntitlementSchema, externalIdOf, type IncarnationId } from "@branchward/core";
import type { ScimRequest } from "@branchward/scim";
import { acquireLease, releaseLease, saveGroupBindings } from "@branchward/store";
import { insertScope, insertUser } from "@branchward/store/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createReconcileScope } from "./reconcile-scope.ts";
import { lastTry, openTestScope, type TestScope } from "./testing.ts";

describe("the groups of a branch that was merged into another (rules A5, C4)", () => {
  const context: { scope: TestScope } = {} as never;
  const writes: ScimRequest<undefined>[] = [];

  beforeEach(async () => {
    writes.length = 0;
    context.scope = await openTestScope({
      to: "user:alice",
      prepare: async ({ db }) => void (await insertUser(db, "alice")),
      async answer(request, handle) {
        if (request.method !== "GET") writes.push(request);
        return handle(request);
      },
    });
  });
  afterEach(() => context.scope[Symbol.asyncDispose]());

  /** A branch merged into the scope's own, whose scope was leased so often; with the id of its group at the endpoint. */
  async function merge(leases: number) {
    const { database, scopeId, handle } = context.scope;
    const { db, pool } = database;
    const merged = await insertScope(db, { branch: "dev/y", endpoint: "hg" });
    const externalId = externalIdOf(merged.incarnationId as IncarnationId, "push");
    const body = {
      schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group", branchEntitlementSchema],
      displayName: "dev/y:push",
      externalId,
    };
    const request = { method: "POST", path: "/Groups", query: new URLSearchParams(), headers: {}, context: undefined };
    const { id } = (await handle({ ...request, body })).body as { readonly id: string };
    const group = { entitlement: "push", groupId: id, displayName: body.displayName, externalId };
    await saveGroupBindings(db, merged.scopeId, { groups: [group], undecided: [] });
    for (let count = 0; count < leases; count += 1) {
      const lease = await acquireLease(db, merged.scopeId, { holder: "test", leaseMs: 30_000 });
      if (lease !== undefined) await releaseLease(db, lease);
    }
    await pool.query(
      `update incarnations set state = 'deleted', ended_at = now(),
         merged_into = (select incarnation_id from scopes where id = $1) where id = $2`,
      [scopeId, merged.incarnationId],
    );
    return { scopeId: merged.scopeId, groupId: id };
  }

  it("are taken away under its own lease: tokens of another scope say nothing of who wrote to them last", async () => {
    const merged = await merge(5);
    const { deps, scopeId } = context.scope;
    await createReconcileScope(deps)(scopeId, lastTry);
    const leases = writes.map(({ method, headers }) => [
      method,
      headers["branchward-scope"],
      headers["branchward-fence"],
    ]);
    expect(leases).toContainEqual(["DELETE", merged.scopeId, "6"]);
    expect(leases).toContainEqual(["POST", scopeId, "1"]);
  });
});
