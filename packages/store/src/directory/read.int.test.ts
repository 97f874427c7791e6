import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  findGroup,
  findUserByUserName,
  listFlattenedMembers,
  listGroupIdsOfUser,
  listGroupsByName,
  listUsersByEmail,
  listUsersById,
} from "./read.ts";
import {
  admin,
  entitlementBody,
  entra,
  groupBody,
  internal,
  okta,
  openTestDirectory,
  patchBody,
  userBody,
  type TestDirectory,
} from "./testing.ts";

let directory: TestDirectory;

beforeAll(async () => {
  directory = await openTestDirectory();
});
afterAll(() => directory[Symbol.asyncDispose]());

const createUser = (userName: string, attributes: object = {}): Promise<string> =>
  directory.create(okta, "/Users", userBody({ userName, ...attributes }));
const createGroup = (displayName: string, ...members: readonly string[]): Promise<string> =>
  directory.create(okta, "/Groups", groupBody({ displayName, members: members.map((value) => ({ value })) }));

const nobody = "00000000-0000-7000-8000-000000000000";

describe("groups", () => {
  it("are found by name regardless of case, form and outer space, never entitlement groups", async () => {
    const first = await createGroup("Caf\u00e9");
    const second = await directory.create(entra, "/Groups", groupBody({ displayName: "CAFE\u0301 " }));
    await directory.create(internal, "/Groups", entitlementBody("i1", { displayName: "caf\u00e9" }));
    const found = await listGroupsByName(directory.db, " caf\u00c9");
    expect(found.map(({ id }) => id)).toEqual([first, second]);
    expect(await listGroupsByName(directory.db, "CAF\u00c9", "entra")).toEqual([
      { id: second, kind: "provisioned", client: "entra", externalId: null, displayName: "CAFE\u0301 " },
    ]);
    expect(await listGroupsByName(directory.db, "caf")).toEqual([]);
  });

  it("are found by id, whatever their kind", async () => {
    const id = await directory.create(internal, "/Groups", entitlementBody("i2"));
    expect(await findGroup(directory.db, id)).toMatchObject({
      id,
      kind: "entitlement",
      externalId: "branchward:i2:push",
    });
    expect(await findGroup(directory.db, nobody)).toBeUndefined();
    expect(await findGroup(directory.db, "no id")).toBeUndefined();
  });
});

describe("users", () => {
  it("are found by id, by name and, when active, by address, in any case", async () => {
    const emails = [{ value: "Ann@Example.org", type: "work" }];
    const ann = await createUser("Ann", { emails, title: "Boss", externalId: "e1" });
    const gone = await createUser("ann-before", { emails, active: false });
    const record = { id: ann, client: "okta", externalId: "e1", userName: "Ann", active: true };
    expect(await findUserByUserName(directory.db, "ANN")).toEqual({ ...record, attributes: { emails, title: "Boss" } });
    expect(await findUserByUserName(directory.db, "ann-")).toBeUndefined();
    expect((await listUsersById(directory.db, [gone, nobody, ann])).map(({ id }) => id)).toEqual([ann, gone]);
    expect((await listUsersByEmail(directory.db, "ann@example.ORG")).map(({ id }) => id)).toEqual([ann]);
    expect(await listUsersByEmail(directory.db, "work")).toEqual([]);
  });
});

describe("flattened members", () => {
  it("are the users reached through nested groups, each by a shortest way", async () => {
    const [both, deep, inactive] = [
      await createUser("both"),
      await createUser("deep"),
      await createUser("inactive", { active: false }),
    ];
    const bottom = await createGroup("bottom", deep, both);
    const middle = await createGroup("middle", bottom, inactive);
    const top = await createGroup("top", middle, both);
    const members = await listFlattenedMembers(directory.db, [top, bottom, nobody]);
    expect(members.get(top)).toEqual([
      { userId: both, userName: "both", active: true, path: ["top"] },
      { userId: deep, userName: "deep", active: true, path: ["top", "middle", "bottom"] },
      { userId: inactive, userName: "inactive", active: false, path: ["top", "middle"] },
    ]);
    expect(members.get(bottom)?.map(({ path }) => path)).toEqual([["bottom"], ["bottom"]]);
    expect([...members.keys()]).toEqual([top, bottom]);
    expect(await listGroupIdsOfUser(directory.db, deep)).toEqual([bottom, middle, top]);
    expect(await listGroupIdsOfUser(directory.db, nobody)).toEqual([]);
  });

  it("come by the shortest of several ways", async () => {
    const user = await createUser("several");
    const detour = await createGroup("detour");
    const target = await createGroup("target", user);
    const nest = patchBody({ op: "add", path: "members", value: [{ value: target }] });
    await directory.request(okta, `PATCH /Groups/${detour}`, nest);
    const top = await createGroup("junction", detour, target);
    const members = await listFlattenedMembers(directory.db, [top]);
    expect(members.get(top)?.map(({ path }) => path)).toEqual([["junction", "target"]]);
  });

  it("end where groups nest in a cycle", async () => {
    const user = await createUser("cyclic");
    const one = await createGroup("one", user);
    const two = await createGroup("two", one);
    const cycle = patchBody({ op: "add", path: "members", value: [{ value: two }] });
    expect(await directory.request(okta, `PATCH /Groups/${one}`, cycle)).toMatchObject({ status: 200 });
    const members = await listFlattenedMembers(directory.db, [one, two]);
    expect(members.get(one)?.map(({ path }) => path)).toEqual([["one"]]);
    expect(members.get(two)?.map(({ path }) => path)).toEqual([["two", "one"]]);
    expect(await listGroupIdsOfUser(directory.db, user)).toEqual([one, two]);
    const self = patchBody({ op: "add", path: "members", value: [{ value: one }] });
    expect(await directory.request(admin, `PATCH /Groups/${one}`, self)).toMatchObject({ status: 400 });
  });

  it("come at a cost that does not grow with the number of ways", async () => {
    const user = await createUser("layered");
    let below = [user];
    for (let layer = 0; layer < 16; layer++) {
      below = [await createGroup(`left ${layer}`, ...below), await createGroup(`right ${layer}`, ...below)];
    }
    const [top = ""] = below;
    const members = await listFlattenedMembers(directory.db, [top]);
    expect(members.get(top)?.map(({ path }) => path.length)).toEqual([16]);
  });
});
