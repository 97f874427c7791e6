/** Our client against service providers that are not ours: two from a registry, one that misbehaves. */
import { createScimClient, type ScimCall, type ScimClient, ScimClientError } from "@branchward/scim";
import { Agent } from "undici";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type BetterAuthServer, startBetterAuthServer } from "../support/better-auth-server.ts";
import { type HostileScim, startHostileScim } from "../support/hostile-scim.ts";
import { type ScimmyServer, startScimmyServer } from "../support/scimmy-server.ts";

const agent = new Agent();
afterAll(() => agent.destroy());

function connect(url: string, calls: ScimCall[] = [], deadlineMs = 5_000, token = "t"): ScimClient {
  const onCall = (call: ScimCall): void => void calls.push(call);
  return createScimClient({ url, token: () => token, dispatcher: agent, deadlineMs, maxBytes: 1 << 20, onCall });
}

const idsOf = (members: readonly { readonly value: string }[] | undefined): readonly string[] =>
  (members ?? []).map(({ value }) => value).toSorted();

async function failureOf(promise: Promise<unknown>): Promise<ScimClientError> {
  const error = await promise.then(
    () => new Error("no failure"),
    (reason: unknown) => reason,
  );
  if (error instanceof ScimClientError) return error;
  throw error;
}

describe("the client and scimmy-routers", () => {
  let server: ScimmyServer;
  let client: ScimClient;
  const calls: ScimCall[] = [];
  beforeAll(async () => {
    server = await startScimmyServer();
    client = connect(server.url, calls);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it("get on: discovery, look-ups, creation, change and removal", async () => {
    const profile = await client.serviceProviderConfig();
    expect(profile).toMatchObject({ paging: "index" });
    const user = await client.createUser({ userName: "scimmy-1", active: true });
    expect(await client.findUsers('userName eq "scimmy-1"')).toMatchObject([{ id: user.id }]);
    await client.patchUser(user.id, [{ op: "replace", path: "active", value: false }]);
    expect((await client.getUser(user.id)).active).toBe(false);
    const group = await client.createGroup({ displayName: "scimmy-group" });
    await client.patchMembers(group.id, { add: [user.id], remove: [] });
    expect(idsOf((await client.getGroup(group.id)).members)).toEqual([user.id]);
    await client.patchMembers(group.id, { add: [], remove: [user.id] });
    expect((await client.getGroup(group.id)).members).toEqual([]);
    await client.deleteGroup(group.id);
    expect((await failureOf(client.getGroup(group.id))).status).toBe(404);
  });

  it("page through all users", async () => {
    for (let index = 0; index < 45; index += 1) await client.createUser({ userName: `scimmy-page-${index}` });
    const found = await client.findUsers('userName sw "scimmy-page-"', { pageSize: 10 });
    expect(new Set(found.map(({ id }) => id)).size).toBe(45);
  });

  it("put many PATCHes into few bulk requests where the profile tells of bulk", async () => {
    const profile = { patch: true, bulkLimits: { maxOperations: 5, maxPayloadSize: 1 << 20 } };
    const users = await Promise.all(
      Array.from({ length: 12 }, (_, index) => client.createUser({ userName: `scimmy-bulk-${index}` })),
    );
    const add = users.map(({ id }) => id);
    const group = await client.createGroup({ displayName: "scimmy-bulk" });
    calls.length = 0;
    await client.patchMembers(group.id, { add, remove: [] }, { maxValues: 1, profile });
    expect(calls.map(({ path }) => path)).toEqual(["/Bulk", "/Bulk", "/Bulk"]);
    expect(idsOf((await client.getGroup(group.id)).members)).toEqual(add.toSorted());
  });
});

describe("the client and @better-auth/scim", () => {
  let server: BetterAuthServer;
  let client: ScimClient;
  const calls: ScimCall[] = [];
  beforeAll(async () => {
    server = await startBetterAuthServer();
    client = connect(server.url, calls, 5_000, server.token);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const createUsers = async (name: string, count: number): Promise<readonly string[]> => {
    const made = [];
    for (let index = 0; index < count; index += 1) {
      made.push(await client.createUser({ userName: `${name}-${index}@acme.example`, active: true }));
    }
    return made.map(({ id }) => id);
  };

  it("get on: discovery, look-ups, creation, change and removal", async () => {
    expect(await client.serviceProviderConfig()).toMatchObject({ paging: "index", patch: true, bulkLimits: undefined });
    const [user = ""] = await createUsers("one", 1);
    expect(await client.findUsers('userName eq "one-0@acme.example"')).toMatchObject([{ id: user }]);
    await client.patchUser(user, [{ op: "replace", path: "active", value: false }]);
    expect((await client.getUser(user)).resource["active"]).toBe(false);
    const group = await client.createGroup({ displayName: "better", externalId: "better-1" });
    expect(await client.findGroups('externalId eq "better-1"', { excludeMembers: true })).toMatchObject([
      { id: group.id, members: undefined },
    ]);
    await client.replaceGroup(group.id, { displayName: "better by PUT", members: [{ value: user }] });
    expect(await client.getGroup(group.id)).toMatchObject({ displayName: "better by PUT", members: [{ value: user }] });
    await client.deleteGroup(group.id);
    expect((await failureOf(client.getGroup(group.id))).status).toBe(404);
    await client.deleteUser(user);
    expect(await client.findUsers('userName eq "one-0@acme.example"')).toEqual([]);
  });

  it("page through all users", async () => {
    const made = await createUsers("page", 23);
    const found = await client.findUsers(undefined, { pageSize: 5 });
    expect(found.map(({ id }) => id).toSorted()).toEqual([...made].toSorted());
  });

  it("change members in chunks, one after another where the profile has no bulk, and read back what is so", async () => {
    const profile = await client.serviceProviderConfig();
    const add = await createUsers("member", 12);
    const { id } = await client.createGroup({ displayName: "chunks" });
    calls.length = 0;
    await client.patchMembers(id, { add, remove: [] }, { maxValues: 5, profile });
    expect(calls.map(({ method, path }) => `${method} ${path}`)).toEqual(Array(3).fill(`PATCH /Groups/${id}`));
    expect(idsOf((await client.getGroup(id)).members)).toEqual([...add].toSorted());
    await client.patchMembers(id, { add: [], remove: add.slice(0, 7) }, { maxValues: 1, profile });
    expect(idsOf((await client.getGroup(id)).members)).toEqual(add.slice(7).toSorted());
    await client.patchMembers(
      id,
      { add: add.slice(0, 1), remove: add.slice(7) },
      { profile: { ...profile, patch: false } },
    );
    expect(idsOf((await client.getGroup(id)).members)).toEqual(add.slice(0, 1));
  });

  it("end in a named error where it cannot do what is asked", async () => {
    expect(await failureOf(client.findUsers('userName sw "x"'))).toMatchObject({
      kind: "http",
      status: 400,
      scimType: "invalidFilter",
    });
    const { id } = await client.createGroup({ displayName: "strict" });
    expect(await failureOf(client.patchMembers(id, { add: ["nobody"], remove: [] }))).toMatchObject({
      kind: "http",
      status: 400,
      outcomeUnknown: false,
    });
    expect((await client.getGroup(id)).members).toEqual([]);
    const stranger = connect(server.url, [], 5_000, "another");
    expect(await failureOf(stranger.findUsers(undefined))).toMatchObject({ status: 401 });
  });
});

describe("the client and a hostile service provider", () => {
  let server: HostileScim;
  let client: ScimClient;
  beforeEach(async () => {
    server = await startHostileScim();
    client = connect(server.url);
  });
  afterEach(() => server[Symbol.asyncDispose]());

  const ids = Array.from({ length: 150 }, (_, index) => `member-${index}`);

  it("that answers 200 and does nothing: reading shows that nothing was done", async () => {
    const { id } = await client.createGroup({ displayName: "g" });
    server.behave({ ignoresWrites: true });
    await client.patchMembers(id, { add: ["a"], remove: [] });
    expect((await client.getGroup(id)).members).toEqual([]);
  });

  it("that drops member 101: chunks of a hundred all arrive", async () => {
    const { id } = await client.createGroup({ displayName: "g" });
    server.behave({ keepsMembers: 100 });
    await client.patchMembers(id, { add: ids, remove: [] });
    expect(idsOf((await client.getGroup(id)).members)).toEqual(ids.toSorted());
    await client.patchMembers(id, { add: ids.map((name) => `x-${name}`), remove: [] }, { maxValues: 150 });
    expect((await client.getGroup(id)).members).toHaveLength(250);
  });

  it("that lags: it is read stale until it has caught up", async () => {
    const { id } = await client.createGroup({ displayName: "g" });
    server.behave({ lags: true });
    await client.patchMembers(id, { add: ["a"], remove: [] });
    expect((await client.getGroup(id)).members).toEqual([]);
    server.catchUp();
    expect(idsOf((await client.getGroup(id)).members)).toEqual(["a"]);
  });

  it("that refuses for a while: the wait is told in both forms, and nothing was written", async () => {
    const inAnHour = new Date(Date.now() + 3_600_000).toUTCString();
    server.behave({ refusals: ["7", inAnHour] });
    const first = await failureOf(client.createGroup({ displayName: "g" }));
    expect(first).toMatchObject({ status: 429, retryAfterMs: 7_000, outcomeUnknown: false });
    const second = await failureOf(client.createGroup({ displayName: "g" }));
    expect(second.retryAfterMs).toBeGreaterThan(3_500_000);
    expect((await client.createGroup({ displayName: "g" })).displayName).toBe("g");
  });

  it("that drips: the deadline is for the whole call", async () => {
    server.behave({ drips: true });
    expect(await failureOf(connect(server.url, [], 200).findGroups(undefined))).toMatchObject({ kind: "timeout" });
  });

  it("that knows no PATCH: the group is read and PUT, others' members kept", async () => {
    const { id } = await client.createGroup({ displayName: "g", externalId: "x", members: [{ value: "kept" }] });
    server.behave({ hasNoPatch: true });
    await client.patchMembers(id, { add: ["new"], remove: ["gone"] });
    const group = await client.getGroup(id);
    expect(group).toMatchObject({ displayName: "g", externalId: "x" });
    expect(idsOf(group.members)).toEqual(["kept", "new"]);
    const before = server.requests.length;
    await client.patchMembers(id, { add: [], remove: ["kept"] }, { profile: { patch: false, bulkLimits: undefined } });
    expect(server.requests.slice(before)).toEqual([`GET /Groups/${id}`, `PUT /Groups/${id}`]);
    expect(idsOf((await client.getGroup(id)).members)).toEqual(["new"]);
  });

  it("that cuts the answer to a creation: reading tells that the group was made, and it is made once", async () => {
    server.behave({ cutsAnswers: true });
    const made = await client.ensureGroup({ displayName: "g", externalId: "ours" });
    expect(await client.findGroups(undefined)).toMatchObject([{ id: made.id, externalId: "ours" }]);
  });
});
