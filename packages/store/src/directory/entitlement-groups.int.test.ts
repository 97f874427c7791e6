import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { acquireLease, type Lease, seizeLease } from "../scopes/leases.ts";
import { insertScope } from "../testing.ts";
import { holdLease } from "./fence.ts";
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

  it("take nobody in who is deactivated, whatever else the write is about, and keep who was", async () => {
    const [gone, active] = [await directory.createUser(), await directory.createUser()];
    const id = await directory.create(
      internal,
      "/Groups",
      entitlementBody(directory.unique("incarnation"), { members: [{ value: gone }] }),
    );
    await directory.request(okta, `PATCH /Users/${gone}`, patchBody({ op: "replace", path: "active", value: false }));
    const add = (...members: readonly string[]) =>
      patchBody({ op: "add", path: "members", value: members.map((value) => ({ value })) });
    expect(await directory.request(internal, `PATCH /Groups/${id}`, add(active, gone))).toMatchObject({ status: 200 });
    const other = await directory.create(internal, "/Groups", entitlementBody(directory.unique("incarnation")));
    const refused = { status: 412, json: { scimType: "inactiveMember" } };
    expect(await directory.request(internal, `PATCH /Groups/${other}`, add(active, gone))).toMatchObject(refused);
    expect(await directory.listMembers(other)).toEqual([]);
    const born = entitlementBody(directory.unique("incarnation"), { members: [{ value: gone }] });
    expect(await directory.request(internal, "POST /Groups", born)).toMatchObject(refused);
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
    const fenced = (token: number): typeof internal => ({ ...internal, fence: { token, scopeId: undefined } });
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

describe("entitlement groups that a run writes under its lease (rules C3, C4)", () => {
  const holder = { holder: "test", leaseMs: 30_000 };
  const under = ({ token, scopeId }: Pick<Lease, "token" | "scopeId">): typeof internal => ({
    ...internal,
    fence: { token, scopeId },
  });
  const stale = { status: 412, json: { scimType: "staleFence" } };

  async function openScope() {
    const { incarnationId, scopeId } = await insertScope(directory.db, { branch: directory.unique("dev") });
    const lease = await acquireLease(directory.db, scopeId, holder);
    if (lease === undefined) throw new Error("nobody else has the lease");
    return { lease, body: entitlementBody(incarnationId), filter: `externalId eq "branchward:${incarnationId}:push"` };
  }

  it("are made, changed and deleted by who has the lease", async () => {
    const { lease, body } = await openScope();
    const id = await directory.create(under(lease), "/Groups", body);
    const patch = patchBody({ op: "replace", path: "displayName", value: "renamed" });
    expect(await directory.request(under(lease), `PATCH /Groups/${id}`, patch)).toMatchObject({ status: 200 });
    expect(await directory.request(under(lease), `DELETE /Groups/${id}`)).toMatchObject({ status: 204 });
  });

  it("are not made by who has lost it, although there is no group yet that could tell", async () => {
    const { lease, body, filter } = await openScope();
    await seizeLease(directory.db, lease.scopeId, holder);
    expect(await directory.request(under(lease), "POST /Groups", body)).toMatchObject(stale);
    expect((await directory.request(admin, `GET /Groups?filter=${filter}`)).json.totalResults).toBe(0);
  });

  it("are not changed by who has lost it, although whoever has it now found nothing to write", async () => {
    const { lease, body } = await openScope();
    const user = await directory.createUser();
    const id = await directory.create(under(lease), "/Groups", body);
    await seizeLease(directory.db, lease.scopeId, holder);
    const patch = patchBody({ op: "add", path: "members", value: [{ value: user }] });
    expect(await directory.request(under(lease), `PATCH /Groups/${id}`, patch)).toMatchObject(stale);
    expect(await directory.request(under(lease), `DELETE /Groups/${id}`)).toMatchObject(stale);
    expect(await directory.listMembers(id)).toEqual([]);
  });

  it("are not made by who loses it in the middle of the write", async () => {
    const { lease, body, filter } = await openScope();
    const gate = Promise.withResolvers<void>();
    const shut = Promise.withResolvers<void>();
    const held = directory.db.transaction().execute(async (trx) => {
      await sql`lock table directory_groups in share mode`.execute(trx);
      shut.resolve();
      await gate.promise;
    });
    await shut.promise;
    const made = directory.request(under(lease), "POST /Groups", body);
    await expectWaiting();
    await seizeLease(directory.db, lease.scopeId, holder);
    gate.resolve();
    await held;
    expect(await made).toMatchObject(stale);
    expect((await directory.request(admin, `GET /Groups?filter=${filter}`)).json.totalResults).toBe(0);
  });

  it("are written before anybody else takes the lease", async () => {
    const { lease } = await openScope();
    const order: string[] = [];
    const seized = await directory.db.transaction().execute(async (trx) => {
      await holdLease(trx, under(lease));
      const seizing = seizeLease(directory.db, lease.scopeId, holder).then(() => order.push("seized"));
      await expectWaiting();
      order.push("written");
      return { seizing };
    });
    await seized.seizing;
    expect(order).toEqual(["written", "seized"]);
  });

  const expectWaiting = () =>
    vi.waitFor(async () => {
      const { rows } = await sql`
        select distinct pid from pg_locks
        where not granted and pid in (select pid from pg_stat_activity where datname = current_database())
      `.execute(directory.db);
      expect(rows).toHaveLength(1);
    });
});
