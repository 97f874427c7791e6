import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { liveEvent, session as sessionContract } from "@branchward/core/api";
import { listStatuses } from "@branchward/runtime";
import { insertToken, revokeToken } from "@branchward/store";
import { insertScope, insertTestDelivery, insertTestSync } from "@branchward/store/testing";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createRoutes } from "./app.ts";
import { createClientTraffic } from "./scim/client-traffic.ts";
import { ADMIN_TOKEN, openTestApi, type TestApi } from "./testing.ts";

const SAME_ORIGIN = { "sec-fetch-site": "same-origin" };

describe("the api", () => {
  const context: { api: TestApi } = {} as never;
  beforeAll(async () => {
    context.api = await openTestApi();
  });
  afterAll(() => context.api[Symbol.asyncDispose]());

  const get = (path: string, headers?: Record<string, string>) =>
    context.api.call(path, headers === undefined ? {} : { headers });
  const json = async (path: string) => (await get(path)).json() as Promise<Record<string, unknown>>;

  async function signIn(token = ADMIN_TOKEN): Promise<{ readonly cookie: string; readonly response: Response }> {
    const response = await context.api.call("/v1/session", {
      method: "POST",
      body: JSON.stringify({ token }),
      headers: SAME_ORIGIN,
    });
    return { cookie: response.headers.getSetCookie()[0]?.split(";", 1)[0] ?? "", response };
  }

  describe("sessions", () => {
    it("are opened with the admin's token, for a cookie that no script reads and no other site sends", async () => {
      const { response, cookie } = await signIn();
      expect(response.status).toBe(200);
      const [header] = response.headers.getSetCookie();
      expect(header).toMatch(/^branchward_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/u);
      const who = sessionContract.parse(await (await get("/v1/session", { cookie })).json());
      expect(who).toMatchObject({ client: "admin", scope: "admin" });
      expect((await get("/v1/syncs", { cookie })).status).toBe(200);
    });

    it("change nothing for another site, and end at once where they are signed out", async () => {
      const { cookie } = await signIn();
      const post = (headers: Record<string, string>) =>
        context.api.call("/v1/syncs", { method: "POST", body: "{}", headers: { cookie, ...headers } });
      expect((await post({ "sec-fetch-site": "cross-site" })).status).toBe(403);
      expect((await post(SAME_ORIGIN)).status).toBe(400);
      const signOut = (headers: Record<string, string>) =>
        context.api.call("/v1/session", { method: "DELETE", headers: { cookie, ...headers } });
      expect((await signOut({})).status).toBe(403);
      const out = await signOut(SAME_ORIGIN);
      expect([out.status, out.headers.getSetCookie()[0]]).toEqual([204, expect.stringContaining("Max-Age=0")]);
      expect((await get("/v1/session", { cookie })).status).toBe(401);
    });

    it("end with the token that opened them, and its event stream with them", async () => {
      const { db } = context.api.database;
      const { token, secret } = await insertToken(db, { client: "alice", scope: "read", expiresAt: null });
      const { cookie } = await signIn(secret);
      const stream = await get("/v1/events", { cookie });
      expect([stream.status, stream.headers.get("content-type")]).toEqual([
        200,
        expect.stringContaining("event-stream"),
      ]);
      await revokeToken(db, token.id);
      const text = await stream.text();
      expect(text).toContain("event: ready");
      await vi.waitFor(async () => expect((await get("/v1/syncs", { cookie })).status).toBe(401), 5_000);
    });

    it("are not for tokens of a narrow scope, nor for the worker's own", async () => {
      const { db } = context.api.database;
      const { secret } = await insertToken(db, { client: "ci", scope: "status", expiresAt: null });
      expect((await signIn(secret)).response.status).toBe(403);
      expect((await signIn("internal")).response.status).toBe(403);
    });

    it("are refused from another site, so that nobody signs others in", async () => {
      const body = JSON.stringify({ token: ADMIN_TOKEN });
      const headers = { "sec-fetch-site": "cross-site" };
      expect((await context.api.call("/v1/session", { method: "POST", body, headers })).status).toBe(403);
    });
  });

  it("tells of a sync within the stream, in the form of the contract", async () => {
    const { db } = context.api.database;
    const stream = await get("/v1/events");
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    const state = { text: "" };
    const read = async (wanted: string): Promise<void> => {
      while (!state.text.includes(wanted)) state.text += (await reader?.read())?.value ?? "";
    };
    await read("event: ready\n");
    const { scopeId } = await insertScope(db, { branch: "<script>alert(1)</script>" });
    const sync = await insertTestSync(db, scopeId);
    await read(`"id":"${sync}"`);
    await reader?.cancel();
    const events = [...state.text.matchAll(/^data: (.*)$/gmu)].map(([, data = ""]) =>
      liveEvent.parse(JSON.parse(data)),
    );
    expect(events.map(({ type }) => type)).toContain("sync");
  });

  it("shows the endpoints of the configuration", async () => {
    const { items } = (await json("/v1/endpoints")) as { items: Record<string, unknown>[] };
    expect(items.map(({ name, url, ci, concurrency }) => [name, url, ci, concurrency])).toEqual([
      ["directory", null, "required", 4],
      ["hg", "https://hg.example.com/scim/v2", "advisory", 2],
    ]);
  });

  it("shows a delivery with its secrets taken out, and none that is over a megabyte", async () => {
    const { db } = context.api.database;
    const body = { hook: { secret: "shh" }, clone_url: "https://u:p@h/x" };
    const small = await insertTestDelivery(db, { body: Buffer.from(JSON.stringify(body)) });
    const shown = (await json(`/v1/deliveries/${small}`))["body"];
    expect(JSON.parse(String(shown))).toEqual({ hook: { secret: "[redacted]" }, clone_url: "https://[redacted]@h/x" });
    const large = await insertTestDelivery(db, { body: Buffer.alloc(1024 * 1024 + 1, " ") });
    expect(await json(`/v1/deliveries/${large}`)).toMatchObject({ body: null, bodyBytes: 1024 * 1024 + 1 });
  });

  it("narrows its lists by the query, and refuses what it does not understand", async () => {
    const { db } = context.api.database;
    const { scopeId } = await insertScope(db, { branch: "dev/listed" });
    const sync = await insertTestSync(db, scopeId, { verdict: "held", reason: "listed" });
    await insertTestDelivery(db, { actor: "listed-actor" });
    const ids = async (path: string) => ((await json(path))["items"] as { id: string }[]).map(({ id }) => id);
    expect(await ids("/v1/syncs?q=DEV/LIST&verdict=held&reason=listed&since=2020-01-01T00:00:00Z")).toEqual([sync]);
    expect(await ids("/v1/syncs?q=dev/listed&until=2020-01-01T00:00:00%2B02:00")).toEqual([]);
    expect(await ids("/v1/branches?q=dev/listed&state=deleted")).toEqual([]);
    expect(await ids("/v1/branches?q=dev/listed&state=active")).toHaveLength(1);
    expect(await ids("/v1/deliveries?q=listed-act&outcome=ignored&source=github")).toHaveLength(1);
    expect(await ids("/v1/repositories?q=nothing-like-it")).toEqual([]);
    const wrong = ["since=yesterday", "verdict=fine", "q=", "limit=0"];
    const answers = await Promise.all(wrong.map((query) => get(`/v1/syncs?${query}`)));
    expect(answers.map(({ status }) => status)).toEqual(wrong.map(() => 400));
  });

  describe("/openapi.json", () => {
    const routes = () => {
      const { deps } = context.api;
      return createRoutes(deps, createClientTraffic(deps));
    };

    it("describes every route, and every status that each may answer", async () => {
      const { paths } = (await json("/openapi.json")) as {
        paths: Record<string, Record<string, { responses: object }>>;
      };
      const described = Object.entries(paths).flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, { responses }]) => [
          `${method} ${path}`,
          Object.keys(responses).map(Number),
        ]),
      );
      const declared = routes().map((route) => [
        `${route.method} ${route.path.replace(/:(\w+)/gu, "{$1}")}`,
        listStatuses(route),
      ]);
      expect(Object.fromEntries(described)).toEqual(Object.fromEntries(declared));
    });

    it("holds for what the routes answer when they are asked anything", async () => {
      const unknown = "01a20102-1321-7e36-9729-b8a02e6885ca";
      for (const route of routes()) {
        if (route.path === "/v1/events") continue;
        const path = route.path.replace(":id", unknown).replace(/:\w+/gu, "nobody");
        const bodies =
          route.body === undefined ? [undefined] : ["{", "{}", JSON.stringify({ repository: "r", branch: "b" })];
        const asked = [
          ...bodies.map((body) => ({ headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...SAME_ORIGIN }, body })),
          { headers: {}, body: undefined },
          { headers: { authorization: "Bearer nobody" }, body: undefined },
        ];
        for (const { headers, body } of asked) {
          const init = { method: route.method.toUpperCase(), headers, ...(body === undefined ? {} : { body }) };
          const { status } = await context.api.call(`${path}?q=x&repository=r&branch=b&user=u&entitlement=push`, init);
          expect(listStatuses(route), `${route.method} ${route.path} answered ${status}`).toContain(status);
          expect(status, `${route.method} ${route.path}`).not.toBe(500);
        }
      }
    });

    it("says which scope each route needs", async () => {
      const { paths } = (await json("/openapi.json")) as {
        paths: Record<string, Record<string, { security: object[] }>>;
      };
      expect(paths["/v1/syncs"]?.["post"]?.security).toEqual([{ token: ["admin"] }, { session: ["admin"] }]);
      expect(paths["/livez"]?.["get"]?.security).toEqual([]);
    });

    it("is a page without script or inline style at /docs", async () => {
      const page = await (await get("/docs", {})).text();
      expect(page).toContain("/v1/sync-status");
      expect(page).not.toMatch(/<script|<style|\sstyle=|\son\w+=/iu);
      expect((await get("/docs/style.css", {})).headers.get("content-type")).toContain("text/css");
    });
  });

  describe("/queues", () => {
    it("shows the queues to admins, under a policy of its own", async () => {
      const page = await get("/queues");
      expect([page.status, page.headers.get("content-security-policy")]).toEqual([
        200,
        expect.stringContaining("unsafe-inline"),
      ]);
      const { queues } = (await json("/queues/api/queues")) as { queues: { name: string; readOnlyMode: boolean }[] };
      expect(queues.map(({ name, readOnlyMode }) => [name, readOnlyMode])).toEqual([
        ["system", true],
        ["revocations", true],
        ["backfills", true],
        ["reconcile-directory", true],
        ["reconcile-hg", true],
      ]);
      const { cookie } = await signIn();
      expect((await get("/queues", { cookie })).status).toBe(200);
    });

    it("is closed to all others, and to every change", async () => {
      const { secret } = await insertToken(context.api.database.db, { client: "r", scope: "read", expiresAt: null });
      expect((await get("/queues", {})).status).toBe(401);
      expect((await get("/queues/api/queues", { authorization: `Bearer ${secret}` })).status).toBe(403);
      const pause = await context.api.call("/queues/api/queues/system/pause", { method: "PUT" });
      expect(pause.status).toBe(405);
    });
  });

  describe("the dashboard's files", () => {
    it("say how to build them while they are not there", async () => {
      const page = await get("/", {});
      expect([page.status, await page.text()]).toEqual([200, expect.stringContaining("npm run build")]);
      expect((await get("/syncs", {})).status).toBe(404);
    });

    it("are served with the page for every address that a person may open", async () => {
      const { dashboardDir } = context.api;
      await mkdir(join(dashboardDir, "assets"));
      await writeFile(join(dashboardDir, "index.html"), "<!doctype html>the page");
      await writeFile(join(dashboardDir, "assets", "app-abc.js"), "plain");
      await writeFile(join(dashboardDir, "assets", "app-abc.js.br"), "not really brotli");
      await writeFile(join(dashboardDir, "..", "outside.txt"), "outside");
      const page = await get("/branches/acme%2Fweb", {});
      expect([page.status, page.headers.get("cache-control"), await page.text()]).toEqual([
        200,
        "no-cache",
        "<!doctype html>the page",
      ]);
      expect(page.headers.get("content-security-policy")).toMatch(/^default-src 'self';/u);
      const etag = page.headers.get("etag") ?? "";
      // Node's fetch asks for a fresh copy unless it is told to compare.
      const again = await context.api.call("/", { headers: { "if-none-match": etag }, cache: "no-cache" });
      expect(again.status).toBe(304);
      const script = await get("/assets/app-abc.js", { "accept-encoding": "identity" });
      expect([script.headers.get("content-type"), script.headers.get("cache-control"), await script.text()]).toEqual([
        expect.stringContaining("javascript"),
        "public, max-age=31536000, immutable",
        "plain",
      ]);
      const head = await context.api.call("/assets/app-abc.js", {
        method: "HEAD",
        headers: { "accept-encoding": "br" },
      });
      expect([head.headers.get("content-encoding"), head.headers.get("content-length")]).toEqual(["br", "17"]);
    });

    it.each(["/%00", "/%E0%A4%A", `/${"x".repeat(5_000)}`])(
      "are not looked for at %s, which is a page like any",
      async (path) => {
        expect(await (await get(path, {})).text()).toBe("<!doctype html>the page");
      },
    );

    it.each(["/assets/missing.js", "/..%2foutside.txt", "/%2e%2e%2foutside.txt", "/v1/nothing", "/queues.js"])(
      "hold nothing at %s",
      async (path) => {
        const response = await get(path, {});
        expect(response.status).toBe(404);
      },
    );
  });
});
