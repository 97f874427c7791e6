/** What identity providers need of a service provider, item by item: each a transcript of what they were seen to send. */
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
  userUrn,
} from "./scim-client.ts";

let conformance: Conformance;
let send: Send;
let count = 0;
const unique = (name: string): string => `${name}-${(count += 1)}`;
const createUser = (more: object = {}): Promise<string> => create(send, "/Users", user(unique("user"), more));
const createUsers = (number: number): Promise<string[]> =>
  Promise.all(Array.from({ length: number }, () => createUser()));
const createGroup = (members: readonly string[] = []): Promise<string> =>
  create(send, "/Groups", group(unique("group"), { members: members.map((value) => ({ value })) }));

beforeAll(async () => {
  conformance = await startConformance();
  send = await conformance.connect("idp");
});
afterAll(() => conformance[Symbol.asyncDispose]());

describe("the checklist of service providers", () => {
  it.each(["add", "Add", "ADD"])("1: takes op %s in any case", async (op) => {
    const id = await createUser();
    expect((await send(`PATCH /Users/${id}`, patch({ op, path: "title", value: "Dr" }))).status).toBeLessThan(300);
    expect((await send(`GET /Users/${id}`)).body["title"]).toBe("Dr");
  });

  it.each([
    ["True", true],
    ["False", false],
    ["true", true],
    ["false", false],
  ])("2: reads %s as a boolean where the attribute is one", async (text, active) => {
    const id = await createUser({ active: !active });
    const operations = [
      { op: "replace", path: "active", value: text },
      { op: "replace", path: "title", value: text },
    ];
    expect((await send(`PATCH /Users/${id}`, patch(...operations))).status).toBeLessThan(300);
    expect((await send(`GET /Users/${id}`)).body).toMatchObject({ active, title: text });
  });

  it("3: expands values without a path, dotted and URN keys included", async () => {
    const id = await createUser({ name: { familyName: "Old" } });
    const value = { "name.givenName": "Ann", [`${enterpriseUrn}:department`]: "R&D", nickName: "A" };
    expect((await send(`PATCH /Users/${id}`, patch({ op: "replace", value }))).status).toBeLessThan(300);
    const { body } = await send(`GET /Users/${id}`);
    expect(body).toMatchObject({ name: { givenName: "Ann", familyName: "Old" }, nickName: "A" });
    expect(body[enterpriseUrn]).toEqual({ department: "R&D" });
  });

  it.each([
    ["a path that selects", (id: string) => ({ op: "remove", path: `members[value eq "${id}"]` })],
    ["a list of values", (id: string) => ({ op: "Remove", path: "members", value: [{ value: id }] })],
    ["a value without a path", (id: string) => ({ op: "remove", value: { members: [{ value: id }] } })],
  ])("4: removes a member by %s", async (_, operation) => {
    const [kept = "", lost = ""] = await createUsers(2);
    const id = await createGroup([kept, lost]);
    expect((await send(`PATCH /Groups/${id}`, patch(operation(lost)))).status).toBeLessThan(300);
    expect(await listMembers(send, id)).toEqual([kept]);
  });

  it("5: honours replace and PUT of members, empty lists included", async () => {
    const [a = "", b = ""] = await createUsers(2);
    const id = await createGroup([a]);
    await send(`PATCH /Groups/${id}`, patch({ op: "replace", path: "members", value: [{ value: b }] }));
    expect(await listMembers(send, id)).toEqual([b]);
    await send(`PUT /Groups/${id}`, group(unique("group"), { members: [{ value: a }] }));
    expect(await listMembers(send, id)).toEqual([a]);
    await send(`PUT /Groups/${id}`, group(unique("group"), { members: [] }));
    expect(await listMembers(send, id)).toEqual([]);
    await send(`PATCH /Groups/${id}`, patch({ op: "add", path: "members", value: [{ value: a }, { value: b }] }));
    await send(`PATCH /Groups/${id}`, patch({ op: "replace", path: "members", value: [] }));
    expect(await listMembers(send, id)).toEqual([]);
  });

  it("6: an empty list of values to remove removes nobody", async () => {
    const [a = ""] = await createUsers(1);
    const id = await createGroup([a]);
    await send(`PATCH /Groups/${id}`, patch({ op: "remove", path: "members", value: [] }));
    await send(`PATCH /Groups/${id}`, patch({ op: "remove", path: "members", value: null }));
    expect(await listMembers(send, id)).toEqual([a]);
  });

  it("7: filters by every operator, value paths, URNs, and never by a part where all is meant", async () => {
    const name = unique("filter");
    const emails = [{ type: "work", value: `${name}@x.example` }];
    const id = await createUser({ userName: name, emails, [enterpriseUrn]: { department: name } });
    await createUser({ userName: `${name}-longer` });
    const filters = [
      `userName eq "${name.toUpperCase()}"`,
      `emails[type eq "work" and value co "@x.example"] and userName sw "${name}" and title pr or userName eq "${name}"`,
      `not (title pr) and emails[type eq "work"] and userName eq "${name}"`,
      `${enterpriseUrn}:department eq "${name}"`,
      `${userUrn}:userName eq "${name}"`,
      `id eq "${id}"`,
    ];
    for (const filter of filters) {
      const { body } = await send(`GET /Users?filter=${filter}`);
      expect([filter, body.Resources?.map((found) => found.id)]).toEqual([filter, [id]]);
    }
  });

  it.each(['quo"te', "back\\slash", "umlaut ü", "smile 😀", "plus+sign & more"])(
    "8: finds a name that holds %s",
    async (part) => {
      const name = `${unique("text")} ${part}`;
      const id = await createUser({ userName: name });
      const { body } = await send(`GET /Users?filter=userName eq ${JSON.stringify(name)}`);
      expect(body.Resources?.map((found) => found.id)).toEqual([id]);
    },
  );

  it("9: takes count 0 and startIndex below 1, and pages in a stable order", async () => {
    await createUsers(5);
    expect((await send("GET /Users?count=0")).body).toMatchObject({ Resources: [] });
    const first = await send("GET /Users?startIndex=-3&count=2");
    expect(first.body).toMatchObject({ startIndex: 1, itemsPerPage: 2 });
    const total = first.body.totalResults ?? 0;
    const seen: (string | undefined)[] = [];
    for (let index = 1; index <= total; index += 2) {
      const { body } = await send(`GET /Users?startIndex=${index}&count=2`);
      seen.push(...(body.Resources ?? []).map(({ id }) => id));
    }
    expect(seen).toHaveLength(total);
    expect(new Set(seen).size).toBe(total);
  });

  it("10: returns the attributes asked for, and without those excluded", async () => {
    const [a = ""] = await createUsers(1);
    const id = await createGroup([a]);
    expect((await send(`GET /Groups/${id}?excludedAttributes=members`)).body).not.toHaveProperty("members");
    const { body } = await send(`GET /Groups/${id}?attributes=members.value`);
    expect(Object.keys(body).toSorted()).toEqual(["id", "members", "schemas"]);
    expect(body.members).toEqual([{ value: a }]);
  });

  it("11: answers 409, 404, 412 and 413 as SCIM errors", async () => {
    const name = unique("taken");
    const id = await createUser({ userName: name });
    const errors = "urn:ietf:params:scim:api:messages:2.0:Error";
    const conflict = await send("POST /Users", user(name.toUpperCase()));
    expect(conflict.body).toMatchObject({ schemas: [errors], status: "409", scimType: "uniqueness" });
    expect((await send("GET /Users/nobody")).body).toMatchObject({ schemas: [errors], status: "404" });
    const stale = await send(`PATCH /Users/${id}`, patch({ op: "add", path: "title", value: "x" }), {
      "if-match": 'W/"77"',
    });
    expect(stale).toMatchObject({ status: 412, body: { schemas: [errors], scimType: "versionMismatch" } });
    const large = await send("POST /Users", `{"schemas":["${userUrn}"],"userName":"${"x".repeat(8 << 20)}"}`);
    expect(large).toMatchObject({ status: 413, body: { schemas: [errors], status: "413" } });
  });

  it("12: takes the same addition and removal again", async () => {
    const [a = ""] = await createUsers(1);
    const id = await createGroup();
    const add = patch({ op: "add", path: "members", value: [{ value: a }] });
    const remove = patch({ op: "remove", path: `members[value eq "${a}"]` });
    for (const body of [add, add, remove, remove]) {
      expect((await send(`PATCH /Groups/${id}`, body)).status).toBeLessThan(300);
    }
    expect(await listMembers(send, id)).toEqual([]);
  });

  it("13: refuses unknown members and names them", async () => {
    const id = await createGroup();
    const unknown = "01890000-0000-7000-8000-000000000000";
    const answer = await send(
      `PATCH /Groups/${id}`,
      patch({ op: "add", path: "members", value: [{ value: unknown }] }),
    );
    expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidValue" } });
    expect(answer.body.detail).toContain(unknown);
  });

  it("14: two PATCHes of one group at the same time both survive", async () => {
    const users = await createUsers(8);
    const id = await createGroup();
    const answers = await Promise.all(
      users.map((value) => send(`PATCH /Groups/${id}`, patch({ op: "add", path: "members", value: [{ value }] }))),
    );
    expect(answers.every(({ status }) => status < 300)).toBe(true);
    expect(await listMembers(send, id)).toEqual(users.toSorted());
  });

  it("16: several removals in one PATCH hit those that they name", async () => {
    const users = await createUsers(5);
    const id = await createGroup(users);
    const lost = [users[0], users[2], users[4]];
    const operations = lost.map((value) => ({ op: "remove", path: `members[value eq "${value}"]` }));
    await send(`PATCH /Groups/${id}`, patch(...operations));
    expect(await listMembers(send, id)).toEqual(users.filter((each) => !lost.includes(each)).toSorted());
  });

  it("17: a write that changes nothing leaves no trace", async () => {
    const [a = ""] = await createUsers(1);
    const name = unique("same");
    const id = await create(send, "/Groups", group(name, { members: [{ value: a }] }));
    const { db } = conformance.system.database;
    const countChanges = async (): Promise<number> =>
      (await db.selectFrom("directory_changes").select("id").execute()).length;
    const before = await countChanges();
    const version = (await send(`GET /Groups/${id}`)).body.meta?.version;
    await send(`PATCH /Groups/${id}`, patch({ op: "replace", value: { id, displayName: name } }));
    await send(`PATCH /Groups/${id}`, patch({ op: "Add", path: "members", value: [{ value: a }] }));
    await send(`PUT /Groups/${id}`, group(name, { members: [{ value: a }] }));
    expect((await send(`GET /Groups/${id}`)).body.meta?.version).toBe(version);
    expect(await countChanges()).toBe(before);
  });
});

