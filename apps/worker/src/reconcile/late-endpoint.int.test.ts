import { isJsonObject, type ScimRequest, type ScimResponse } from "@branchward/scim";
import { insertUser } from "@branchward/store/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createReconcileScope } from "./reconcile-scope.ts";
import { lastTry, openTestScope, type TestScope } from "./testing.ts";

const PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const MINUTE_MS = 60_000;

describe("an endpoint without versions that shows writes late (rule C8)", () => {
  const context: { scope: TestScope } = {} as never;
  /** When it says that it last changed a group; each write comes a minute after the one before. */
  let changedAt = 0;
  /** What it shows of the group while it lags. */
  let late: ScimResponse | undefined;
  let tellsTimes = true;
  let isHonest = true;

  function withTimes({ status, headers, body }: ScimResponse): ScimResponse {
    const { etag: _, ...others } = headers;
    if (!isJsonObject(body)) return { status, headers: others, body };
    const { meta: __, ...resource } = body;
    const meta = tellsTimes ? { meta: { lastModified: new Date(changedAt).toISOString() } } : {};
    return { status, headers: others, body: { ...resource, ...meta } };
  }

  async function answer(
    request: ScimRequest<undefined>,
    handle: (request: ScimRequest<undefined>) => Promise<ScimResponse>,
  ): Promise<ScimResponse> {
    const isGroup = /^\/Groups\/./u.test(request.path);
    if (request.method === "GET" && isGroup && late !== undefined) return late;
    if (request.method !== "PATCH") return withTimes(await handle(request));
    const before = withTimes(await handle({ ...request, method: "GET", body: undefined }));
    if (!isHonest) return before;
    changedAt += MINUTE_MS;
    late = before;
    return withTimes(await handle(request));
  }

  async function reconcile(): Promise<readonly unknown[]> {
    const { deps, scopeId, database } = context.scope;
    await database.pool.query("update scopes set requested = requested + 1");
    await createReconcileScope(deps)(scopeId, lastTry);
    const { rows } = await database.pool.query<{ verdict: string; classes: string[] }>(
      `select verdict, array(select jsonb_array_elements(mismatches) ->> 'class') as classes from scopes where id = $1`,
      [scopeId],
    );
    const [scope] = rows;
    return [scope?.verdict, ...(scope?.classes ?? [])];
  }

  beforeEach(async () => {
    changedAt = Date.UTC(2026, 0, 1);
    late = undefined;
    tellsTimes = isHonest = true;
    const prepare = async ({ db }: TestScope["database"]) => void (await insertUser(db, "alice"));
    context.scope = await openTestScope({ to: "user:alice", answer, prepare });
    const { handle } = context.scope;
    const ask = async (method: string, path: string, body?: object) =>
      (await handle({ method, path, query: new URLSearchParams(), headers: {}, body, context: undefined })).body;
    await ask("POST", "/Users", { schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"], userName: "alice" });
    await reconcile();
    const { Resources } = (await ask("GET", "/Groups")) as { readonly Resources: readonly { readonly id: string }[] };
    const id = Resources[0]?.id ?? "";
    await ask("PATCH", `/Groups/${id}`, { schemas: [PATCH], Operations: [{ op: "remove", path: "members" }] });
  });
  afterEach(() => context.scope[Symbol.asyncDispose]());

  it("is said to lag where it tells when the group was last changed, until it shows the write", async () => {
    expect(await reconcile()).toEqual(["diverged", "stale-replica"]);
    late = undefined;
    expect(await reconcile()).toEqual(["verified"]);
  });

  it("is not said to lag where it tells a time and ignores the write in truth", async () => {
    isHonest = false;
    expect(await reconcile()).toEqual(["diverged", "ignored-operation"]);
  });

  it("is not told from one that ignores the write where it tells no time", async () => {
    tellsTimes = false;
    expect(await reconcile()).toEqual(["diverged", "ignored-operation"]);
  });
});
