import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EndpointConfiguration } from "@branchward/core";
import { listEndpointGates, listFindings } from "@branchward/store";
import { openTestDatabase, type TestDatabase } from "@branchward/store/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Endpoint } from "./endpoint.ts";
import { type EndpointSources, openEndpoints } from "./open-endpoints.ts";

const suite = new AsyncDisposableStack();
const context: { database: TestDatabase; directory: string } = {} as never;
beforeAll(async () => {
  context.directory = await mkdtemp(join(tmpdir(), "branchward-endpoints-"));
  suite.defer(() => rm(context.directory, { recursive: true }));
});
afterAll(() => suite.disposeAsync());

let stack = new AsyncDisposableStack();
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  context.database = stack.use(await openTestDatabase());
});
afterEach(() => stack.disposeAsync());

interface Served {
  readonly url: string;
  readonly port: number;
  /** The bearer tokens that came. */
  readonly tokens: string[];
}

async function serve(listener: RequestListener): Promise<Served> {
  const tokens: string[] = [];
  const server = createServer((request, response) => {
    tokens.push(request.headers.authorization?.replace("Bearer ", "") ?? "");
    listener(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/scim/v2`, port, tokens };
}

const emptyList: RequestListener = (_, response) => response.end(JSON.stringify({ totalResults: 0, Resources: [] }));

async function open(over: Partial<EndpointConfiguration>, sources: Partial<EndpointSources> = {}): Promise<Endpoint> {
  const configuration: EndpointConfiguration = {
    name: "hg",
    type: "scim",
    url: null,
    token: [{ env: "TOKEN" }],
    accounts: false,
    concurrency: 4,
    allow: [],
    probeEveryMs: 30_000,
    ci: "required",
    drift: "repair",
    displayName: "{repository}:{branch}:{entitlement}",
    ...over,
  };
  const { endpoints } = stack.use(
    await openEndpoints([configuration], {
      db: context.database.db,
      env: { TOKEN: "token" },
      adopt: "review",
      builtin: { url: "", token: "" },
      ...sources,
    }),
  );
  const endpoint = endpoints.get("hg");
  if (endpoint === undefined) throw new Error("no endpoint");
  return endpoint;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "answered",
    (error: { code?: string; status?: number }) => error.code ?? String(error.status),
  );
}

const look = (endpoint: Endpoint): Promise<unknown> =>
  endpoint.connect(() => undefined).findGroups('displayName eq "x"');

const findingKinds = async (): Promise<readonly string[]> =>
  (await listFindings(context.database.db, 50)).map(({ kind }) => kind);

describe("an endpoint's address", () => {
  /** As a name server that first tells one address and then another. */
  const lookupInTurn = (...addresses: readonly string[]): NonNullable<EndpointSources["lookup"]> => {
    const left = [...addresses];
    return ((_: string, __: unknown, callback: (error: null, found: unknown) => void) =>
      callback(null, [{ address: left.shift() ?? addresses.at(-1), family: 4 }])) as never;
  };

  it("is refused when its name leads into this machine or a private network, with what to write if that is meant", async () => {
    const inside = await serve(emptyList);
    const url = `http://scim.example.com:${inside.port}/scim/v2`;
    for (const address of ["127.0.0.1", "10.0.0.7", "169.254.169.254"]) {
      const endpoint = await open({ url }, { lookup: lookupInTurn(address) });
      await expect(look(endpoint)).rejects.toMatchObject({
        code: "endpoint_address_refused",
        message: expect.stringContaining(`allow: ["${address}/32"]`),
      });
    }
    expect(inside.tokens).toEqual([]);
  });

  it("is judged at every connection, so that a name bound anew leads nowhere", async () => {
    const inside = await serve((_, response) =>
      response.writeHead(200, { connection: "close" }).end('{"totalResults":0}'),
    );
    const url = `http://scim.example.com:${inside.port}/scim/v2`;
    const allowed = await open({ url, allow: ["127.0.0.1/32"] }, { lookup: lookupInTurn("127.0.0.1", "127.0.0.2") });
    expect(await codeOf(look(allowed))).toBe("answered");
    expect(await codeOf(look(allowed))).toBe("endpoint_address_refused");
    expect(inside.tokens).toHaveLength(1);
  });

  it("is judged where it is written as a number", async () => {
    for (const host of ["10.0.0.7", "[fd00::1]", "[::ffff:169.254.169.254]", "0.0.0.0"]) {
      const endpoint = await open({ url: `http://${host}:1/scim/v2` });
      expect(await codeOf(look(endpoint))).toBe("endpoint_address_refused");
    }
  });

  it("of this machine leads to this machine and not further", async () => {
    const endpoint = await open({ url: "http://localhost:1/scim/v2" }, { lookup: lookupInTurn("93.184.216.34") });
    expect(await codeOf(look(endpoint))).toBe("endpoint_address_refused");
  });

  it("is not left by a redirect", async () => {
    const elsewhere = await serve(emptyList);
    const served = await serve((_, response) => response.writeHead(302, { location: elsewhere.url }).end());
    expect(await codeOf(look(await open({ url: served.url })))).toBe("302");
    expect(elsewhere.tokens).toEqual([]);
  });
});

