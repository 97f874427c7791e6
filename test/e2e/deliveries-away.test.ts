import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { holdItem } from "@branchward/core/api";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  createGithubRepository,
  type GithubRepository,
  makeRevision,
  signGithub,
  toDeliveryId,
} from "../support/deliveries.ts";
import { startRedis } from "../support/redis.ts";
import { sendCommand } from "../support/redis-database.ts";
import { startTestSystem, type TestSystem } from "../support/system.ts";
import { openTcpGate, type TcpGate } from "../support/tcp-gate.ts";

/** The same address with the gate's port. */
function through({ port }: TcpGate): (direct: string) => string {
  return (direct) => Object.assign(new URL(direct), { port: String(port) }).href;
}

function openGateTo(url: string | undefined): Promise<TcpGate> {
  const { hostname, port } = new URL(url ?? "");
  return openTcpGate({ host: hostname, port: Number(port) });
}

const inSync = async (system: TestSystem, { name }: GithubRepository, branch: string): Promise<string> =>
  (await system.api.status({ repository: name, branch, wait: "60s" })).status.state;

describe("while PostgreSQL is away", () => {
  let system: TestSystem;
  let gate: TcpGate;

  beforeAll(async () => {
    gate = await openGateTo(process.env["BRANCHWARD_TEST_DATABASE_URL"]);
    system = await startTestSystem({ toDatabaseUrl: through(gate) });
  });
  afterAll(async () => {
    await system[Symbol.asyncDispose]();
    await gate[Symbol.asyncDispose]();
  });

  it("a delivery is answered 503 with Retry-After, is not recorded, and is taken when it comes again afterwards", async () => {
    const body = JSON.stringify({ zen: randomUUID() });
    const headers = signGithub({ event: "ping", body });
    await gate.shut();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const refused = await system.post("github", headers, body);
      expect(refused.status).toBe(503);
      expect(refused.headers.get("retry-after")).toMatch(/^\d+$/);
      expect(refused.headers.get("content-type")).toContain("application/problem+json");
    }
    const { rows } = await system.database.pool.query("select 1 from deliveries");
    expect(rows).toEqual([]);
    await gate.open();
    expect((await system.post("github", headers, body)).body).toMatchObject({ duplicate: false });
  });

  it("a delivery with a wrong signature is still answered 401", async () => {
    await gate.shut();
    const body = "{}";
    const answer = await system.post("github", signGithub({ event: "ping", body, secret: "another" }), body);
    await gate.open();
    expect(answer.status).toBe(401);
  });

  it("the system is alive and not ready, and works on as soon as it is back", async () => {
    const github = createGithubRepository(system.post, "acme/back");
    await github.push({ branch: "main", after: makeRevision() });
    await gate.shut();
    expect((await system.api.request("/livez", { token: null })).status).toBe(200);
    expect((await system.api.request("/readyz", { token: null })).status).toBe(503);
    await gate.open();
    await expect.poll(async () => (await system.api.request("/readyz")).status, { timeout: 20_000 }).toBe(200);
    expect(await inSync(system, github, "main")).toBe("in_sync");
    await github.push({ branch: "dev/after", after: makeRevision() });
    expect(await inSync(system, github, "dev/after")).toBe("in_sync");
  });

  it("for moments only, every delivery answered 202 is recorded and processed, and the others are answered 503", async () => {
    const github = createGithubRepository(system.post, "acme/flicker");
    const work = { isDone: false };
    const cutting = (async () => {
      while (!work.isDone) {
        await system.database.pool.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and application_name = 'branchward'",
        );
      }
    })();
    const refused: number[] = [];
    const taken = new Map<string, string>();
    for (let index = 0; index < 60; index += 1) {
      const branch = `dev/b${index}`;
      const body = JSON.stringify({
        ref: `refs/heads/${branch}`,
        before: "0".repeat(40),
        after: makeRevision(),
        repository: { id: github.nativeId, full_name: github.name },
      });
      const answer = await system.post("github", signGithub({ event: "push", body }), body);
      if (answer.status === 202) taken.set(toDeliveryId(answer), branch);
      else refused.push(answer.status);
    }
    work.isDone = true;
    await cutting;
    await expect.poll(async () => (await system.api.request("/readyz")).status, { timeout: 20_000 }).toBe(200);
    expect(refused.filter((status) => status !== 503)).toEqual([]);
    const recorded = new Set((await system.api.listDeliveries()).map((delivery) => delivery.id));
    expect([...taken.keys()].filter((id) => !recorded.has(id))).toEqual([]);
    // A run whose connection was cut may leave its lease behind, which lasts 30 s.
    for (const branch of taken.values()) expect(await inSync(system, github, branch)).toBe("in_sync");
  }, 90_000);
});

