import { type ScimRequest, type ScimResponse } from "@branchward/scim";
import { findSync, listSyncs } from "@branchward/store";
import { insertUser } from "@branchward/store/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createReconcileScope } from "./reconcile-scope.ts";
import { lastTry, openTestScope, type TestScope } from "./testing.ts";

const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

interface Group {
  readonly id: string;
  readonly displayName: string;
  readonly members?: readonly { readonly value: string }[];
}

describe("the writes of a run at an endpoint with versions (rule C4)", () => {
  const context: { scope: TestScope; alice: string; bob: string } = {} as never;
  /** `If-Match` of each PATCH, and what it was answered. */
  const patches: { readonly ifMatch: string | undefined; readonly status: number }[] = [];
  /** Looks at the group before a write. */
  let looks = 0;
  let beforePatch: () => Promise<void> = async () => undefined;
  let refusesVersions = false;

  /** Tells no version after a PATCH, as RFC 7644 §3.5.2 allows. */
  async function answer(
    request: ScimRequest<undefined>,
    handle: (request: ScimRequest<undefined>) => Promise<ScimResponse>,
  ): Promise<ScimResponse> {
    if (request.query.get("excludedAttributes") === "members") looks += 1;
    if (request.method !== "PATCH") return handle(request);
    await beforePatch();
    const isRefused = refusesVersions && request.headers["if-match"] !== undefined;
    const answered = isRefused ? { status: 412, headers: {}, body: {} } : await handle(request);
    patches.push({ ifMatch: request.headers["if-match"], status: answered.status });
    return answered.status === 200 ? { status: 204, headers: {}, body: undefined } : answered;
  }

  async function inside(method: string, path: string, body?: object): Promise<unknown> {
    const [plain = "", query = ""] = path.split("?");
    const request = { method, path: plain, query: new URLSearchParams(query), headers: {}, body, context: undefined };
    return (await context.scope.handle(request)).body;
  }
  const change = (id: string, ...operations: readonly object[]) =>
    inside("PATCH", `/Groups/${id}`, { schemas: [PATCH], Operations: operations });
  const rename = (id: string, displayName: string) =>
    change(id, { op: "replace", path: "displayName", value: displayName });

  async function readGroup(): Promise<Group> {
    const { Resources } = (await inside("GET", "/Groups")) as { readonly Resources: readonly Group[] };
    const [group] = Resources;
    if (group === undefined || Resources.length > 1) throw new Error("not one group");
    return group;
  }

  async function reconcile(): Promise<string | null | undefined> {
    const { deps, scopeId, database } = context.scope;
    await database.pool.query("update scopes set requested = requested + 1");
    await createReconcileScope(deps)(scopeId, lastTry);
    const { rows } = await database.pool.query<{ verdict: string }>("select verdict from scopes where id = $1", [
      scopeId,
    ]);
    return rows[0]?.verdict;
  }

  beforeEach(async () => {
    beforePatch = async () => undefined;
    refusesVersions = false;
    context.scope = await openTestScope({
      to: "user:alice",
      answer,
      prepare: async ({ db }) => {
        await insertUser(db, "alice");
      },
    });
    for (const userName of ["alice", "bob"] as const) {
      const { id } = (await inside("POST", "/Users", { schemas: [USER], userName })) as { readonly id: string };
      context[userName] = id;
    }
    await reconcile();
    // Three differences of one group: three writes.
    const { id } = await readGroup();
    const { alice, bob } = context;
    await change(
      id,
      { op: "replace", path: "displayName", value: "elsewhere" },
      { op: "remove", path: `members[value eq "${alice}"]` },
      { op: "add", path: "members", value: [{ value: bob }] },
    );
    patches.length = looks = 0;
  });
  afterEach(() => context.scope[Symbol.asyncDispose]());

  it("are each bound to the version of the moment, though no answer tells it", async () => {
    expect(await reconcile()).toBe("verified");
    expect(patches).toEqual([2, 3, 4].map((version) => ({ ifMatch: `W/"${version}"`, status: 200 })));
    expect(looks).toBe(2);
    expect(await readGroup()).toMatchObject({ displayName: "dev/x:push", members: [{ value: context.alice }] });
  });

  it("stop where somebody writes in between, are named, and are planned anew from another read", async () => {
    const { id } = await readGroup();
    beforePatch = async () => {
      if (patches.length === 1) await rename(id, "dev/x:push");
    };
    expect(await reconcile()).toBe("failed");
    expect(patches).toEqual([
      { ifMatch: 'W/"2"', status: 200 },
      { ifMatch: 'W/"3"', status: 412 },
    ]);
    const { db } = context.scope.database;
    const [failed] = await listSyncs(db, { limit: 1 });
    expect((await findSync(db, failed?.id ?? ""))?.error?.message).toContain("412");
    expect(await reconcile()).toBe("verified");
    // The name is as it must be already: one write was left.
    expect(patches.slice(2)).toEqual([{ ifMatch: 'W/"4"', status: 200 }]);
    expect(await readGroup()).toMatchObject({ displayName: "dev/x:push", members: [{ value: context.alice }] });
  });

  it("go unbound at last where every version is refused", async () => {
    refusesVersions = true;
    for (let round = 1; round <= 3; round += 1) expect(await reconcile()).toBe("failed");
    expect(patches.map(({ status }) => status)).toEqual([412, 412, 412]);
    expect(await reconcile()).toBe("verified");
    expect(patches.slice(3).map(({ ifMatch }) => ifMatch)).toEqual([undefined, undefined, undefined]);
  });
});
