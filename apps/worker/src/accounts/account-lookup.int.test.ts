import type { Desired, UserId } from "@branchward/core";
import { createScimClient } from "@branchward/scim";
import { serveProvider } from "@branchward/scim/testing";
import { acquireAccountLease, requestMissingAccounts, settleAccount } from "@branchward/store";
import { insertScope, insertUser, openTestDatabase } from "@branchward/store/testing";
import { describe, expect, it } from "vitest";
import { createTestProvider, openTestEndpoints } from "../endpoint/testing.ts";
import { createAccountLookup } from "./account-lookup.ts";

function toDesired(userId: UserId): Desired {
  return {
    entitlements: [{ entitlement: "push", members: [{ userId, reasons: [] }] }],
    exclusions: [],
    findings: [],
    lostReferences: [],
    nextChangeAt: null,
  };
}

describe("who somebody is at an endpoint", () => {
  it("is seen by the name also where the filter by externalId is ignored and everybody is answered", async () => {
    await using stack = new AsyncDisposableStack();
    const { db } = stack.use(await openTestDatabase());
    const userId = await insertUser(db, "alice");
    const { scopeId } = await insertScope(db, { branch: "dev/x", endpoint: "hg" });
    const provider = createTestProvider();
    const { url } = stack.use(
      await serveProvider({
        handle(request) {
          const query = new URLSearchParams(request.query);
          if (query.get("filter")?.startsWith("externalId") === true) query.delete("filter");
          return provider.handle({ ...request, query });
        },
      }),
    );
    const client = createScimClient({ url, token: () => "token", deadlineMs: 5_000, maxBytes: 1 << 20 });
    await client.createUser({ userName: "bob", externalId: "somebody-else" });
    const { id } = await client.createUser({ userName: "alice" });
    const { endpoints } = stack.use(await openTestEndpoints(db, url));
    const endpoint = endpoints.get("hg");
    if (endpoint === undefined) throw new Error("no endpoint");
    const deps = { db, endpoint, scopeId, queues: { enqueueAccount: async () => undefined } };
    const question = { desired: toDesired(userId), userNames: new Map([[userId, "alice"]]) };
    expect((await createAccountLookup(client, deps, question)).accountOf(userId)).toBe(id);
  });

  it("is asked for again where an account was opened while a run missed it (rule C5)", async () => {
    await using database = await openTestDatabase();
    const { db } = database;
    const userId = await insertUser(db, "alice");
    const { scopeId } = await insertScope(db, { branch: "dev/x", endpoint: "hg" });
    const users = [{ userId, userName: "alice" }];
    const miss = () => requestMissingAccounts(db, { endpoint: "hg", scopeId, users });
    const settle = async (deactivatedByUs: boolean) => {
      const lease = await acquireAccountLease(db, { endpoint: "hg", userId }, 1_000);
      if (lease === undefined) throw new Error("no lease");
      const outcome = { accountId: "a1", userName: "alice", state: "linked", createdByUs: true, written: [] } as const;
      await settleAccount(db, lease, { ...outcome, deactivatedByUs });
    };
    expect(await miss()).toEqual([{ endpoint: "hg", userId }]);
    await settle(true);
    expect(await miss()).toEqual([]);
    await settle(false);
    expect(await miss()).toEqual([{ endpoint: "hg", userId }]);
  });
});
