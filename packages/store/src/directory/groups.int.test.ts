import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { entra, groupBody, okta, openTestDirectory, patchBody, type TestDirectory } from "./testing.ts";

let directory: TestDirectory;

beforeAll(async () => {
  directory = await openTestDirectory();
});
afterAll(() => directory[Symbol.asyncDispose]());
beforeEach(() => {
  directory.committed.length = 0;
});

/** Until a statement in this database waits for a lock. */
async function waitForLock(): Promise<void> {
  await vi.waitFor(async () => {
    const { rows } = await sql`
      select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
    `.execute(directory.db);
    expect(rows).toHaveLength(1);
  }, 10_000);
}

describe("groups", () => {
  it("of one name in two spellings cannot be two, and a filter finds them by either", async () => {
    const name = directory.unique("Straße");
    const id = await directory.create(okta, "/Groups", groupBody({ displayName: name }));
    const twin = groupBody({ displayName: ` ${name.toUpperCase()}` });
    expect(await directory.request(okta, "POST /Groups", twin)).toMatchObject({ status: 409 });
    const found = await directory.request(okta, `GET /Groups?filter=displayName eq "${name.toUpperCase()}"`);
    expect(found.json.Resources).toMatchObject([{ id }]);
  });

  it("that are not there or another client's cannot be given members", async () => {
    const user = await directory.createUser(entra);
    const add = patchBody({ op: "add", path: "members", value: [{ value: user }] });
    const ofOkta = await directory.createGroup(okta);
    for (const id of [ofOkta, "0199aaaa-0000-7000-8000-000000000000"]) {
      expect(await directory.request(entra, `PATCH /Groups/${id}`, add)).toMatchObject({ status: 404 });
    }
    expect(await directory.listMembers(ofOkta)).toEqual([]);
  });

  it("are patched by their version alone where that is asked for", async () => {
    const [user, id] = [await directory.createUser(), await directory.createGroup()];
    const add = patchBody({ op: "add", path: "members", value: [{ value: user }] });
    const late = await directory.request(okta, `PATCH /Groups/${id}`, add, { "if-match": 'W/"7"' });
    expect(late).toMatchObject({ status: 412 });
    expect(await directory.listMembers(id)).toEqual([]);
    await directory.request(okta, `PATCH /Groups/${id}`, add, { "if-match": 'W/"1"' });
    expect(await directory.listMembers(id)).toEqual([user]);
  });

  it("take members by delta, name the unknown ones and ignore what is so already", async () => {
    const [one, two] = [await directory.createUser(), await directory.createUser()];
    const id = await directory.createGroup(okta, [one]);
    const add = patchBody({ op: "Add", path: "members", value: [{ value: one }, { value: two }] });
    expect(await directory.request(okta, `PATCH /Groups/${id}`, add)).toMatchObject({ headers: { etag: 'W/"2"' } });
    expect(await directory.listMembers(id)).toEqual([one, two].toSorted());

    const again = await directory.request(okta, `PATCH /Groups/${id}`, add);
    expect(again.headers["etag"]).toBe('W/"2"');

    const stranger = "00000000-0000-7000-8000-000000000000";
    const unknown = patchBody({ op: "add", path: "members", value: [{ value: stranger }] });
    const refused = await directory.request(okta, `PATCH /Groups/${id}`, unknown);
    expect(refused).toMatchObject({ status: 400, json: { scimType: "invalidValue" } });
    expect(refused.json.detail).toContain(stranger);

    for (const operation of [
      { op: "remove", path: `members[value eq "${one}"]` },
      { op: "Remove", path: "members", value: [{ value: two }] },
      { op: "remove", value: { members: [{ value: two }] } },
    ]) {
      const { status } = await directory.request(okta, `PATCH /Groups/${id}`, patchBody(operation));
      expect(status).toBe(200);
    }
    expect(await directory.listMembers(id)).toEqual([]);
    expect(directory.committed.filter(({ kind }) => kind === "group.members").map(({ details }) => details)).toEqual([
      { added: [one], removed: [] },
      { added: [two], removed: [] },
      { added: [], removed: [one] },
      { added: [], removed: [two] },
    ]);
  });

  it("leave members alone that a replacement does not speak of, and empty them for an empty list", async () => {
    const user = await directory.createUser();
    const id = await directory.createGroup(okta, [user]);
    const displayName = directory.unique("renamed");
    await directory.request(okta, `PUT /Groups/${id}`, groupBody({ displayName }));
    expect(await directory.listMembers(id)).toEqual([user]);
    await directory.request(okta, `PUT /Groups/${id}`, groupBody({ displayName, members: [] }));
    expect(await directory.listMembers(id)).toEqual([]);
  });

  it("change nothing at all when one operation of several is refused", async () => {
    const user = await directory.createUser();
    const id = await directory.createGroup(okta, []);
    const { status } = await directory.request(
      okta,
      `PATCH /Groups/${id}`,
      patchBody(
        { op: "add", path: "members", value: [{ value: user }] },
        { op: "replace", path: "nonsense", value: 1 },
      ),
    );
    expect(status).toBe(400);
    expect(await directory.listMembers(id)).toEqual([]);
  });

  it("keep both of two concurrent changes", async () => {
    const id = await directory.createGroup();
    const users = await Promise.all(Array.from({ length: 8 }, () => directory.createUser()));
    const answers = await Promise.all(
      users.map((value) =>
        directory.request(okta, `PATCH /Groups/${id}`, patchBody({ op: "add", path: "members", value: [{ value }] })),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(users.map(() => 200));
    expect(await directory.listMembers(id)).toEqual(users.toSorted());
  });

  it.each(["/Users", "/Groups"])("hold no member that was deleted while it was added, of %s", async (path) => {
    const id = await directory.createGroup();
    const create = path === "/Users" ? directory.createUser : directory.createGroup;
    const members = await Promise.all(Array.from({ length: 8 }, () => create()));
    const answers = await Promise.all(
      members.flatMap((value) => [
        directory.request(okta, `PATCH /Groups/${id}`, patchBody({ op: "add", path: "members", value: [{ value }] })),
        directory.request(okta, `DELETE ${path}/${value}`),
      ]),
    );
    expect(answers.filter(({ status }) => status !== 204 && status !== 200 && status !== 400)).toEqual([]);
    expect(await directory.listMembers(id)).toEqual([]);
  });

  it.each(["User", "Group"])("lose a %s that is deleted while another transaction adds it", async (kind) => {
    const id = await directory.createGroup();
    const member = await (kind === "User" ? directory.createUser() : directory.createGroup());
    const table = kind === "User" ? "directory_users" : "directory_groups";
    const { deleted } = await directory.db.transaction().execute(async (other) => {
      await sql`select 1 from ${sql.table(table)} where id = ${member} for key share`.execute(other);
      const values = { group_id: id, member_id: member, member_kind: kind === "User" ? "User" : "Group" } as const;
      await other.insertInto("directory_members").values(values).execute();
      const answer = directory.request(okta, `DELETE /${kind}s/${member}`);
      await waitForLock();
      return { deleted: answer };
    });
    expect(await deleted).toMatchObject({ status: 204 });
    expect(await directory.listMembers(id)).toEqual([]);
  });

  it("are changed in the end when PostgreSQL ends the change in favour of another", async () => {
    const user = await directory.createUser();
    const id = await directory.createGroup();
    const add = patchBody({ op: "add", path: "members", value: [{ value: user }] });
    const { patched } = await directory.db.transaction().execute(async (other) => {
      await sql`select 1 from directory_users where id = ${user} for update`.execute(other);
      const answer = directory.request(okta, `PATCH /Groups/${id}`, add);
      await waitForLock();
      // Each now waits for the other. PostgreSQL ends the one that looks first, which this one does not.
      await sql`set local deadlock_timeout = '60s'`.execute(other);
      await sql`select 1 from directory_groups where id = ${id} for update`.execute(other);
      return { patched: answer };
    });
    expect(await patched).toMatchObject({ status: 200 });
    expect(await directory.listMembers(id)).toEqual([user]);
  });

  it("write nothing when nothing changes", async () => {
    const displayName = directory.unique("devs");
    const user = await directory.createUser();
    const id = await directory.create(okta, "/Groups", groupBody({ displayName, members: [{ value: user }] }));
    const before = await directory.request(okta, `GET /Groups/${id}`);
    const position = await directory.db.selectFrom("directory_changes").selectAll().execute();
    await directory.request(okta, `PUT /Groups/${id}`, groupBody({ displayName, members: [{ value: user }] }));
    await directory.request(okta, `PATCH /Groups/${id}`, patchBody({ op: "replace", value: { id, displayName } }));
    expect((await directory.request(okta, `GET /Groups/${id}`)).json).toEqual(before.json);
    expect(await directory.db.selectFrom("directory_changes").selectAll().execute()).toEqual(position);
  });

  it("have names that are unique for a client, and may be namesakes of another's", async () => {
    const displayName = directory.unique("Release Managers");
    await directory.create(okta, "/Groups", groupBody({ displayName }));
    const body = groupBody({ displayName: ` ${displayName.toUpperCase()} ` });
    expect(await directory.request(okta, "POST /Groups", body)).toMatchObject({
      status: 409,
      json: { scimType: "uniqueness" },
    });
    expect(await directory.request(entra, "POST /Groups", body)).toMatchObject({ status: 201 });
  });

  it("lose a deleted user, with a change for each", async () => {
    const user = await directory.createUser();
    const [one, two] = [await directory.createGroup(okta, [user]), await directory.createGroup(okta, [user])];
    directory.committed.length = 0;
    await directory.request(okta, `DELETE /Users/${user}`);
    expect(await directory.listMembers(one)).toEqual([]);
    expect((await directory.request(okta, `GET /Groups/${two}`)).headers["etag"]).toBe('W/"2"');
    expect(directory.committed.map(({ kind, resourceId }) => ({ kind, resourceId }))).toEqual(
      expect.arrayContaining([
        { kind: "group.members", resourceId: one },
        { kind: "group.members", resourceId: two },
        { kind: "user.deleted", resourceId: user },
      ]),
    );
  });

  it("answer 204 to a patch of a group too large to show, unless attributes are asked for", async () => {
    const users = await Promise.all(Array.from({ length: 101 }, () => directory.createUser()));
    const id = await directory.createGroup(okta, users);
    const remove = (value = ""): object => patchBody({ op: "remove", path: `members[value eq "${value}"]` });
    const shown = await directory.request(okta, `PATCH /Groups/${id}?excludedAttributes=members`, remove());
    expect(shown).toMatchObject({ status: 200 });
    expect(shown.json.members).toBeUndefined();
    expect(await directory.request(okta, `PATCH /Groups/${id}`, remove())).toMatchObject({ status: 204 });
    const last = await directory.request(okta, `PATCH /Groups/${id}`, remove(users[0]));
    expect(last).toMatchObject({ status: 200, headers: { etag: 'W/"2"' } });
    expect(last.json.members).toHaveLength(100);
  });

  it("refuse a write when If-Match names another version", async () => {
    const id = await directory.createGroup();
    const body = patchBody({ op: "replace", path: "displayName", value: directory.unique("group") });
    const stale = await directory.request(okta, `PATCH /Groups/${id}`, body, { "if-match": 'W/"7"' });
    expect(stale).toMatchObject({ status: 412, json: { scimType: "versionMismatch" } });
    expect(await directory.request(okta, `DELETE /Groups/${id}`, undefined, { "if-match": 'W/"7"' })).toMatchObject({
      status: 412,
    });
    expect(await directory.request(okta, `PATCH /Groups/${id}`, body, { "if-match": '"1"' })).toMatchObject({
      status: 200,
    });
  });
});
