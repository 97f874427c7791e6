import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { createServer as createSocketServer } from "node:net";
import { Agent } from "undici";
import { afterEach, describe, expect, it } from "vitest";
import { createScimProvider } from "../provider/provider.ts";
import { createGroupType, createUserType } from "../schema/core-types.ts";
import { createMemoryStore, serveProvider } from "../testing.ts";
import { createScimClient, type ScimClient } from "./client.ts";
import { ScimClientError } from "./error.ts";
import type { ScimCall, ScimHttpOptions } from "./http.ts";
import { toEqualityFilter } from "./operations.ts";

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

function createClient(url: string, options: Partial<ScimHttpOptions> = {}): ScimClient {
  const dispatcher = stack.adopt(new Agent(), (agent) => agent.destroy());
  return createScimClient({ url, token: () => "t0ken", dispatcher, deadlineMs: 5_000, maxBytes: 100_000, ...options });
}

function createTestProvider() {
  return createScimProvider({
    store: createMemoryStore(),
    types: [createUserType(), createGroupType()],
    baseUrl: () => "http://localhost/scim/v2",
    maxResults: 3,
  });
}

async function connect(options: Partial<ScimHttpOptions> = {}): Promise<{ client: ScimClient; calls: ScimCall[] }> {
  const { url } = stack.use(await serveProvider(createTestProvider()));
  const calls: ScimCall[] = [];
  return { client: createClient(`${url}/`, { onCall: (call) => calls.push(call), ...options }), calls };
}

