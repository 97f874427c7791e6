/** Okta as it was recorded (its SCIM 2.0 reference): path-less deactivation, PUT for profiles, group renames that repeat the id. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Conformance,
  create,
  group,
  listMembers,
  patch,
  type Send,
  startConformance,
  user,
  oktaProfile,
} from "./scim-client.ts";

let conformance: Conformance;
let send: Send;

beforeAll(async () => {
  conformance = await startConformance();
  send = await conformance.connect("okta", { "user-agent": "Okta SCIM Client 1.0.0" });
});
afterAll(() => conformance[Symbol.asyncDispose]());

describe("Okta", () => {
  it("probes, finds nobody, creates with a body, and finds the user again", async () => {
    expect((await send("GET /Users?startIndex=1&count=2")).status).toBe(200);
    const lookup = 'GET /Users?filter=userName eq "ann@acme.example"&startIndex=1&count=100';
    expect((await send(lookup)).body).toMatchObject({ totalResults: 0, startIndex: 1 });
    const created = await send("POST /Users", user("ann@acme.example", oktaProfile));
    expect(created).toMatchObject({ status: 201, body: { userName: "ann@acme.example", active: true } });
    expect(created.body).not.toHaveProperty("password");
    expect((await send(lookup)).body).toMatchObject({ totalResults: 1, Resources: [{ id: created.body.id }] });
    expect((await send("POST /Users", user("ann@acme.example", oktaProfile))).status).toBe(409);
  });

  it("updates a profile by GET and PUT, and deactivates without a path", async () => {
    const id = await create(send, "/Users", user("ben@acme.example", { ...oktaProfile, externalId: "00u2" }));
    const { body } = await send(`GET /Users/${id}`);
    const put = await send(`PUT /Users/${id}`, { ...body, title: "Lead" });
    expect(put).toMatchObject({ status: 200, body: { title: "Lead", active: true } });
    const off = await send(`PATCH /Users/${id}`, patch({ op: "replace", value: { active: false } }));
    expect(off).toMatchObject({ status: 200, body: { id, active: false } });
    expect((await send(`GET /Users/${id}`)).body.active).toBe(false);
    await send(`PATCH /Users/${id}`, patch({ op: "replace", value: { active: true } }));
    expect((await send(`GET /Users/${id}`)).body.active).toBe(true);
  });

  it("pushes a group without an externalId, changes its members, renames and unlinks it", async () => {
    const member = await create(send, "/Users", user("cat@acme.example", { ...oktaProfile, externalId: "00u3" }));
    const other = await create(send, "/Users", user("dan@acme.example", { ...oktaProfile, externalId: "00u4" }));
    const id = await create(send, "/Groups", group("Engineering", { members: [] }));
    const lookup = await send('GET /Groups?filter=displayName eq "Engineering"&startIndex=1&count=100');
    expect(lookup.body).toMatchObject({ totalResults: 1, Resources: [{ id }] });
    const add = { op: "add", path: "members", value: [{ value: member, display: "cat@acme.example" }] };
    const same = { op: "replace", value: { id, displayName: "Engineering" } };
    expect((await send(`PATCH /Groups/${id}`, patch(same))).status).toBe(200);
    expect((await send(`PATCH /Groups/${id}`, patch(add))).status).toBe(200);
    const swap = [
      { op: "remove", path: `members[value eq "${member}"]` },
      { op: "add", path: "members", value: [{ value: other, display: "dan@acme.example" }] },
    ];
    expect((await send(`PATCH /Groups/${id}`, patch(...swap))).status).toBe(200);
    expect(await listMembers(send, id)).toEqual([other]);
    const full = { op: "replace", path: "members", value: [{ value: member }, { value: other }] };
    await send(`PATCH /Groups/${id}`, patch(full));
    expect(await listMembers(send, id)).toEqual([member, other].toSorted());
    await send(`PATCH /Groups/${id}`, patch({ op: "replace", value: { id, displayName: "Platform" } }));
    expect((await send(`GET /Groups/${id}`)).body.displayName).toBe("Platform");
    expect((await send(`DELETE /Groups/${id}`)).status).toBe(204);
  });

  it("imports all users page by page, each once", async () => {
    const ids = await Promise.all(
      Array.from({ length: 205 }, (_, index) => create(send, "/Users", user(`import-${index}@acme.example`))),
    );
    const seen: (string | undefined)[] = [];
    for (let startIndex = 1, total = 1; startIndex <= total; startIndex += 100) {
      const { body } = await send(`GET /Users?startIndex=${startIndex}&count=100`);
      seen.push(...(body.Resources ?? []).map(({ id }) => id));
      total = body.totalResults ?? 0;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(ids.every((id) => seen.includes(id))).toBe(true);
  });

  it("reads the catalogues in its own shape, and finds them through ResourceTypes", async () => {
    const types = await send("GET /ResourceTypes");
    const entitlement = types.body.Resources?.find(({ id }) => id === "Entitlement");
    expect(entitlement).toMatchObject({
      endpoint: "/Entitlements",
      schema: "urn:okta:scim:schemas:core:1.0:Entitlement",
    });
    expect((await send("GET /Entitlements?startIndex=1&count=100")).status).toBe(200);
    expect((await send("GET /Roles?startIndex=1&count=100")).status).toBe(200);
  });

  it("is recognised, with its user agent and what it owns", async () => {
    const { body } = await conformance.system.api.request("/v1/clients");
    expect(body).toMatchObject({
      items: [{ client: "okta", dialect: "okta", userAgent: "Okta SCIM Client 1.0.0", liveTokens: 1 }],
    });
  });
});
