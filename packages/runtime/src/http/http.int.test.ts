import { connect } from "node:net";
import { InvalidInputError, NotFoundError, UnavailableError } from "@branchward/core";
import Router from "@koa/router";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { createLogger } from "../logging.ts";
import { createAuthenticator } from "./auth.ts";
import { createKoaApp } from "./koa-app.ts";
import { listen, type Listener } from "./listen.ts";
import { answer, defineRoute, mountRoutes, type Route } from "./routes.ts";

const ok = { 200: { description: "ok", body: z.unknown() } };

function fail(path: string, error: () => unknown): Route {
  return defineRoute({
    method: "get",
    path,
    summary: "fails",
    scope: null,
    responses: ok,
    handle() {
      throw error();
    },
  });
}

const routes: readonly Route[] = [
  defineRoute({
    method: "post",
    path: "/echo/:id",
    summary: "answers what it got",
    scope: "read",
    params: z.object({ id: z.coerce.number().int() }),
    query: z.object({ limit: z.coerce.number().int().max(10).default(5) }),
    body: z.strictObject({ name: z.string() }),
    responses: ok,
    handle: async ({ params, query, body }) => answer(200, { params, query, body }),
  }),
  fail("/missing", () => new NotFoundError("no such thing")),
  fail("/away", () => new UnavailableError("later")),
  fail("/database", () => Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" })),
  fail("/locked", () => Object.assign(new Error("canceling statement due to statement timeout"), { code: "57014" })),
  fail("/silent", () => new Error("Query read timeout")),
  fail("/bug", () => new Error("secret detail")),
  fail("/hidden", () => new InvalidInputError("secret detail", { expose: false })),
];

describe("a listener with routes", () => {
  const context: { listener: Listener } = {} as never;
  beforeAll(async () => {
    const koa = createKoaApp(createLogger({ level: "silent" }));
    const router = new Router();
    const admin = { client: "admin", scope: "admin", tokenId: null, internal: false } as const;
    const authenticator = createAuthenticator({
      staticTokens: [
        { secret: "admin", principal: admin },
        { secret: "status", principal: { ...admin, scope: "status" } },
      ],
      findToken: async () => undefined,
      findSession: async (secret) =>
        secret === "signed-in"
          ? { client: "alice", scope: "read", tokenId: "t1", tokenHash: Buffer.alloc(0), expiresAt: new Date() }
          : undefined,
      onUse: () => undefined,
      now: Date.now,
    });
    mountRoutes(router, routes, authenticator);
    koa.use(router.routes());
    koa.use(router.allowedMethods());
    context.listener = await listen(koa.callback(), "127.0.0.1", 0);
  });
  afterAll(() => context.listener[Symbol.asyncDispose]());

  function call(path: string, init: RequestInit = {}, token = "admin"): Promise<Response> {
    return fetch(`${context.listener.url}${path}`, { ...init, headers: { authorization: `Bearer ${token}` } });
  }
  const echo = (path: string, body: string, token?: string) => call(path, { method: "POST", body }, token);

  it("parses parameters, query and body before the handler sees them", async () => {
    const response = await echo("/echo/7?limit=3", '{"name":"x"}');
    expect(await response.json()).toEqual({ params: { id: 7 }, query: { limit: 3 }, body: { name: "x" } });
  });

  it("answers every fault of the input as a problem with its place", async () => {
    const response = await echo("/echo/7?limit=30", '{"name":"x"}');
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    expect(await response.json()).toMatchObject({
      code: "invalid_input",
      status: 400,
      errors: [{ part: "query", path: "limit" }],
    });
    expect((await echo("/echo/x", '{"name":"x"}')).status).toBe(400);
    expect((await echo("/echo/7", '{"name":"x","more":1}')).status).toBe(400);
  });

  it.each([
    ["not JSON", "{", "malformed_json"],
    ["a key that pollutes", '{"__proto__":{"x":1},"name":"x"}', "malformed_json"],
  ])("refuses a body that is %s", async (_, body, code) => {
    const response = await echo("/echo/7", body);
    expect([response.status, await response.json()]).toEqual([400, expect.objectContaining({ code })]);
  });

  it("refuses a body over a megabyte", async () => {
    expect((await echo("/echo/7", `{"name":"${"x".repeat(1024 * 1024)}"}`)).status).toBe(413);
  });

  it("asks for a token before it reads anything, and for one of the scope", async () => {
    expect((await echo("/echo/x", "{", "nobody")).status).toBe(401);
    expect((await echo("/echo/x", "{", "status")).status).toBe(403);
    const anonymous = await fetch(`${context.listener.url}/echo/7`, { method: "POST" });
    expect([anonymous.status, anonymous.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="branchward"']);
  });

  it.each([
    ["/missing", 404, "not_found"],
    ["/away", 503, "unavailable"],
    ["/database", 503, "unavailable"],
    ["/locked", 503, "unavailable"],
    ["/silent", 503, "unavailable"],
    ["/bug", 500, "internal"],
    ["/hidden", 500, "internal"],
    ["/nowhere", 404, "not_found"],
  ])("answers %s with %i and the code %s", async (path, status, code) => {
    const response = await call(path);
    const text = await response.text();
    expect(response.status).toBe(status);
    expect(JSON.parse(text)).toMatchObject({ status, code, type: `urn:branchward:problem:${code}` });
    expect(text).not.toContain("secret detail");
    expect(response.headers.get("retry-after")).toBe(status === 503 ? "2" : null);
  });

  it.each([
    ["its own page", "same-origin", 200],
    ["another site", "cross-site", 403],
    ["a page of the same site", "same-site", 403],
    ["a client that does not say", undefined, 403],
  ])("takes the cookie for a change from %s: %s %i", async (_, site, status) => {
    const headers = {
      cookie: "a=b; branchward_session=signed-in",
      ...(site === undefined ? {} : { "sec-fetch-site": site }),
    };
    const url = `${context.listener.url}/echo/7`;
    const response = await fetch(url, { method: "POST", body: '{"name":"x"}', headers });
    const { code = "none" } = (await response.json()) as { code?: string };
    expect([response.status, code]).toEqual([status, status === 403 ? "cross_site" : "none"]);
  });

  it("prefers a bearer token to the cookie, and refuses a session that is over", async () => {
    const post = (headers: Record<string, string>) =>
      fetch(`${context.listener.url}/echo/7`, { method: "POST", body: '{"name":"x"}', headers });
    const site = { "sec-fetch-site": "same-origin" };
    expect((await post({ cookie: "branchward_session=over", authorization: "Bearer admin" })).status).toBe(200);
    expect((await post({ cookie: "branchward_session=over", ...site })).status).toBe(401);
    expect(
      (await post({ cookie: "branchward_session=signed-in", authorization: "Bearer nobody", ...site })).status,
    ).toBe(401);
  });

  it("takes no NUL, which no text of the record may hold", async () => {
    const response = await echo("/echo/7", '{"name":"x\\u0000"}');
    expect([response.status, await response.json()]).toEqual([400, expect.objectContaining({ code: "invalid_input" })]);
  });

  it("names the methods that an address takes", async () => {
    const response = await call("/echo/7", { method: "DELETE" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
    expect(await response.json()).toMatchObject({ code: "method_not_allowed", status: 405 });
  });

  /** What comes back for these bytes until the connection ends. */
  async function exchange(...parts: readonly string[]): Promise<string> {
    const socket = connect(context.listener.port, "127.0.0.1");
    let text = "";
    socket.setEncoding("utf8").on("data", (part: string) => (text += part));
    // Cut off while it sends.
    socket.on("error", () => undefined);
    const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const [first = "", more] = parts;
    socket.write(first);
    const timer = more === undefined ? undefined : setInterval(() => socket.write(more), 5);
    await ended;
    clearInterval(timer);
    return text;
  }

  it.each([
    ["another protocol", "EHLO mail.example\r\n\r\n", 400, "malformed_request"],
    [
      "headers without an end",
      `GET / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
      431,
      "headers_too_large",
    ],
  ])("answers %s with a problem, too", async (_, bytes, status, code) => {
    const [head = "", body = ""] = (await exchange(bytes)).split("\r\n\r\n");
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `, "u"));
    expect(JSON.parse(body)).toMatchObject({ status, code });
  });

  it("lets go of who goes on sending after the answer", async () => {
    const head = "POST /echo/7 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    expect(await exchange(head, `400\r\n${" ".repeat(1024)}\r\n`)).toMatch(/^HTTP\/1.1 401 /u);
  });

  it("mounts no route that does not say which scope it needs", () => {
    const [route] = routes;
    if (route === undefined) throw new Error("no route");
    const mute = { ...route, scope: undefined as unknown as null };
    expect(() => mountRoutes(new Router(), [mute], {} as never)).toThrow("declares no scope");
  });

  it("sends its security headers with every answer", async () => {
    const { headers } = await call("/missing");
    expect(headers.get("content-security-policy")).toContain("default-src 'self'");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  });

  it("says which address is taken", async () => {
    const taken = listen((_, response) => response.end(), "127.0.0.1", context.listener.port);
    await expect(taken).rejects.toThrow("is in use");
  });
});