describe("an endpoint's token", () => {
  /** Takes only what is valid now. */
  async function serveGuarded(valid: { tokens: readonly string[] }): Promise<Served> {
    const served: Served = await serve((request, response) => {
      const token = request.headers.authorization?.replace("Bearer ", "") ?? "";
      if (valid.tokens.includes(token)) emptyList(request, response);
      else response.writeHead(401).end();
    });
    return served;
  }

  it("is rotated by a list, under load and without one failed call", async () => {
    const valid = { tokens: ["old"] };
    const served = await serveGuarded(valid);
    const endpoint = await open(
      { url: served.url, token: [{ env: "NEW" }, { env: "OLD" }] },
      { env: { NEW: "new", OLD: "old" } },
    );
    const outcomes: string[] = [];
    for (const tokens of [["old"], ["old", "new"], ["new"], ["new"]]) {
      valid.tokens = tokens;
      outcomes.push(...(await Promise.all(Array.from({ length: 20 }, () => codeOf(look(endpoint))))));
    }
    expect(new Set(outcomes)).toEqual(new Set(["answered"]));
    expect(served.tokens.at(-1)).toBe("new");
    expect(await findingKinds()).toEqual([]);
  });

  it("is rotated by its file, read again as soon as the old one is refused", async () => {
    const file = join(context.directory, "token");
    await writeFile(file, "old\n");
    const valid = { tokens: ["old"] };
    const endpoint = await open({ url: (await serveGuarded(valid)).url, token: [{ file }] });
    expect(await codeOf(look(endpoint))).toBe("answered");
    await writeFile(file, "new\n");
    valid.tokens = ["new"];
    expect(await Promise.all(Array.from({ length: 20 }, () => codeOf(look(endpoint))))).toEqual(
      Array.from({ length: 20 }, () => "answered"),
    );
  });

  it("keeps its last value while its file is away", async () => {
    const file = join(context.directory, "vanishing");
    await writeFile(file, "kept");
    const valid = { tokens: [] as readonly string[] };
    const endpoint = await open({ url: (await serveGuarded(valid)).url, token: [{ file }] });
    await rm(file);
    expect(await codeOf(look(endpoint))).toBe("401");
    valid.tokens = ["kept"];
    expect(await codeOf(look(endpoint))).toBe("answered");
  });

  it("says that its file is away, once it is no moment any more, until it is back", async () => {
    const file = join(context.directory, "lost");
    await writeFile(file, "kept");
    // Each refusal has the file read again.
    const served = await serveGuarded({ tokens: [] });
    const endpoint = await open({ url: served.url, token: [{ file }] });
    const refused = () => expect(look(endpoint)).rejects.toMatchObject({ status: 401 });
    await rm(file);
    await refused();
    expect(await findingKinds()).toEqual(["endpoint-credentials"]);
    await refused();
    expect(await findingKinds()).toEqual(["endpoint-credentials", "secret-unreadable"]);
    const said = (await listFindings(context.database.db, 10)).find(({ kind }) => kind === "secret-unreadable");
    expect(said).toMatchObject({ subject: "endpoint hg", severity: "warning" });
    expect(said?.message).toContain(file);
    // A process that reads it ends what another said, which says it again.
    await open({ url: served.url, token: [{ env: "TOKEN" }] });
    expect(await findingKinds()).toEqual(["endpoint-credentials"]);
    await refused();
    expect(await findingKinds()).toEqual(["endpoint-credentials", "secret-unreadable"]);
    await writeFile(file, "back");
    await refused();
    expect(await findingKinds()).toEqual(["endpoint-credentials"]);
  });

  it("stands as a finding while none is taken, and no longer", async () => {
    const valid = { tokens: [] as readonly string[] };
    const served = await serveGuarded(valid);
    const endpoint = await open({ url: served.url, token: [{ env: "A" }, { env: "B" }] }, { env: { A: "a", B: "b" } });
    expect(await codeOf(look(endpoint))).toBe("401");
    expect(served.tokens).toEqual(["a", "b"]);
    expect(await findingKinds()).toEqual(["endpoint-credentials"]);
    valid.tokens = ["b"];
    expect(await codeOf(look(endpoint))).toBe("answered");
    expect(await findingKinds()).toEqual([]);
  });
});

