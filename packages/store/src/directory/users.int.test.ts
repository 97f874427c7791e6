import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { admin, entra, internal, okta, openTestDirectory, patchBody, type TestDirectory, userBody } from "./testing.ts";

let directory: TestDirectory;

beforeAll(async () => {
  directory = await openTestDirectory();
});
afterAll(() => directory[Symbol.asyncDispose]());
beforeEach(() => {
  directory.committed.length = 0;
});

describe("users", () => {
  it("are created, read, replaced, patched, deactivated and deleted", async () => {
    const userName = directory.unique("Alice");
    const created = await directory.request(
      okta,
      "POST /Users",
      userBody({ userName, externalId: "00u1", password: "secret", name: { givenName: "Alice" } }),
    );
    expect(created.status).toBe(201);
    const { id } = created.json;
    expect(created.headers).toMatchObject({ location: `http://directory.example/scim/v2/Users/${id}`, etag: 'W/"1"' });
    expect(created.json).toMatchObject({ userName, externalId: "00u1", active: true, name: { givenName: "Alice" } });
    const kept = await directory.db.selectFrom("directory_users").selectAll().where("id", "=", id).execute();
    expect(JSON.stringify([created.json, kept])).not.toContain("secret");

    const read = await directory.request(okta, `GET /Users/${id}`);
    expect(read.json).toEqual(created.json);

    const patched = await directory.request(
      okta,
      `PATCH /Users/${id}`,
      patchBody({ op: "replace", value: { active: "False" } }),
    );
    expect(patched).toMatchObject({ status: 200, headers: { etag: 'W/"2"' } });
    expect(patched.json.active).toBe(false);

    const replaced = await directory.request(okta, `PUT /Users/${id}`, userBody({ userName, title: "Boss" }));
    expect(replaced.json).toMatchObject({ title: "Boss", active: false });
    expect(replaced.json.name).toBeUndefined();

    expect(await directory.request(okta, `DELETE /Users/${id}`)).toMatchObject({ status: 204 });
    expect(await directory.request(okta, `GET /Users/${id}`)).toMatchObject({ status: 404 });
    expect(directory.committed.map(({ kind }) => kind)).toEqual([
      "user.created",
      "user.deactivated",
      "user.changed",
      "user.deleted",
    ]);
  });

  it("are not reactivated by a replacement that does not speak of active", async () => {
    const userName = directory.unique("bob");
    const id = await directory.create(okta, "/Users", userBody({ userName, active: false }));
    const { json } = await directory.request(okta, `PUT /Users/${id}`, userBody({ userName }));
    expect(json.active).toBe(false);
  });

  it("have names that are unique regardless of case and normal form, across clients", async () => {
    await directory.create(okta, "/Users", userBody({ userName: "Jos\u00e9" }));
    const second = await directory.request(entra, "POST /Users", userBody({ userName: "JOSE\u0301" }));
    expect(second).toMatchObject({ status: 409, json: { scimType: "uniqueness" } });
  });

  it("have external ids that are unique within a client and free across clients", async () => {
    const externalId = directory.unique("external");
    await directory.createUser(okta, { externalId });
    const body = (): object => userBody({ userName: directory.unique("user"), externalId });
    expect(await directory.request(okta, "POST /Users", body())).toMatchObject({ status: 409 });
    expect(await directory.request(entra, "POST /Users", body())).toMatchObject({ status: 201 });
  });

  it("may all have a blank external id, which is none", async () => {
    await directory.createUser(okta, { externalId: "" });
    const second = await directory.request(
      okta,
      "POST /Users",
      userBody({ userName: directory.unique("user"), externalId: "" }),
    );
    expect(second).toMatchObject({ status: 201 });
  });

  it("answer 404 for ids that are no ids", async () => {
    for (const id of ["1", "__proto__", "%00", "'; drop table x", "a".repeat(5000)]) {
      const { status } = await directory.request(okta, `GET /Users/${encodeURIComponent(id)}`);
      expect(status).toBe(404);
    }
  });

  it("refuse text that PostgreSQL cannot keep, and keys that no index holds", async () => {
    for (const userName of ["a\0b", "\ud800", "x".repeat(2000)]) {
      const { status, json } = await directory.request(okta, "POST /Users", userBody({ userName }));
      expect({ status, scimType: json.scimType }).toEqual({ status: 400, scimType: "invalidValue" });
    }
  });

  it("of one client do not exist for another, and are in an administrator's reach", async () => {
    const id = await directory.createUser(okta);
    const patch = patchBody({ op: "replace", path: "active", value: false });
    expect(await directory.request(entra, `GET /Users/${id}`)).toMatchObject({ status: 404 });
    expect(await directory.request(entra, `PATCH /Users/${id}`, patch)).toMatchObject({ status: 404 });
    expect(await directory.request(entra, `DELETE /Users/${id}`)).toMatchObject({ status: 404 });
    expect((await directory.request(entra, `GET /Users?filter=id eq "${id}"`)).json.totalResults).toBe(0);
    expect(await directory.request(internal, `PATCH /Users/${id}`, patch)).toMatchObject({ status: 403 });
    expect(await directory.request(admin, `PATCH /Users/${id}`, patch)).toMatchObject({ status: 200 });
  });
});
