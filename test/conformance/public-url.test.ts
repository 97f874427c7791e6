/** Behind a proxy: the addresses in answers are those that clients use. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Conformance, groupUrn, type Send, startConformance, userUrn } from "./scim-client.ts";

const PUBLIC = "https://iam.example.com/branchward";

let conformance: Conformance;
let send: Send;
beforeAll(async () => {
  conformance = await startConformance({ publicUrl: PUBLIC });
  send = await conformance.connect("proxied");
});
afterAll(() => conformance[Symbol.asyncDispose]());

describe("a public address", () => {
  it("begins every location and reference", async () => {
    const user = await send("POST /Users", { schemas: [userUrn], userName: "proxied@acme.example" });
    const userAddress = `${PUBLIC}/scim/v2/Users/${user.body.id ?? ""}`;
    expect(user.headers.get("location")).toBe(userAddress);
    expect(user.body.meta).toMatchObject({ location: userAddress });
    const members = [{ value: user.body.id ?? "" }];
    const group = await send("POST /Groups", { schemas: [groupUrn], displayName: "proxied", members });
    expect(group.body.members).toMatchObject([{ $ref: userAddress }]);
    const holder = await send(`GET /Users/${user.body.id ?? ""}`);
    expect(holder.body["groups"]).toMatchObject([{ $ref: `${PUBLIC}/scim/v2/Groups/${group.body.id ?? ""}` }]);
    const types = await send("GET /ResourceTypes");
    expect(JSON.stringify(types.body)).toContain(`${PUBLIC}/scim/v2/ResourceTypes/User`);
    const bulk = await send("POST /Bulk", {
      schemas: ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
      Operations: [{ method: "POST", path: "/Groups", bulkId: "1", data: { schemas: [groupUrn], displayName: "b" } }],
    });
    expect(bulk.body.Operations).toMatchObject([{ location: expect.stringContaining(`${PUBLIC}/scim/v2/Groups/`) }]);
  });
});