describe("an endpoint's gate", () => {
  const shown = async () => (await listEndpointGates(context.database.db, ["hg"]))[0];

  it.each([["3600"], [new Date(Date.now() + 3_600_000).toUTCString()], ["1000000000"]])(
    "makes no call while Retry-After: %s lasts, in another process and after a restart neither",
    async (retryAfter) => {
      const served = await serve((_, response) => response.writeHead(429, { "retry-after": retryAfter }).end());
      expect(await codeOf(look(await open({ url: served.url })))).toBe("429");
      for (let process = 0; process < 3; process += 1) {
        expect(await codeOf(look(await open({ url: served.url })))).toBe("endpoint_blocked");
      }
      expect(served.tokens).toHaveLength(1);
      const { blockedUntil } = (await shown()) ?? {};
      expect(blockedUntil?.getTime()).toBeGreaterThan(Date.now() + 3_500_000);
      expect(blockedUntil?.getTime()).toBeLessThan(Date.now() + 3_700_000);
    },
  );

  it("says that it was asked to make no call for a minute or more, until one is answered", async () => {
    const state = { retryAfter: "1" };
    const served = await serve((request, response) => {
      if (state.retryAfter === "") emptyList(request, response);
      else response.writeHead(503, { "retry-after": state.retryAfter }).end();
    });
    const endpoint = await open({ url: served.url });
    expect(await codeOf(look(endpoint))).toBe("503");
    expect(await findingKinds()).toEqual([]);
    state.retryAfter = "60";
    await expect.poll(() => codeOf(look(endpoint)), { timeout: 10_000 }).toBe("503");
    expect(await findingKinds()).toEqual(["endpoint-blocked"]);
    state.retryAfter = "";
    await context.database.pool.query("update endpoint_states set blocked_until = now()");
    await expect.poll(() => codeOf(look(endpoint)), { timeout: 10_000 }).toBe("answered");
    expect(await findingKinds()).toEqual([]);
  });

  it("opens after ten failures, says so, and closes with the first answer of a probe", async () => {
    const state = { status: 500 };
    const served = await serve((request, response) => {
      if (state.status === 200) emptyList(request, response);
      else response.writeHead(state.status).end();
    });
    const endpoint = await open({ url: served.url, probeEveryMs: 250 });
    const outcomes: string[] = [];
    for (let turn = 0; turn < 12; turn += 1) outcomes.push(await codeOf(look(endpoint)));
    expect(outcomes.slice(9)).toEqual(["500", "endpoint_open", "endpoint_open"]);
    expect(await findingKinds()).toEqual(["endpoint-open"]);
    expect(await shown()).toMatchObject({ breaker: "open", lastFailure: { message: "GET /Groups: 500" } });
    state.status = 200;
    await expect.poll(() => codeOf(look(endpoint)), { timeout: 10_000 }).toBe("answered");
    expect(await findingKinds()).toEqual([]);
    expect(await shown()).toMatchObject({ breaker: "closed" });
  });

  it("has no more calls under way than concurrency, and lets revocations through beside them", async () => {
    const held: (() => void)[] = [];
    const served = await serve((request, response) => void held.push(() => emptyList(request, response)));
    const endpoint = await open({ url: served.url, concurrency: 2 });
    const calls = Array.from({ length: 6 }, () => look(endpoint));
    await expect.poll(() => held.length).toBe(2);
    const urgent = endpoint.connect(() => undefined, { lane: "revocation" }).findGroups('displayName eq "x"');
    await expect.poll(() => held.length).toBe(3);
    held[2]?.();
    await urgent;
    expect(held).toHaveLength(3);
    for (let index = 0; index < 7; index += 1) {
      await expect.poll(() => held.length).toBeGreaterThan(index);
      held[index]?.();
    }
    await Promise.all(calls);
  });
});
