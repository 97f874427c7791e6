import type { UserId } from "@branchward/core";
import type { ScimRequest, ScimResponse } from "@branchward/scim";
import { listAccounts, requestAccountsOf, requestMissingAccounts } from "@branchward/store";
import { insertUser } from "@branchward/store/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lastTry, openTestScope, type TestScope } from "../reconcile/testing.ts";
import { createReconcileAccount } from "./reconcile-account.ts";

const PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

interface Account {
  readonly id: string;
  readonly userName: string;
  readonly active: boolean;
}

interface Write {
  readonly path: string;
  readonly ifMatch: string | undefined;
  readonly status: number;
}

describe("the writes of an account at an endpoint with versions (rule C4)", () => {
  const context: { scope: TestScope; userId: UserId } = {} as never;
  /** What each PATCH and PUT changed first, the version that it was bound to, and what it was answered. */
  const writes: Write[] = [];
  let beforeWrite: (path: string) => Promise<void> = async () => undefined;
  let hasPatch = true;

  /** Tells no version after a change, as RFC 7644 §3.5.2 allows. */
  async function answer(
    request: ScimRequest<undefined>,
    handle: (request: ScimRequest<undefined>) => Promise<ScimResponse>,
  ): Promise<ScimResponse> {
    const { method, headers, body } = request;
    if (method !== "PATCH" && method !== "PUT") return handle(request);
    if (method === "PATCH" && !hasPatch) return { status: 405, headers: {}, body: {} };
    const { Operations: [operation] = [] } = body as { readonly Operations?: readonly { readonly path: string }[] };
    const path = operation?.path ?? "whole";
    await beforeWrite(path);
    const { status } = await handle(request);
    writes.push({ path, ifMatch: headers["if-match"], status });
    return { status: status === 200 ? 204 : status, headers: {}, body: status === 200 ? undefined : {} };
  }

  async function inside(method: string, path: string, body?: object): Promise<unknown> {
    const request = { method, path, query: new URLSearchParams(), headers: {}, body, context: undefined };
    return (await context.scope.handle(request)).body;
  }

  async function readAccount(): Promise<Account> {
    const { Resources } = (await inside("GET", "/Users")) as { readonly Resources: readonly Account[] };
    const [account] = Resources;
    if (account === undefined || Resources.length > 1) throw new Error("not one account");
    return account;
  }
  const change = async (operation: object): Promise<unknown> =>
    inside("PATCH", `/Users/${(await readAccount()).id}`, { schemas: [PATCH], Operations: [operation] });

  async function reconcile(): Promise<string | null | undefined> {
    const { deps } = context.scope;
    const { userId } = context;
    await requestAccountsOf(deps.db, [userId]);
    await createReconcileAccount(deps)({ endpoint: "hg", userId }, lastTry);
    return (await listAccounts(deps.db, { endpoint: "hg", limit: 1 }))[0]?.error;
  }
  const deactivate = () => context.scope.database.pool.query("update directory_users set active = false");

  beforeEach(async () => {
    beforeWrite = async () => undefined;
    hasPatch = true;
    const scope = await openTestScope({
      to: "user:alice",
      answer,
      accounts: { adopt: "auto" },
      prepare: async ({ db }) => {
        context.userId = await insertUser(db, "alice");
      },
    });
    context.scope = scope;
    const users = [{ userId: context.userId, userName: "alice" }];
    await requestMissingAccounts(scope.database.db, { endpoint: "hg", scopeId: scope.scopeId, users });
    await reconcile();
    await change({ op: "add", path: "x509Certificates", value: [{ value: "TUlJ" }] });
    writes.length = 0;
  });
  afterEach(() => context.scope[Symbol.asyncDispose]());

  it("are each bound to the version of the moment, though no answer tells it", async () => {
    const { pool } = context.scope.database;
    await pool.query("update directory_users set user_name = 'alicia', user_name_key = 'alicia'");
    expect(await reconcile()).toBeNull();
    expect(writes).toEqual([{ path: "userName", ifMatch: 'W/"2"', status: 200 }]);
    await deactivate();
    expect(await reconcile()).toBeNull();
    expect(writes.slice(1)).toEqual([
      { path: "active", ifMatch: 'W/"3"', status: 200 },
      { path: "x509Certificates", ifMatch: 'W/"4"', status: 200 },
      { path: "password", ifMatch: 'W/"5"', status: 200 },
    ]);
    expect(await readAccount()).toMatchObject({ userName: "alicia", active: false });
    expect(await reconcile()).toBeNull();
    expect(writes).toHaveLength(4);
  });

  it("are bound where the whole account is PUT, too", async () => {
    hasPatch = false;
    await deactivate();
    expect(await reconcile()).toBeNull();
    expect(writes).toEqual([2, 3, 4].map((version) => ({ path: "whole", ifMatch: `W/"${version}"`, status: 200 })));
    expect(await readAccount()).toMatchObject({ active: false });
  });

  it("stop where somebody writes in between, are named, and go on from another read: the password goes all the same", async () => {
    await deactivate();
    beforeWrite = async (path) => {
      if (path === "password") await change({ op: "replace", path: "title", value: "Admiral" });
    };
    expect(await reconcile()).toContain("412");
    expect(writes.at(-1)).toEqual({ path: "password", ifMatch: 'W/"4"', status: 412 });
    beforeWrite = async () => undefined;
    expect(await reconcile()).toBeNull();
    expect(writes.slice(3)).toEqual([{ path: "password", ifMatch: 'W/"5"', status: 200 }]);
    expect(await reconcile()).toBeNull();
    expect(writes).toHaveLength(4);
  });

  it("take the password also where the run before was cut off when the account was closed", async () => {
    await deactivate();
    await change({ op: "replace", path: "active", value: false });
    await context.scope.database.pool.query("update account_links set deactivated_by_us = true");
    expect(await reconcile()).toBeNull();
    expect(writes.map(({ path }) => path)).toEqual(["x509Certificates", "password"]);
  });

  it("go unbound at last where every version is refused", async () => {
    await deactivate();
    let title = 0;
    beforeWrite = async () => {
      await change({ op: "replace", path: "title", value: `No. ${(title += 1)}` });
    };
    for (let round = 1; round <= 3; round += 1) expect(await reconcile()).toContain("412");
    expect(await reconcile()).toBeNull();
    expect(writes.map(({ ifMatch }) => ifMatch !== undefined)).toEqual([true, true, true, false, false, false]);
    expect(await readAccount()).toMatchObject({ active: false });
  });
});
