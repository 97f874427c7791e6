import { beforeEach, describe, expect, it } from "vitest";
import type { JsonObject } from "../json.ts";
import { patchSchema } from "../patch/operations.ts";
import { createGroupType, createUserType } from "../schema/core-types.ts";
import { createMemoryStore } from "../testing.ts";
import type { ScimResponse } from "./message.ts";
import { createScimProvider } from "./provider.ts";
import { searchSchema } from "./query.ts";

const types = [createUserType(), createGroupType()];
const userSchema = "urn:ietf:params:scim:schemas:core:2.0:User";
const groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group";
const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

type Headers = Readonly<Record<string, string>>;
let request: (line: string, body?: unknown, headers?: Headers) => Promise<ScimResponse & { readonly json: Wire }>;

interface Wire extends JsonObject {
  readonly id: string;
  readonly Resources: readonly Wire[];
}

beforeEach(() => {
  const provider = createScimProvider({
    store: createMemoryStore(),
    types,
    baseUrl: () => "https://scim.example/scim/v2",
    maxResults: 5,
    prefersNoContent: ({ headers }) => headers["user-agent"] === "quiet",
  });
  request = async (line, body, headers = {}) => {
    const [, method = "", path = "", query = ""] = /^(\S+) ([^?]*)\??(.*)$/s.exec(line) ?? [];
    const response = await provider.handle({
      method,
      path,
      query: new URLSearchParams(query),
      headers,
      body,
      context: undefined,
    });
    return { ...response, json: parseWire(response.body) };
  };
});

function parseWire(body: unknown): Wire {
  return body as Wire;
}

async function createUser(attributes: object = {}): Promise<string> {
  const { json } = await request("POST /Users", { schemas: [userSchema], userName: "u", ...attributes });
  return json.id;
}

const patch = (...operations: readonly object[]): object => ({ schemas: [patchSchema], Operations: operations });

