/** Entra ID as its documentation records it, with and without `aadOptscim062020`, its oddities included. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Conformance,
  create,
  enterpriseUrn,
  group,
  listMembers,
  patch,
  type Send,
  startConformance,
  user,
} from "./scim-client.ts";

let conformance: Conformance;
let send: Send;
let count = 0;
const unique = (name: string): string => `${name}-${(count += 1)}`;

const createUser = (more: object = {}): Promise<string> =>
  create(send, "/Users", user(unique("user"), { externalId: unique("ext"), addresses: null, ...more }));

beforeAll(async () => {
  conformance = await startConformance();
  send = await conformance.connect("entra");
  await send("GET /Users?aadOptscim062020=");
});
afterAll(() => conformance[Symbol.asyncDispose]());

describe("Entra ID", () => {
  it("tests the connection with a random id and gets an empty list", async () => {
    const answer = await send(`GET /Users?filter=userName eq "${randomUUID()}"`);
    expect(answer).toMatchObject({ status: 200, body: { totalResults: 0, Resources: [] } });
    expect(answer.headers.get("content-type")).toContain("application/scim+json");
    expect((await send(`GET /Users/${randomUUID()}`)).status).toBe(404);
  });

  it("creates with explicit nulls, and matches by userName, externalId and work e-mail", async () => {
    const name = unique("user");
    const emails = [{ type: "work", value: `${name}@x.example`, primary: true }];
    const id = await create(send, "/Users", user(name, { externalId: name, emails, addresses: null, title: null }));
    for (const filter of [
      `userName eq "${name}"`,
      `externalId eq "${name}"`,
      `emails[type eq "work"].value eq "${name}@x.example"`,
      `emails[type eq "work" and value eq "${name}@x.example"]`,
    ]) {
      const { body } = await send(`GET /Users?filter=${filter}`);
      expect([filter, body.Resources?.map((found) => found.id)]).toEqual([filter, [id]]);
    }
  });

  it("changes several attributes at once, with capital ops, filtered and URN paths, and wants 204", async () => {
    const id = await createUser();
    const operations = [
      { op: "Add", path: 'emails[type eq "work"].value', value: "new@x.example" },
      { op: "Replace", path: "name.familyName", value: "Doe" },
      { op: "Add", path: `${enterpriseUrn}:department`, value: "R&D" },
    ];
    expect((await send(`PATCH /Users/${id}`, patch(...operations))).status).toBe(204);
    const { body } = await send(`GET /Users/${id}`);
    expect(body).toMatchObject({ emails: [{ type: "work", value: "new@x.example" }], name: { familyName: "Doe" } });
    expect(body[enterpriseUrn]).toEqual({ department: "R&D" });
  });

  it.each(["False", "false"])("disables softly with the text %s and still reads the user", async (text) => {
    const id = await createUser();
    const off = patch({ op: "Replace", path: "active", value: text });
    expect((await send(`PATCH /Users/${id}`, off)).status).toBe(204);
    expect((await send(`GET /Users/${id}`)).body.active).toBe(false);
  });

  it("with its flag sends one value without a path, whose keys are paths", async () => {
    const id = await createUser();
    const value = { "name.givenName": "Ann", displayName: "Ann", [`${enterpriseUrn}:division`]: "West", active: true };
    expect((await send(`PATCH /Users/${id}?aadOptscim062020=`, patch({ op: "replace", value }))).status).toBe(204);
    const { body } = await send(`GET /Users/${id}`);
    expect(body).toMatchObject({ name: { givenName: "Ann" }, displayName: "Ann", active: true });
    expect(body[enterpriseUrn]).toEqual({ division: "West" });
  });

  it.each([
    ["its id alone", (id: string): unknown => id],
    ["a list of one", (id: string): unknown => [{ value: id }]],
    ["an object", (id: string): unknown => ({ value: id })],
  ])("sets a manager as %s, after the two reference checks", async (_, toValue) => {
    const boss = await createUser();
    const id = await createUser();
    const path = `${enterpriseUrn}:manager`;
    const check = await send(`GET /Users?filter=id eq "${id}" and manager eq "${boss}"&attributes=id`);
    expect(check.body).toMatchObject({ totalResults: 0 });
    expect((await send(`PATCH /Users/${id}`, patch({ op: "Add", path, value: toValue(boss) }))).status).toBe(204);
    const after = await send(`GET /Users?filter=manager eq "${boss}" and id eq "${id}"&attributes=id`);
    expect(after.body.Resources?.map((found) => found.id)).toEqual([id]);
  });

  it("makes a group without members, adds with a null reference, and removes by value and by path", async () => {
    const [a, b] = [await createUser(), await createUser()];
    const name = unique("group");
    const id = await create(send, "/Groups", group(name, { externalId: unique("ext"), members: [] }));
    const found = await send(`GET /Groups?excludedAttributes=members&filter=displayName eq "${name}"`);
    expect(found.body.Resources?.map((each) => each.id)).toEqual([id]);
    const add = {
      op: "Add",
      path: "members",
      value: [
        { $ref: null, value: a },
        { $ref: null, value: b },
      ],
    };
    expect((await send(`PATCH /Groups/${id}`, patch(add))).status).toBe(204);
    const { body } = await send(`GET /Groups?filter=id eq "${id}" and members eq "${a}"&attributes=id`);
    expect(body.totalResults).toBe(1);
    await send(`PATCH /Groups/${id}`, patch({ op: "Remove", path: "members", value: [{ value: a }] }));
    expect(await listMembers(send, id)).toEqual([b]);
    await send(`PATCH /Groups/${id}`, patch({ op: "remove", path: `members[value eq "${b}"]` }));
    expect(await listMembers(send, id)).toEqual([]);
    expect((await send(`GET /Groups/${id}?excludedAttributes=members`)).body).not.toHaveProperty("members");
  });

  it("is refused what only its documentation writes: a filter without quotes, a URN without its colon", async () => {
    const filtered = await send("GET /Users?filter=externalId eq jyoung");
    expect(filtered).toMatchObject({ status: 400, body: { scimType: "invalidFilter" } });
    const misspelt = "urn:ietf:params:scim:schemas:extension:enterprise:2.0User";
    const made = await send("POST /Users", user(unique("misspelt"), { [misspelt]: { department: "d" } }));
    expect(made.status).toBe(201);
    expect(JSON.stringify(made.body)).not.toContain("department");
    const add = patch({ op: "Add", path: `${misspelt}:department`, value: "d" });
    const patched = await send(`PATCH /Users/${made.body.id ?? ""}`, add);
    expect(patched).toMatchObject({ status: 400, body: { scimType: "invalidPath" } });
  });

  it("is recognised, and what had to be put right in its requests is counted", async () => {
    const { body } = await conformance.system.api.request("/v1/clients");
    expect(body).toMatchObject({ items: [{ client: "entra", dialect: "entra" }] });
    expect(body).toMatchObject({
      items: [
        {
          coercions: {
            "op-case": expect.any(Number),
            "boolean-text": 2,
            "null-value": expect.any(Number),
            "members-by-value": 1,
            "keyed-value": 1,
            "listed-single": 1,
            "bare-value": 1,
          },
        },
      ],
    });
  });

  it("is remembered: a process that starts anew answers its PATCH with 204 at once", async () => {
    const id = await createUser();
    await conformance.system.api.request("/v1/clients");
    await conformance.system.stop();
    await conformance.system.start();
    const plain = patch({ op: "replace", path: "title", value: "Dr" });
    expect((await send(`PATCH /Users/${id}`, plain)).status).toBe(204);
  });
});
