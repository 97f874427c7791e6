/**
 * SCIM calls per second, ours and a third party's on the same machine in one run, and ours again with fifty and fifty
 * thousand users. `pages` are of a hundred users where there are so many; to compare fifty with fifty thousand there are
 * pages of fifty.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { randomInt } from "node:crypto";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Pool } from "undici";
import type { Target } from "./figures.ts";

const IN_FLIGHT = 8;
const MEASURED_MS = 2_000;
const BULK = 500;

const userUrn = "urn:ietf:params:scim:schemas:core:2.0:User";
const groupUrn = "urn:ietf:params:scim:schemas:core:2.0:Group";
const patchUrn = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const bulkUrn = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

/** Calls per second, by what is called. */
type Rates = Readonly<Record<string, number>>;
type Report = (name: string, figures: Rates, unit: string) => void;

interface Side extends AsyncDisposable {
  call(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly text: string }>;
  /** Of the users made so far, in order. */
  readonly users: string[];
  groupId: string;
}

/** Reports what `sides` do with as many users, and ours with few and many. */
export async function benchScim(target: Target, report: Report): Promise<void> {
  await using ours = connect(`${target.url}/scim/v2`, target.token);
  {
    await fill(ours, 50);
    report("SCIM, 50 users, a group of 50, 8 in flight", await measureAll(ours), "calls/s");
    await fill(ours, 10_000);
    await makeGroup(ours, 5_000);
    report("SCIM, 10,000 users, a group of 5,000, 8 in flight", await measureAll(ours), "calls/s");
  }
  await fill(ours, 50_000);
  await makeGroup(ours, 50_000);
  report("SCIM, 50,000 users, a group of 50,000, 8 in flight", await measureAll(ours), "calls/s");
  try {
    await benchPeer(report);
  } catch (error) {
    console.log(`  scimmy-routers gave up: ${String(error)}`);
  }
}

async function benchPeer(report: Report): Promise<void> {
  await using peer = await startPeer();
  await fill(peer, 10_000, 100);
  await makeGroup(peer, 5_000);
  report("SCIM, 10,000 users, scimmy-routers in memory", await measureAll(peer), "calls/s");
}

function connect(url: string, token: string): Side {
  const { origin, pathname } = new URL(url);
  const pool = new Pool(origin, { connections: IN_FLIGHT, headersTimeout: 0, bodyTimeout: 0 });
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/scim+json" };
  return {
    users: [],
    groupId: "",
    async call(method, path, body) {
      const init = {
        method,
        path: `${pathname}${path}`,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
      };
      const response = await pool.request(init);
      const text = await response.body.text();
      if (response.statusCode >= 300)
        throw new Error(`${method} ${path}: ${response.statusCode} ${text.slice(0, 200)}`);
      return { status: response.statusCode, text };
    },
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}

async function startPeer(): Promise<Side> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve("./scim-peer.ts"))], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [url] = await once(createInterface(child.stdout), "line");
  const side = connect(String(url), "peer");
  return Object.assign(side, {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  });
}

const toUser = (index: number): object => ({
  schemas: [userUrn],
  userName: `user-${index}@acme.example`,
  name: { givenName: "Ann", familyName: `Lee ${index}` },
  displayName: `Ann Lee ${index}`,
  emails: [{ value: `user-${index}@acme.example`, type: "work", primary: true }],
  active: true,
});

/** Users up to a number, many at a time where there is bulk for it; `users` holds their ids. */
async function fill(side: Side, number: number, perRequest = BULK): Promise<void> {
  while (side.users.length < number) {
    const first = side.users.length;
    const last = Math.min(number, first + perRequest);
    const Operations = Array.from({ length: last - first }, (_, index) => ({
      method: "POST",
      path: "/Users",
      bulkId: String(index),
      data: toUser(first + index),
    }));
    const { text } = await side.call("POST", "/Bulk", { schemas: [bulkUrn], Operations });
    side.users.push(...[...text.matchAll(/"location":"[^"]*\/Users\/([^"]+)"/gu)].map(([, id]) => id ?? ""));
  }
  if (side.groupId === "") await makeGroup(side, number);
}

async function makeGroup(side: Side, members: number): Promise<void> {
  const displayName = `group-${members}-${randomInt(2 ** 40)}`;
  const made = await side.call("POST", "/Groups", { schemas: [groupUrn], displayName });
  side.groupId = /"id":"([^"]+)"/u.exec(made.text)?.[1] ?? "";
  const values = side.users.slice(0, members).map((value) => ({ value }));
  await side.call("PUT", `/Groups/${side.groupId}`, { schemas: [groupUrn], displayName, members: values });
}

async function measureAll(side: Side): Promise<Rates> {
  const size = side.users.length;
  const anyUser = (): number => randomInt(size);
  const patch = (path: string, operation: object) =>
    side.call("PATCH", path, { schemas: [patchUrn], Operations: [operation] });
  const group = `/Groups/${side.groupId}`;
  // Whoever is taken out comes back with the next call, so that the group keeps its size.
  const flip = (index: number) => {
    const id = side.users[(index >> 1) % Math.min(size, 50)] ?? "";
    return index % 2 === 0
      ? patch(group, { op: "remove", path: `members[value eq "${id}"]` })
      : patch(group, { op: "add", path: "members", value: [{ value: id }] });
  };
  const pages = Math.max(1, Math.floor(size / 100));
  const creations = { next: randomInt(2 ** 40) };
  return {
    creates: await measure(() => side.call("POST", "/Users", toUser((creations.next += 1)))),
    lookups: await measure(() => {
      const filter = encodeURIComponent(`userName eq "user-${anyUser()}@acme.example"`);
      return side.call("GET", `/Users?filter=${filter}`);
    }),
    pages: await measure(() => side.call("GET", `/Users?startIndex=${randomInt(pages) * 100 + 1}&count=100`)),
    "pages of 50": await measure(() => {
      const startIndex = randomInt(Math.max(1, size - 50)) + 1;
      return side.call("GET", `/Users?startIndex=${startIndex}&count=50`);
    }),
    patches: await measure((index) =>
      patch(`/Users/${side.users[anyUser()] ?? ""}`, { op: "replace", path: "title", value: `t${index}` }),
    ),
    members: await measure(flip),
    "members in turn": await measure(flip, 1),
    "group reads": await measure(() => side.call("GET", `${group}?excludedAttributes=members`)),
  };
}

/** Calls per second over a fixed time, after some calls to warm up. */
async function measure(call: (index: number) => Promise<unknown>, inFlight = IN_FLIGHT): Promise<number> {
  const state = { next: 0 };
  const runFor = async (durationMs: number): Promise<number> => {
    const first = state.next;
    const startedAt = performance.now();
    const until = startedAt + durationMs;
    const work = async (): Promise<void> => {
      while (performance.now() < until) await call(state.next++);
    };
    await Promise.all(Array.from({ length: inFlight }, work));
    return ((state.next - first) * 1000) / (performance.now() - startedAt);
  };
  await runFor(MEASURED_MS / 4);
  return runFor(MEASURED_MS);
}
