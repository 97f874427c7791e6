import { describe, expect, it } from "vitest";
import { createGithubHost } from "./host.ts";

const web = { nativeId: "186853002", name: "acme/web", vcs: "git" as const };
const a = "a".repeat(40);

interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** GitHub's answers by path, as documented; 404 for every other. */
function read(names: readonly string[], replies: Readonly<Record<string, Reply>>, expired: readonly string[] = []) {
  const asked: string[] = [];
  const host = createGithubHost({
    url: "https://github.example/api/v3",
    token: async () => "secret",
    nextToken: async (tried) => ["secret", "new"].find((token) => !tried.includes(token)),
    now: () => Date.parse("2026-01-01T00:00:00Z"),
    async fetch(input, init) {
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      const authorization = new Headers(init?.headers).get("authorization") ?? "";
      asked.push(`${authorization} ${pathname}`);
      if (expired.includes(authorization.slice("Bearer ".length))) return new Response("{}", { status: 401 });
      const {
        status = 200,
        headers = {},
        body,
      } = replies[pathname.slice("/api/v3".length)] ?? {
        status: 404,
        body: { message: "Not Found" },
      };
      const text = JSON.stringify(body ?? { message: "said" });
      return new Response(text, { status, headers: { "content-type": "application/json; charset=utf-8", ...headers } });
    },
  });
  return { asked, reading: host.readBranches(web, names, AbortSignal.timeout(5_000)) };
}

const repository: Reply = { body: { id: 186853002, full_name: "acme/web", default_branch: "main" } };
const ref = (name: string, sha: unknown = a): Reply => ({
  body: { ref: `refs/heads/${name}`, object: { type: "commit", sha } },
});
const known = { "/repos/acme/web": repository, "/repos/acme/web/git/ref/heads%2Fmain": ref("main") };

describe("GitHub, asked for branches", () => {
  it("shows the heads of those that are there, and that others are gone", async () => {
    const replies = { ...known, "/repos/acme/web/git/ref/heads%2Fdev%2Fx": ref("dev/x") };
    const { asked, reading } = read(["dev/x", "dev/y"], replies);
    expect(await reading).toEqual({
      state: "read",
      sightings: [
        { refType: "branch", name: "dev/x", head: a },
        { refType: "branch", name: "dev/y", head: null },
      ],
    });
    expect(asked.every((call) => call.startsWith("Bearer secret "))).toBe(true);
  });

  it("is asked with the next token where one is not taken", async () => {
    const { asked, reading } = read(["main"], known, ["secret"]);
    expect(await reading).toMatchObject({ state: "read", sightings: [{ head: a }] });
    expect(asked).toContain("Bearer new /api/v3/repos/acme/web/git/ref/heads%2Fmain");
  });

  it("is no evidence where it takes none of the tokens, each of which is tried once", async () => {
    const { asked, reading } = read(["main"], known, ["secret", "new"]);
    expect(await reading).toMatchObject({ state: "unavailable", reason: expect.stringContaining("401") });
    expect(asked).toEqual(["Bearer secret /api/v3/repos/acme/web", "Bearer new /api/v3/repos/acme/web"]);
  });

  it.each<[string, Readonly<Record<string, Reply>>, string]>([
    ["the repository is not there", {}, "404"],
    [
      "it is another repository",
      { ...known, "/repos/acme/web": { body: { id: 7, default_branch: "main" } } },
      "another",
    ],
    ["it has moved", { ...known, "/repos/acme/web": { status: 301 } }, "301"],
    ["not even the default branch is shown", { "/repos/acme/web": repository }, "Contents: read"],
    ["the token is not taken", { "/repos/acme/web": { status: 401 } }, "401"],
    ["the repository is empty", { ...known, "/repos/acme/web/git/ref/heads%2Fx": { status: 409 } }, "empty"],
    [
      "many are told for one",
      { ...known, "/repos/acme/web/git/ref/heads%2Fx": { body: [ref("xy").body] } },
      "one branch",
    ],
    ["another is told", { ...known, "/repos/acme/web/git/ref/heads%2Fx": ref("xy") }, "one branch"],
    ["its revision is none", { ...known, "/repos/acme/web/git/ref/heads%2Fx": ref("x", "HEAD") }, "no revision"],
    ["the server is broken", { ...known, "/repos/acme/web/git/ref/heads%2Fx": { status: 500 } }, "500"],
  ])("is no evidence where %s", async (_, replies, reason) => {
    expect(await read(["x"], replies).reading).toMatchObject({
      state: "unavailable",
      reason: expect.stringContaining(reason),
      retryAfterMs: null,
    });
  });

  it.each<[string, Reply, number]>([
    ["Retry-After", { status: 403, headers: { "retry-after": "90" } }, 90_000],
    ["Retry-After of a server that is away", { status: 503, headers: { "retry-after": "5" } }, 5_000],
    [
      "the time at which its limit begins anew",
      { status: 403, headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1767226200" } },
      600_000,
    ],
    [
      "nothing, of a secondary limit",
      { status: 403, body: { message: "You have exceeded a secondary rate limit" } },
      60_000,
    ],
    ["a time that no limit lasts", { status: 429, headers: { "retry-after": "999999" } }, 3_600_000],
  ])("wants no call for as long as it says by %s", async (_, reply, retryAfterMs) => {
    expect(await read(["x"], { "/repos/acme/web": reply }).reading).toMatchObject({
      state: "unavailable",
      retryAfterMs,
    });
  });

  it("is no evidence where it does not answer", async () => {
    const host = createGithubHost({
      url: "https://github.example",
      token: async () => "secret",
      nextToken: async () => undefined,
      now: () => 0,
      fetch: () => Promise.reject(new TypeError("fetch failed")),
    });
    expect(await host.readBranches(web, ["x"], AbortSignal.timeout(5_000))).toMatchObject({ state: "unavailable" });
  });
});
