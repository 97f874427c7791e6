/** Our client against service providers that are not ours: one from a registry, one that misbehaves. */
import { createScimClient, type ScimCall, type ScimClient, ScimClientError } from "@branchward/scim";
import { Agent } from "undici";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type HostileScim, startHostileScim } from "../support/hostile-scim.ts";
import { type ScimmyServer, startScimmyServer } from "../support/scimmy-server.ts";

const agent = new Agent();
afterAll(() => agent.destroy());

function connect(url: string, calls: ScimCall[] = [], deadlineMs = 5_000): ScimClient {
  const onCall = (call: ScimCall): void => void calls.push(call);
  return createScimClient({ url, token: () => "t", dispatcher: agent, deadlineMs, maxBytes: 1 << 20, onCall });
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