describe("the checklist of service providers, large groups", () => {
  it("15: holds more than ten thousand members, written at once and one by one", async () => {
    const rows = 10_050;
    const { db } = conformance.system.database;
    const ids = Array.from(
      { length: rows },
      (_, index) => `01890000-0000-7000-9000-${String(index).padStart(12, "0")}`,
    );
    const values = ids.map((id, index) => ({
      id,
      client: "idp",
      external_id: null,
      user_name: `many-${index}`,
      user_name_key: `many-${index}`,
      active: true,
      attributes: "{}",
      search_keys: "{}",
    }));
    for (let at = 0; at < rows; at += 2_000) {
      await db
        .insertInto("directory_users")
        .values(values.slice(at, at + 2_000))
        .execute();
    }
    const name = unique("large");
    const id = await create(send, "/Groups", group(name));
    const put = await send(`PUT /Groups/${id}`, group(name, { members: ids.map((value) => ({ value })) }));
    expect(put.status).toBe(200);
    const [last = ""] = ids.slice(-1);
    const removal = await send(`PATCH /Groups/${id}`, patch({ op: "remove", path: `members[value eq "${last}"]` }));
    expect(removal.status).toBe(204);
    const members = await listMembers(send, id);
    expect(members).toHaveLength(rows - 1);
    expect(members).not.toContain(last);
  });
});
