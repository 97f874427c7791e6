import { randomInt, randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePort } from "@branchward/runtime/postgres";
import { openTestDatabase } from "@branchward/store/testing";
import { describe, expect, it, vi } from "vitest";
import { createTestApi, type TestApi } from "../support/api.ts";
import { createPost, GITHUB_SECRET, makeRevision, type Post, signGithub, toDeliveryId } from "../support/deliveries.ts";
import { openRedisDatabase } from "../support/redis-database.ts";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";

const KILLS = 5;
const ADMIN_TOKEN = "admin-token-of-the-tests";

const CONFIGURATION = `
sources:
  - { name: github, type: github, secret: { env: GITHUB_SECRET } }
policy:
  - repositories: ["**"]
    branches: ["**"]
    grants:
      - { entitlement: push, to: ["user:nobody"] }
      - { entitlement: read, to: ["group:nobody"] }
# So that a question waits for the verdict: the lease of a killed run alone lasts 30 s, and there are several kills.
ci: { deadline: 1h }
`;

/** A process that is killed and started again at one address. */
interface Mortal extends AsyncDisposable {
  readonly api: TestApi;
  readonly post: Post;
  killAndRestart(): Promise<void>;
}

async function openMortal(env: Readonly<Record<string, string>>): Promise<Mortal> {
  await using stack = new AsyncDisposableStack();
  const cwd = await mkdtemp(join(tmpdir(), "branchward-kill-"));
  stack.defer(() => rm(cwd, { recursive: true, force: true, maxRetries: 5 }));
  await writeFile(join(cwd, "branchward.yaml"), CONFIGURATION);
  const port = await findFreePort();
  const own = {
    BRANCHWARD_PORT: String(port),
    BRANCHWARD_DATA_DIR: join(cwd, "data"),
    BRANCHWARD_ADMIN_TOKEN: ADMIN_TOKEN,
    GITHUB_SECRET,
  };
  const start = (): Promise<ServerProcess> => startServerProcess({ cwd, env: { ...own, ...env } });
  const state = { server: await start() };
  stack.defer(() => state.server[Symbol.asyncDispose]());
  const held = stack.move();
  const url = (): string => `http://127.0.0.1:${port}`;
  return {
    api: createTestApi(url, ADMIN_TOKEN),
    post: createPost(url),
    async killAndRestart() {
      await state.server.kill();
      state.server = await start();
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

interface Stream {
  /** Delivery id → branch, of all that were answered 202. */
  readonly taken: ReadonlyMap<string, string>;
  stop(): Promise<void>;
}

const REPOSITORY = { id: 4711, full_name: "acme/mortal" };
const SENDERS = 3;

/** Keeps sending pushes of new branches as a host does that sends again what was not taken. */
function openStream(post: Post): Stream {
  const taken = new Map<string, string>();
  const state = { isOpen: true, next: 0 };
  async function send(): Promise<void> {
    while (state.isOpen) {
      const branch = `dev/b${state.next++}`;
      const payload = { before: "0".repeat(40), after: makeRevision(), repository: REPOSITORY };
      const body = JSON.stringify({ ref: `refs/heads/${branch}`, ...payload });
      const headers = signGithub({ event: "push", body, id: randomUUID() });
      const answer = await sendUntilTaken(() => post("github", headers, body));
      taken.set(answer, branch);
    }
  }
  const senders = Promise.all(Array.from({ length: SENDERS }, send));
  return {
    taken,
    async stop() {
      state.isOpen = false;
      await senders;
    },
  };
}

async function sendUntilTaken(send: () => ReturnType<Post>): Promise<string> {
  return vi.waitFor(async () => toDeliveryId(await send()), { timeout: 40_000, interval: 50 });
}

/** Waits until so many more deliveries were taken. */
async function waitForMore({ taken }: Stream, count: number): Promise<void> {
  const wanted = taken.size + count;
  await vi.waitFor(() => expect(taken.size).toBeGreaterThanOrEqual(wanted), { timeout: 40_000, interval: 5 });
}

/** Of the deliveries answered 202, those that the record does not have, and those whose branch is not what policy says. */
async function listLosses(api: TestApi, { taken }: Stream) {
  const recorded = new Set((await api.listDeliveries()).map((delivery) => delivery.id));
  const unverified: string[] = [];
  for (const branch of taken.values()) {
    const { status } = await api.status({ repository: REPOSITORY.full_name, branch, wait: "90s" });
    const verdicts = status.endpoints.map(({ verdict }) => verdict).join();
    if (verdicts !== "verified") unverified.push(`${branch}: ${status.state} ${verdicts}`);
  }
  return { unrecorded: [...taken.keys()].filter((id) => !recorded.has(id)), unverified };
}

const NO_LOSSES = { unrecorded: [], unverified: [] };

async function killRepeatedly(mortal: Mortal): Promise<Stream> {
  const stream = openStream(mortal.post);
  for (let kill = 0; kill < KILLS; kill += 1) {
    await waitForMore(stream, randomInt(1, 40));
    await mortal.killAndRestart();
  }
  await waitForMore(stream, 5);
  await stream.stop();
  return stream;
}

describe.concurrent("kill -9 at any point", () => {
  it("of a system on its embedded PostgreSQL loses nothing that was answered 202", async () => {
    await using mortal = await openMortal({});
    const stream = await killRepeatedly(mortal);
    expect(await listLosses(mortal.api, stream)).toEqual(NO_LOSSES);
  }, 180_000);

  it("of a system on PostgreSQL and Redis loses nothing that was answered 202", async () => {
    await using database = await openTestDatabase();
    await using redis = await openRedisDatabase();
    await using mortal = await openMortal({ DATABASE_URL: database.url, REDIS_URL: redis.url });
    const stream = await killRepeatedly(mortal);
    expect(await listLosses(mortal.api, stream)).toEqual(NO_LOSSES);
  }, 180_000);

  it("of nothing but Redis, which is wiped while deliveries come, loses nothing", async () => {
    await using database = await openTestDatabase();
    await using redis = await openRedisDatabase();
    await using mortal = await openMortal({ DATABASE_URL: database.url, REDIS_URL: redis.url });
    const stream = openStream(mortal.post);
    for (let wipe = 0; wipe < KILLS; wipe += 1) {
      await waitForMore(stream, randomInt(1, 40));
      await redis.flush();
    }
    await waitForMore(stream, 5);
    await stream.stop();
    expect(await listLosses(mortal.api, stream)).toEqual(NO_LOSSES);
  }, 180_000);
});