describe("while Redis is full", () => {
  let stack: AsyncDisposableStack;
  beforeEach(() => (stack = new AsyncDisposableStack()));
  afterEach(() => stack.disposeAsync());

  it("the system says that it is not ready, takes deliveries, and processes them once there is room", async () => {
    const directory = await mkdtemp(join(tmpdir(), "branchward-full-"));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    const redis = stack.use(await startRedis(directory));
    const system = stack.use(await startTestSystem({ backend: "redis", toRedisUrl: () => redis.url }));
    const github = createGithubRepository(system.post, "acme/full");
    await sendCommand(redis.url, "CONFIG SET maxmemory 1");
    const { status, body } = await system.api.request("/readyz");
    expect(status).toBe(503);
    expect(body).toMatchObject({ checks: { database: { ok: true }, queue: { ok: false } } });
    await github.push({ branch: "main", after: makeRevision() });
    await sendCommand(redis.url, "CONFIG SET maxmemory 0");
    expect((await system.api.request("/readyz")).status).toBe(200);
    expect(await inSync(system, github, "main")).toBe("in_sync");
  });
});

describe("while Redis is away", () => {
  let system: TestSystem;
  let gate: TcpGate;

  beforeAll(async () => {
    gate = await openGateTo(process.env["BRANCHWARD_TEST_REDIS_URL"]);
    system = await startTestSystem({ backend: "redis", toRedisUrl: through(gate) });
  });
  afterAll(async () => {
    await system[Symbol.asyncDispose]();
    await gate[Symbol.asyncDispose]();
  });

  it("deliveries are taken, and processed once it is back", async () => {
    const github = createGithubRepository(system.post, "acme/queueless");
    await gate.shut();
    const branches = Array.from({ length: 10 }, (_, index) => `dev/b${index}`);
    for (const branch of branches) await github.push({ branch, after: makeRevision() });
    const { status } = await system.api.status({ repository: github.name, branch: "dev/b0" });
    expect(status.state).toBe("pending");
    await gate.open();
    for (const branch of branches) expect(await inSync(system, github, branch)).toBe("in_sync");
  });

  it("what is asked of the api is done, told as done, and takes effect once it is back; a probe alone is refused", async () => {
    const github = createGithubRepository(system.post, "acme/asked");
    await github.push({ branch: "main", after: makeRevision() });
    expect(await inSync(system, github, "main")).toBe("in_sync");
    const of = { repository: github.name, branch: "main" };
    await gate.shut();
    const made = await system.api.request("/v1/holds", {
      method: "POST",
      body: { ...of, for: "1h", reason: "a migration" },
    });
    expect(made.status).toBe(201);
    const { id } = holdItem.parse(made.body);
    expect((await system.api.request(`/v1/holds/${id}/end`, { method: "POST" })).status).toBe(200);
    expect((await system.api.request("/v1/syncs", { method: "POST", body: of })).status).toBe(202);
    const probe = await system.api.request("/v1/endpoints/directory/probe", { method: "POST" });
    expect([probe.status, probe.body]).toEqual([503, expect.objectContaining({ code: "queue_unavailable" })]);
    const branch = await system.branches.find(of);
    const reasons = async () => (await system.api.listSyncs(branch.id)).map(({ reason }) => reason);
    expect(await reasons()).not.toContain("recheck");
    await gate.open();
    await expect.poll(reasons, { timeout: 20_000 }).toContain("recheck");
  });

  it("and says nothing, deliveries are taken all the same, and processed once it speaks to whoever connects anew", async () => {
    const github = createGithubRepository(system.post, "acme/silent");
    gate.fallSilent();
    const branches = Array.from({ length: 10 }, (_, index) => `dev/b${index}`);
    for (const branch of branches) await github.push({ branch, after: makeRevision() });
    const { status, body } = await system.api.request("/readyz");
    expect(status).toBe(503);
    expect(body).toMatchObject({ checks: { database: { ok: true }, queue: { ok: false } } });
    await gate.open();
    for (const branch of branches) expect(await inSync(system, github, branch)).toBe("in_sync");
    await expect.poll(async () => (await system.api.request("/readyz")).status, { timeout: 20_000 }).toBe(200);
  }, 90_000);

  it("and has lost everything when it comes back, nothing is lost", async () => {
    const github = createGithubRepository(system.post, "acme/wiped");
    await gate.shut();
    const branches = Array.from({ length: 10 }, (_, index) => `dev/b${index}`);
    for (const branch of branches) await github.push({ branch, after: makeRevision() });
    await system.redis?.flush();
    await gate.open();
    for (const branch of branches) expect(await inSync(system, github, branch)).toBe("in_sync");
  });
});
