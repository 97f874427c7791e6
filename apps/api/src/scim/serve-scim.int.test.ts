import { branchEntitlementSchema, externalIdOf, type IncarnationId } from "@branchward/core";
import { acquireLease, type Lease, seizeLease } from "@branchward/store";
import { insertScope } from "@branchward/store/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTestApi, type TestApi } from "../testing.ts";

const holder = { holder: "test", leaseMs: 30_000 };

describe("the worker at the directory (rules C3, C4)", () => {
  const context: { api: TestApi } = {} as never;
  beforeAll(async () => {
    context.api = await openTestApi();
  });
  afterAll(() => context.api[Symbol.asyncDispose]());

  /** Makes the group of a branch as a run does that has this lease. */
  async function create({ incarnationId }: Lease, headers: Readonly<Record<string, string>>) {
    const incarnation = incarnationId as IncarnationId;
    const response = await context.api.call("/scim/v2/Groups", {
      method: "POST",
      headers: { authorization: "Bearer internal", "content-type": "application/scim+json", ...headers },
      body: JSON.stringify({
        schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group", branchEntitlementSchema],
        displayName: `acme/web:${incarnation}:push`,
        externalId: externalIdOf(incarnation, "push"),
        [branchEntitlementSchema]: { repository: "acme/web", branch: "dev/x", entitlement: "push", incarnation },
      }),
    });
    const { scimType } = (await response.json()) as { readonly scimType?: string };
    return [response.status, scimType];
  }

  async function lease(): Promise<Lease> {
    const { db } = context.api.database;
    const { scopeId } = await insertScope(db, { branch: "dev/x" });
    const held = await acquireLease(db, scopeId, holder);
    if (held === undefined) throw new Error("nobody else has the lease");
    return held;
  }

  const toHeaders = ({ token, scopeId }: Lease) => ({
    "branchward-fence": String(token),
    "branchward-scope": scopeId,
  });

  it("writes under the lease that it names, and no more once another has it", async () => {
    const [held, lost] = [await lease(), await lease()];
    await seizeLease(context.api.database.db, lost.scopeId, holder);
    expect(await create(held, toHeaders(held))).toEqual([201, undefined]);
    expect(await create(lost, toHeaders(lost))).toEqual([412, "staleFence"]);
  });

  it.each([
    ["a fence", { "branchward-fence": "1.5" }],
    ["a scope", { "branchward-fence": "1", "branchward-scope": "dev/x" }],
  ])("is told where what it names is not %s", async (_, headers) => {
    expect(await create(await lease(), headers)).toEqual([400, "invalidValue"]);
  });
});