describe("a provider", () => {
  it("creates a resource with schemas, meta, location and version", async () => {
    const created = await request("POST /Users", {
      schemas: [userSchema, enterprise],
      userName: "alice",
      id: "mine",
      meta: { created: "1999" },
      groups: [],
      unknown: 1,
      addresses: null,
      password: "secret",
      [enterprise]: { department: "Ops" },
    });
    expect(created).toMatchObject({
      status: 201,
      headers: {
        "content-type": "application/scim+json",
        location: "https://scim.example/scim/v2/Users/1",
        etag: 'W/"1"',
      },
    });
    expect(created.body).toEqual({
      schemas: [userSchema, enterprise],
      id: "1",
      userName: "alice",
      [enterprise]: { department: "Ops" },
      meta: {
        resourceType: "User",
        created: "1970-01-01T00:00:00.000Z",
        lastModified: "1970-01-01T00:00:00.000Z",
        location: "https://scim.example/scim/v2/Users/1",
        version: 'W/"1"',
      },
    });
  });

  it.each<[string, unknown, string]>([
    ["no object", "x", "invalidSyntax"],
    ["no body", undefined, "invalidSyntax"],
    ["no schemas", { userName: "a" }, "invalidSyntax"],
    ["another schema", { schemas: [groupSchema], userName: "a" }, "invalidSyntax"],
    ["no userName", { schemas: [userSchema] }, "invalidValue"],
    ["an empty userName", { schemas: [userSchema], userName: "" }, "invalidValue"],
    ["an attribute twice", { schemas: [userSchema], userName: "a", USERNAME: "b" }, "invalidSyntax"],
    ["a wrong type", { schemas: [userSchema], userName: "a", active: "perhaps" }, "invalidValue"],
    ["a single value for a list", { schemas: [userSchema], userName: "a", emails: "x" }, "invalidValue"],
    [
      "two primary values",
      { schemas: [userSchema], userName: "a", emails: [1, 2].map((value) => ({ value: `${value}`, primary: true })) },
      "invalidValue",
    ],
  ])("refuses to create from %s", async (_, body, scimType) => {
    const { status, json } = await request("POST /Users", body);
    expect({ status, json }).toMatchObject({
      status: 400,
      json: { schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"], status: "400", scimType },
    });
  });

  it("returns the attributes asked for, and never the password", async () => {
    const id = await createUser({ password: "x", title: "T", name: { givenName: "G", familyName: "F" } });
    const read = async (query: string): Promise<unknown> => (await request(`GET /Users/${id}?${query}`)).body;
    expect(await read("attributes=userName,NAME.givenName,password,nonsense")).toEqual({
      schemas: [userSchema],
      id,
      userName: "u",
      name: { givenName: "G" },
    });
    expect(await read("excludedAttributes=meta,name.givenName,id,title")).toEqual({
      schemas: [userSchema],
      id,
      userName: "u",
      name: { familyName: "F" },
    });
    expect((await request(`GET /Users/${id}?attributes=a&excludedAttributes=b`)).status).toBe(400);
  });

  it("lists pages with totals, whatever numbers it is asked for", async () => {
    for (let index = 0; index < 7; index++) await createUser({ userName: `user${index}` });
    const page = async (query: string): Promise<unknown> => {
      const { json } = await request(`GET /Users?${query}`);
      const { totalResults, startIndex, itemsPerPage } = json;
      return [totalResults, startIndex, itemsPerPage, json.Resources.map(({ id }) => id).join("")];
    };
    expect(await page("")).toEqual([7, 1, 5, "12345"]);
    expect(await page("startIndex=6")).toEqual([7, 6, 2, "67"]);
    expect(await page("count=0")).toEqual([7, 1, 0, ""]);
    expect(await page("count=-3")).toEqual([7, 1, 0, ""]);
    expect(await page("startIndex=0&count=2")).toEqual([7, 1, 2, "12"]);
    expect(await page("startIndex=-9&count=1000")).toEqual([7, 1, 5, "12345"]);
    expect(await page("startIndex=99")).toEqual([7, 99, 0, ""]);
    expect(await page("sortBy=userName&sortOrder=descending&count=2")).toEqual([7, 1, 2, "76"]);
    expect(await page('filter=userName eq "USER3"')).toEqual([1, 1, 1, "4"]);
    expect(await page('filter=userName eq "nobody"')).toEqual([0, 1, 0, ""]);
    for (const query of ["count=x", "startIndex=1.5", "sortBy=nonsense", "sortBy=password", "sortOrder=up"]) {
      expect((await request(`GET /Users?${query}`)).status).toBe(400);
    }
    expect(await request("GET /Users?filter=userName")).toMatchObject({
      status: 400,
      json: { scimType: "invalidFilter" },
    });
  });

  it("answers a search like a list", async () => {
    const id = await createUser({ userName: "alice" });
    await createUser({ userName: "bob" });
    const search = { schemas: [searchSchema], filter: 'userName sw "a"', attributes: ["id"], startIndex: 1, count: 10 };
    expect((await request("POST /Users/.search", search)).body).toMatchObject({
      totalResults: 1,
      Resources: [{ schemas: [userSchema], id }],
    });
    expect((await request("POST /Users/.search", { filter: "x" })).json["scimType"]).toBe("invalidSyntax");
    expect((await request("POST /Users/.search", { ...search, count: "many" })).json["scimType"]).toBe("invalidValue");
    expect((await request("GET /Users/.search")).status).toBe(405);
  });

  it("honours conditions on versions", async () => {
    const id = await createUser();
    expect(await request(`GET /Users/${id}`, undefined, { "if-none-match": 'W/"1"' })).toMatchObject({
      status: 304,
      body: undefined,
    });
    expect((await request(`GET /Users/${id}`, undefined, { "if-none-match": 'W/"2"' })).status).toBe(200);
    const change = patch({ op: "replace", path: "title", value: "T" });
    const stale = await request(`PATCH /Users/${id}`, change, { "if-match": 'W/"2", W/"3"' });
    expect(stale).toMatchObject({ status: 412, json: { scimType: "versionMismatch" } });
    expect((await request(`PATCH /Users/${id}`, change, { "if-match": 'W/"1"' })).headers["etag"]).toBe('W/"2"');
    expect((await request(`PATCH /Users/${id}`, change, { "if-match": "*" })).headers["etag"]).toBe('W/"2"');
    expect(
      (await request(`PUT /Users/${id}`, { schemas: [userSchema], userName: "u" }, { "if-match": '"1"' })).status,
    ).toBe(412);
    expect((await request(`DELETE /Users/${id}`, undefined, { "if-match": '"1"' })).status).toBe(412);
    expect((await request(`DELETE /Users/${id}`)).status).toBe(204);
    expect((await request(`DELETE /Users/${id}`)).status).toBe(404);
  });

  it("shows members with their type and address, and answers 204 to those who want that", async () => {
    const user = await createUser();
    const group = { schemas: [groupSchema], displayName: "devs", members: [{ value: user, type: "User" }] };
    const { json } = await request("POST /Groups", group);
    expect(json["members"]).toEqual([
      { value: user, type: "User", $ref: `https://scim.example/scim/v2/Users/${user}` },
    ]);
    const remove = patch({ op: "remove", path: `members[value eq "${user}"]` });
    const quiet = { "user-agent": "quiet" };
    expect(await request(`PATCH /Groups/${json.id}`, remove, quiet)).toMatchObject({ status: 204, body: undefined });
    expect((await request(`PATCH /Groups/${json.id}?attributes=members`, remove, quiet)).body).toMatchObject({
      members: [],
    });
    expect((await request(`PATCH /Users/${user}`, patch({ op: "add", path: "title", value: "T" }), quiet)).status).toBe(
      204,
    );
  });

  it("describes itself", async () => {
    expect((await request("GET /ServiceProviderConfig")).body).toMatchObject({
      patch: { supported: true },
      bulk: { supported: false },
      filter: { supported: true, maxResults: 5 },
      etag: { supported: true },
    });
    const resourceTypes = await request("GET /ResourceTypes");
    expect(resourceTypes.json.Resources.map(({ id }) => id)).toEqual(["User", "Group"]);
    expect((await request("GET /ResourceTypes/User")).body).toMatchObject({
      schema: userSchema,
      schemaExtensions: [{ schema: enterprise, required: false }],
    });
    const schemas = await request("GET /Schemas");
    expect(schemas.json.Resources.map(({ id }) => id)).toEqual(
      expect.arrayContaining([userSchema, groupSchema, enterprise]),
    );
    expect((await request(`GET /Schemas/${enterprise}`)).json.id).toBe(enterprise);
    expect((await request("GET /Schemas/nonsense")).status).toBe(404);
    expect((await request("GET /Schemas?filter=id pr")).status).toBe(403);
    expect((await request("POST /Schemas", {})).status).toBe(405);
  });

  it.each([
    ["GET /", 404],
    ["GET /Nonsense", 404],
    ["GET /Users/1/2", 404],
    ["GET /__proto__", 404],
    ["GET /Users/__proto__", 404],
    ["GET /Users/%E0%A4%A", 404],
    ["PUT /Users", 405],
    ["POST /Users/1", 405],
    ["POST /Bulk", 501],
    ["GET /Me", 501],
  ])("answers %s with %i in an error body", async (line, status) => {
    const response = await request(line, {});
    expect(response).toMatchObject({ status, json: { status: String(status) } });
  });
});
