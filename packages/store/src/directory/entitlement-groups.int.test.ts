import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  admin,
  entitlementBody,
  groupBody,
  internal,
  okta,
  openTestDirectory,
  patchBody,
  type TestDirectory,
} from "./testing.ts";

let directory: TestDirectory;

beforeAll(async () => {
  directory = await openTestDirectory();
});
afterAll(() => directory[Symbol.asyncDispose]());
beforeEach(() => {
  directory.committed.length = 0;
});

describe("entitlement groups (rule C7)", () => {
  it("are written by the internal client alone", async () => {
    const user = await directory.createUser();
    const body = entitlementBody(directory.unique("incarnation"), { members: [{ value: user }] });
    for (const context of [okta, admin]) {
      const refused = await directory.request(context, "POST /Groups", body);
      expect(refused).toMatchObject({ status: 409, json: { scimType: "uniqueness" } });
    }
    const id = await directory.create(internal, "/Groups", body);
    const patch = patchBody({ op: "replace", path: "members", value: [] });
    expect(await directory.request(okta, `PATCH /Groups/${id}`, patch)).toMatchObject({ status: 404 });
    expect(await directory.request(admin, `PATCH /Groups/${id}`, patch)).toMatchObject({ status: 403 });
    expect(await directory.request(admin, `DELETE /Groups/${id}`)).toMatchObject({ status: 403 });
    expect(await directory.listMembers(id)).toEqual([user]);
    expect(await directory.request(internal, `PATCH /Groups/${id}`, patch)).toMatchObject({ status: 200 });
    expect(await directory.request(internal, `DELETE /Groups/${id}`)).toMatchObject({ status: 204 });
  });

  it("are neither seen, matched nor nested by provisioning clients, and are seen by administrators", async () => {
    const incarnation = directory.unique("incarnation");
    const id = await directory.create(internal, "/Groups", entitlementBody(incarnation));
    for (const filter of [
      `externalId eq "branchward:${incarnation}:push"`,
      `urn:branchward:scim:schemas:extension:1.0:BranchEntitlement:incarnation eq "${incarnation}"`,
    ]) {
      expect((await directory.request(okta, `GET /Groups?filter=${filter}`)).json.totalResults).toBe(0);
      expect((await directory.request(admin, `GET /Groups?filter=${filter}`)).json.Resources).toMatchObject([{ id }]);
    }
    const nest = groupBody({ displayName: directory.unique("group"), members: [{ value: id }] });
    expect(await directory.request(okta, "POST /Groups", nest)).toMatchObject({ status: 400 });
    expect(await directory.request(admin, "POST /Groups", nest)).toMatchObject({ status: 400 });
  });

  it("may share their name with a provisioned group", async () => {
    const displayName = directory.unique("shared");
    await directory.create(okta, "/Groups", groupBody({ displayName }));
    const body = entitlementBody(directory.unique("incarnation"), { displayName });
    expect(await directory.request(internal, "POST /Groups", body)).toMatchObject({ status: 201 });
  });

  it("cannot be made of provisioned groups, nor made without their marks", async () => {
    const id = await directory.createGroup();
    const claim = patchBody({ op: "add", path: "externalId", value: "branchward:x:push" });
    expect(await directory.request(okta, `PATCH /Groups/${id}`, claim)).toMatchObject({ status: 409 });
    const unmarked = groupBody({ displayName: directory.unique("group") });
    expect(await directory.request(internal, "POST /Groups", unmarked)).toMatchObject({ status: 400 });
    expect(await directory.request(internal, `DELETE /Groups/${id}`)).toMatchObject({ status: 403 });
  });

  it("raise no directory change", async () => {
    const user = await directory.createUser();
    directory.committed.length = 0;
    const id = await directory.create(
      internal,
      "/Groups",
      entitlementBody(directory.unique("incarnation"), { members: [{ value: user }] }),
    );
    await directory.request(internal, `PATCH /Groups/${id}`, patchBody({ op: "remove", path: "members" }));
    await directory.request(internal, `DELETE /Groups/${id}`);
    expect(directory.committed).toEqual([]);
  });

  it("refuse a writer whose fence is older than one that has written, even without changing anything", async () => {
    const fenced = (fence: number): typeof internal => ({ ...internal, fence });
    const id = await directory.create(fenced(4), "/Groups", entitlementBody(directory.unique("incarnation")));
    const nothing = patchBody({ op: "replace", path: "members", value: [] });
    expect(await directory.request(fenced(6), `PATCH /Groups/${id}`, nothing)).toMatchObject({
      status: 200,
      headers: { etag: 'W/"1"' },
    });
    const stale = { status: 412, json: { scimType: "staleFence" } };
    expect(await directory.request(fenced(5), `PATCH /Groups/${id}`, nothing)).toMatchObject(stale);
    expect(await directory.request(fenced(5), `DELETE /Groups/${id}`)).toMatchObject(stale);
    expect(await directory.request(fenced(6), `DELETE /Groups/${id}`)).toMatchObject({ status: 204 });
  });
});