/** A server that answers as told. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/scim/v2`;
}

const serveJson = (status: number, body: unknown, headers: Record<string, string> = {}): Promise<string> =>
  serve((_, response) =>
    response.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body)),
  );

async function failureOf(promise: Promise<unknown>): Promise<Partial<ScimClientError>> {
  const error = await promise.then(
    () => new Error("no failure"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ScimClientError)) throw error;
  const { kind, status, scimType, detail, retryAfterMs, outcomeUnknown } = error;
  return { kind, status, scimType, detail, retryAfterMs, outcomeUnknown };
}

describe("a client of our own provider", () => {
  const told = (version: string) => ({ version, lastModified: "1970-01-01T00:00:00.000Z" });

  it("creates, reads, changes and deletes groups and users", async () => {
    const { client, calls } = await connect();
    const user = await client.createUser({ userName: "alice" });
    expect(user).toMatchObject({ id: "1", userName: "alice", active: undefined, version: 'W/"1"' });
    const group = await client.createGroup({ displayName: "devs", externalId: "x:1", members: [{ value: "1" }] });
    expect(group).toMatchObject({ id: "2", displayName: "devs", externalId: "x:1", members: [{ value: "1" }] });
    expect(await client.getGroup("2")).toMatchObject({ version: 'W/"1"', members: [{ value: "1" }] });
    expect((await client.getGroup("2", { excludeMembers: true })).members).toBeUndefined();
    const operations = [{ op: "replace", path: "displayName", value: "ops" }] as const;
    expect(await client.patchGroup("2", operations, { ifMatch: 'W/"1"' })).toEqual(told('W/"2"'));
    expect(await client.patchUser("1", [{ op: "add", path: "active", value: false }])).toEqual(told('W/"2"'));
    expect((await client.getUser("1")).active).toBe(false);
    expect(await client.replaceGroup("2", { displayName: "ops", members: [] })).toEqual(told('W/"3"'));
    expect((await client.getGroup("2")).members).toEqual([]);
    await client.deleteGroup("2", { ifMatch: 'W/"3"' });
    await client.deleteUser("1");
    expect(await failureOf(client.getGroup("2"))).toMatchObject({ kind: "http", status: 404, outcomeUnknown: false });
    expect(calls.at(-1)).toEqual({ method: "GET", path: "/Groups/2", status: 404, durationMs: expect.any(Number) });
    expect(await client.serviceProviderConfig()).toMatchObject({ patch: true, bulk: false, etag: true, maxResults: 3 });
  });

  it("finds by filters with any text in them, through all pages", async () => {
    const { client, calls } = await connect();
    const names = ['a "quoted" \\ name', "b+c & d=e", "é 😀", "d", "e", "f", "g"];
    for (const displayName of names) await client.createGroup({ displayName });
    for (const displayName of names) {
      const found = await client.findGroups(toEqualityFilter("displayName", displayName));
      expect(found.map((group) => group.displayName)).toEqual([displayName]);
    }
    calls.length = 0;
    const all = await client.findGroups(undefined, { excludeMembers: true });
    expect(all.map(({ displayName }) => displayName)).toEqual(names);
    expect(calls.map(({ path }) => path)).toEqual(["/Groups", "/Groups", "/Groups"]);
    expect(await client.findUsers('userName eq "nobody"')).toEqual([]);
  });

  it("changes members in parts that the endpoint takes, each bound to the version before", async () => {
    const { client, calls } = await connect();
    const ids = Array.from({ length: 250 }, (_, index) => `m${index}`);
    const { id, version } = await client.createGroup({ displayName: "devs", members: [{ value: "old" }] });
    calls.length = 0;
    const answer = await client.patchMembers(id, { add: ids, remove: ["old"] }, { ifMatch: version });
    expect(answer.version).toBe('W/"5"');
    expect(calls.map(({ method }) => method)).toEqual(["PATCH", "PATCH", "PATCH", "PATCH"]);
    const { members } = await client.getGroup(id);
    expect(members?.map(({ value }) => value)).toEqual(ids);
    expect(await failureOf(client.patchMembers(id, { add: ["x"], remove: [] }, { ifMatch: version }))).toMatchObject({
      status: 412,
      scimType: "versionMismatch",
      outcomeUnknown: false,
    });
    expect(await client.patchMembers(id, { add: [], remove: [] }, { ifMatch: "v" })).toEqual({ version: "v" });
  });

  it("binds each part also where the answers do not tell the version", async () => {
    const provider = createTestProvider();
    const writes: (string | undefined)[] = [];
    const { url } = stack.use(
      await serveProvider({
        async handle(request) {
          const answer = await provider.handle(request);
          if (request.method !== "PATCH") return answer;
          writes.push(request.headers["if-match"]);
          return answer.status === 412 ? answer : { status: 204, headers: {}, body: undefined };
        },
      }),
    );
    const calls: ScimCall[] = [];
    const client = createClient(url, { onCall: (call) => calls.push(call) });
    const { id, version } = await client.createGroup({ displayName: "devs", members: [{ value: "old" }] });
    calls.length = 0;
    const delta = { add: ["a", "b"], remove: ["old"] };
    const answer = await client.patchMembers(id, delta, { ifMatch: version, maxValues: 1 });
    expect(answer.version).toBeUndefined();
    expect(writes).toEqual(['W/"1"', 'W/"2"', 'W/"3"']);
    expect(calls.map(({ method }) => method)).toEqual(["PATCH", "GET", "PATCH", "GET", "PATCH"]);
    expect((await client.getGroup(id)).members).toMatchObject([{ value: "a" }, { value: "b" }]);
    writes.length = calls.length = 0;
    await client.patchMembers(id, { add: ["c", "d"], remove: [] }, { maxValues: 1 });
    expect([writes, calls.length]).toEqual([[undefined, undefined], 2]);
  });
});

describe("a client", () => {
  it("sends the token of the moment and the headers of the call", async () => {
    const seen: unknown[] = [];
    const url = await serve((request, response) => {
      const { authorization, accept } = request.headers;
      seen.push([authorization, accept, request.headers["x-all"], request.headers["branchward-fence"]]);
      response.writeHead(204).end();
    });
    let count = 0;
    const client = createClient(url, { token: async () => `t${++count}`, headers: { "x-all": "yes" } });
    await client.deleteGroup("1", { headers: { "Branchward-Fence": "7" } });
    await client.deleteGroup("1");
    const accept = "application/scim+json, application/json";
    expect(seen).toEqual([
      ["Bearer t1", accept, "yes", "7"],
      ["Bearer t2", accept, "yes", undefined],
    ]);
  });

  it.each([
    [400, false],
    [409, false],
    [412, false],
    [429, false],
    [408, true],
    [500, true],
    [502, true],
    [503, true],
  ])(
    "reports %i with what its body says, and whether the write may have happened: %j",
    async (status, outcomeUnknown) => {
      const url = await serveJson(
        status,
        { status: String(status), scimType: "tooMany", detail: "because" },
        { "retry-after": "3" },
      );
      const failure = { kind: "http", status, scimType: "tooMany", detail: "because", retryAfterMs: 3_000 };
      const client = createClient(url);
      expect(await failureOf(client.patchGroup("1", []))).toEqual({ ...failure, outcomeUnknown });
      expect(await failureOf(client.getGroup("1"))).toEqual({ ...failure, outcomeUnknown: false });
    },
  );

  it("reads Retry-After as a date by its own clock", async () => {
    const url = await serveJson(503, "<html>", { "retry-after": "Sat, 21 Nov 2026 00:00:30 GMT" });
    const client = createClient(url, { now: () => Date.UTC(2026, 10, 21) });
    expect(await failureOf(client.getUser("1"))).toMatchObject({ retryAfterMs: 30_000, detail: undefined });
  });

  it("follows no redirect", async () => {
    let requests = 0;
    const url = await serve((_, response) => {
      requests++;
      response.writeHead(307, { location: "/elsewhere" }).end();
    });
    expect(await failureOf(createClient(url).getGroup("1"))).toMatchObject({ kind: "http", status: 307 });
    expect(requests).toBe(1);
  });

  it.each<[string, unknown]>([
    ["not JSON", "<html>"],
    ["a list", []],
    ["empty", ""],
    ["without an id", { displayName: "x" }],
    ["with members that are no list", { id: "1", displayName: "x", members: {} }],
    ["with a member without a value", { id: "1", displayName: "x", members: [{}] }],
  ])("refuses a group that is %s", async (_, body) => {
    const client = createClient(await serveJson(200, body));
    expect(await failureOf(client.getGroup("1"))).toMatchObject({
      kind: "malformed",
      status: 200,
      outcomeUnknown: false,
    });
    expect(await failureOf(client.createGroup({}))).toMatchObject({
      kind: "malformed",
      status: 200,
      outcomeUnknown: true,
    });
  });

  it("reads a group without members as empty", async () => {
    const client = createClient(await serveJson(200, { id: "1", displayName: "x", members: null }));
    expect((await client.getGroup("1")).members).toEqual([]);
  });

  it.each<[string, unknown]>([
    ["no total", { Resources: [] }],
    ["a negative total", { totalResults: -1, Resources: [] }],
    ["fewer resources than it counts", { totalResults: 1, Resources: [] }],
    ["no list", { totalResults: 1, Resources: "x" }],
    ["no groups", { totalResults: 1, Resources: [{ id: "1" }] }],
  ])("takes a list with %s for no answer at all", async (_, body) => {
    const client = createClient(await serveJson(200, body));
    expect(await failureOf(client.findGroups(undefined))).toMatchObject({ kind: "malformed" });
  });

  it("takes an empty list without Resources for what it is", async () => {
    expect(await createClient(await serveJson(200, { totalResults: 0 })).findGroups(undefined)).toEqual([]);
  });

  it("gives up an answer over the byte cap", async () => {
    const url = await serve((_, response) => {
      const write = (): void => {
        while (response.writable && response.write(" ".repeat(10_000)));
        if (response.writable) response.once("drain", write);
      };
      write();
    });
    const client = createClient(url, { maxBytes: 1_000_000 });
    expect(await failureOf(client.getGroup("1"))).toMatchObject({
      kind: "too-large",
      status: 200,
      outcomeUnknown: false,
    });
    expect(await failureOf(client.replaceGroup("1", {}))).toMatchObject({ kind: "too-large", outcomeUnknown: true });
  });

  it.each([
    ["of small pages", "", 1_000],
    ["of large pages", "x".repeat(90_000), 12],
  ])("gives up a list without an end, %s", async (_, padding, mostCalls) => {
    const state = { calls: 0 };
    const url = await serve((__, response) => {
      state.calls += 1;
      const resource = { id: String(state.calls), displayName: "one more", padding };
      response.end(JSON.stringify({ totalResults: state.calls + 1_000, Resources: [resource] }));
    });
    const failure = await failureOf(createClient(url).findGroups(undefined));
    expect(failure).toMatchObject({ kind: "too-large", outcomeUnknown: false });
    expect(state.calls).toBeLessThanOrEqual(mostCalls);
  });

  it("forgets what is not wanted as it comes, and reads on", async () => {
    const state = { pages: 0 };
    const url = await serve((_, response) => {
      state.pages += 1;
      const resource = { id: String(state.pages), displayName: state.pages === 2 ? "wanted" : "of others" };
      response.end(JSON.stringify({ totalResults: 3, Resources: [resource] }));
    });
    const keep = ({ displayName }: { readonly displayName: string }): boolean => displayName === "wanted";
    const found = await createClient(url).findGroups('displayName eq "wanted"', { keep });
    expect([state.pages, found.map(({ id }) => id)]).toEqual([3, ["2"]]);
  });

  it("gives up a list that is given a little at a time", async () => {
    const state = { calls: 0 };
    const url = await serve((_, response) => {
      state.calls += 1;
      const resource = { id: String(state.calls), displayName: "one more" };
      setTimeout(() => response.end(JSON.stringify({ totalResults: 10_000, Resources: [resource] })), 30);
    });
    const failure = await failureOf(createClient(url, { deadlineMs: 100 }).findGroups(undefined));
    expect(failure).toMatchObject({ kind: "timeout", status: 200, outcomeUnknown: false });
    expect(state.calls).toBeLessThanOrEqual(21);
  });

  it("gives up at the deadline, whether nothing comes or a byte at a time", async () => {
    const silent = await serve(() => undefined);
    expect(await failureOf(createClient(silent, { deadlineMs: 50 }).getGroup("1"))).toMatchObject({
      kind: "timeout",
      status: undefined,
      outcomeUnknown: false,
    });
    const dripping = await serve((_, response) => {
      const timer = setInterval(() => response.write(" "), 5);
      response.once("close", () => clearInterval(timer));
    });
    expect(await failureOf(createClient(dripping, { deadlineMs: 100 }).patchGroup("1", []))).toMatchObject({
      kind: "timeout",
      outcomeUnknown: true,
    });
  });

  it("gives up when its caller does", async () => {
    const arrived = Promise.withResolvers<void>();
    const url = await serve(() => arrived.resolve());
    const abort = new AbortController();
    const call = failureOf(createClient(url).deleteGroup("1", { signal: abort.signal }));
    await arrived.promise;
    abort.abort();
    expect(await call).toMatchObject({ kind: "connection", outcomeUnknown: true });
  });

  it("knows that a refused connection wrote nothing, and that a broken one may have", async () => {
    const server = createSocketServer((socket) => socket.once("data", () => socket.destroy())).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
    const calls: ScimCall[] = [];
    const client = createClient(url, { onCall: (call) => calls.push(call) });
    expect(await failureOf(client.createGroup({}))).toMatchObject({ kind: "connection", outcomeUnknown: true });
    expect(await failureOf(client.getGroup("1"))).toMatchObject({ kind: "connection", outcomeUnknown: false });
    server.close();
    await once(server, "close");
    expect(await failureOf(client.createGroup({}))).toMatchObject({ kind: "connection", outcomeUnknown: false });
    expect(calls.map(({ method, status }) => [method, status])).toEqual([
      ["POST", undefined],
      ["GET", undefined],
      ["POST", undefined],
    ]);
  });

  it("keeps the token out of its errors", async () => {
    const error: unknown = await createClient(await serveJson(500, { detail: "x" }))
      .getGroup("1")
      .catch((reason: unknown) => reason);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error)) + String(error)).not.toContain("t0ken");
  });
});
