import { randomUUID } from "node:crypto";
import { AppError } from "@branchward/core";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type BackendTarget, migrateQueue, openQueueBackend, type QueueBackend } from "./backend.ts";
import { createQueues, type Queues } from "./queues.ts";
import { idle } from "./testing.ts";
import { type Processors, startWorkers, type Workers } from "./workers.ts";

/** Its own Redis database, since queue names are the product's. */
const REDIS_DATABASE = 9;

async function createPostgresTarget(stack: AsyncDisposableStack): Promise<BackendTarget> {
  const server = new URL(process.env["BRANCHWARD_TEST_DATABASE_URL"] ?? "");
  const name = `queue_${randomUUID().replaceAll("-", "")}`;
  const admin = new pg.Client({ connectionString: server.href });
  await admin.connect();
  await admin.query(`create database ${name}`);
  stack.defer(async () => {
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
  });
  server.pathname = `/${name}`;
  const target = { kind: "postgres", url: server.href } as const;
  await migrateQueue(target);
  return target;
}

async function createRedisTarget(): Promise<BackendTarget> {
  const url = `${process.env["BRANCHWARD_TEST_REDIS_URL"] ?? ""}/${REDIS_DATABASE}`;
  const { Redis } = await import("ioredis");
  const redis = new Redis(url);
  await redis.flushdb();
  await redis.quit();
  return { kind: "redis", url };
}

/** A processor that runs until it is let go. */
function createGate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

describe.each(["postgres", "redis"] as const)("the queue on %s", (kind) => {
  const context: { stack: AsyncDisposableStack; target: BackendTarget; backend: QueueBackend; queues: Queues } =
    {} as never;

  beforeEach(async () => {
    context.stack = new AsyncDisposableStack();
    context.target = kind === "postgres" ? await createPostgresTarget(context.stack) : await createRedisTarget();
    context.backend = context.stack.use(openQueueBackend(context.target, () => undefined));
    context.queues = context.stack.use(createQueues(context.backend, ["a", "b"]));
  });

  afterEach(() => context.stack.disposeAsync());

  async function start(processors: Partial<Processors>, concurrency = 1): Promise<Workers> {
    const workers = startWorkers({
      backend: context.backend,
      endpoints: new Map([
        ["a", concurrency],
        ["b", concurrency],
      ]),
      processors: { ...idle, ...processors },
      onFailure: () => undefined,
    });
    context.stack.use(workers);
    await workers.waitUntilReady();
    return workers;
  }

  const event = (scopeId: string, endpoint = "a") => ({ scopeId, endpoint, lane: "event" }) as const;

  it("tells how the datastore makes room, also where that is all that it is asked", async () => {
    await using backend = openQueueBackend(context.target, () => undefined);
    expect(await backend.evictionPolicy()).toBe(kind === "redis" ? "noeviction" : null);
  });

  it("brings a job to its processor", async () => {
    const seen: string[] = [];
    await start({ "scope.reconcile": async ({ scopeId }) => void seen.push(scopeId) });
    const scopeId = randomUUID();
    await context.queues.enqueueReconcile(event(scopeId));
    await vi.waitFor(() => expect(seen).toEqual([scopeId]));
  });

  it("joins adds of one lane and scope while a job waits", async () => {
    const scopeId = randomUUID();
    for (let n = 0; n < 5; n += 1) await context.queues.enqueueReconcile(event(scopeId));
    const counts = await context.queues.countJobs();
    const waiting = counts.get("reconcile-a") ?? {};
    expect((waiting["prioritized"] ?? 0) + (waiting["waiting"] ?? 0)).toBe(1);
  });

  it("runs a scope once more for all the adds that came while it ran", async () => {
    const scopeId = randomUUID();
    const gate = createGate();
    const runs: number[] = [];
    await start({
      "scope.reconcile": async () => {
        runs.push(runs.length);
        if (runs.length === 1) await gate.passed;
      },
    });
    await context.queues.enqueueReconcile(event(scopeId));
    await vi.waitFor(() => expect(runs).toHaveLength(1));
    for (let n = 0; n < 5; n += 1) await context.queues.enqueueReconcile(event(scopeId));
    gate.open();
    const last = randomUUID();
    await vi.waitFor(() => expect(runs).toHaveLength(2));
    await context.queues.enqueueReconcile(event(last));
    await vi.waitFor(() => expect(runs).toHaveLength(3));
  });

  it("takes what CI waits for before events, and events before audits", async () => {
    const order: string[] = [];
    const [audit, waited, pushed] = [randomUUID(), randomUUID(), randomUUID()];
    await context.queues.enqueueReconcile({ scopeId: audit, endpoint: "a", lane: "audit" });
    await context.queues.enqueueReconcile(event(pushed));
    await context.queues.enqueueReconcile({ scopeId: waited, endpoint: "a", lane: "ci" });
    await start({ "scope.reconcile": async ({ scopeId }) => void order.push(scopeId) });
    await vi.waitFor(() => expect(order).toEqual([waited, pushed, audit]));
  });

  it("never joins an urgent add to a lazy job of the same scope", async () => {
    const order: string[] = [];
    const [scopeId, other] = [randomUUID(), randomUUID()];
    await context.queues.enqueueReconcile({ scopeId, endpoint: "a", lane: "audit" });
    await context.queues.enqueueReconcile(event(other));
    await context.queues.enqueueReconcile({ scopeId, endpoint: "a", lane: "ci" });
    await start({ "scope.reconcile": async (payload) => void order.push(payload.scopeId) });
    await vi.waitFor(() => expect(order).toEqual([scopeId, other, scopeId]));
  });

  it("keeps a slow endpoint from delaying another", async () => {
    const gate = createGate();
    const done: string[] = [];
    const [slow, quick] = [randomUUID(), randomUUID()];
    await start({
      "scope.reconcile": async ({ scopeId }) => {
        if (scopeId === slow) await gate.passed;
        done.push(scopeId);
      },
    });
    await context.queues.enqueueReconcile(event(slow, "a"));
    await context.queues.enqueueReconcile(event(quick, "b"));
    await vi.waitFor(() => expect(done).toEqual([quick]));
    gate.open();
    await vi.waitFor(() => expect(done).toEqual([quick, slow]));
  });

  it("begins a revocation though twenty others wait for an endpoint that is slow", async () => {
    const gate = createGate();
    const begun: string[] = [];
    await start({
      "access.revoke": async ({ id }) => {
        begun.push(id);
        if (id !== last) await gate.passed;
      },
    });
    const last = randomUUID();
    for (let n = 0; n < 20; n += 1) await context.queues.enqueueRevocation({ kind: "user", id: randomUUID() });
    await context.queues.enqueueRevocation({ kind: "user", id: last });
    await vi.waitFor(() => expect(begun).toContain(last), { timeout: 5_000 });
    gate.open();
  });

  it("tries a transient failure again, telling the last attempt, and a final one never", async () => {
    const attempts: { scopeId: string; attempt: number; lastAttempt: boolean }[] = [];
    const [transient, final] = [randomUUID(), randomUUID()];
    await start({
      "scope.reconcile": async ({ scopeId }, { attempt, lastAttempt }) => {
        attempts.push({ scopeId, attempt, lastAttempt });
        throw new AppError("no", { code: "test", retry: scopeId === final ? "never" : "backoff" });
      },
    });
    await context.queues.enqueueReconcile(event(final));
    await context.queues.enqueueReconcile(event(transient));
    await vi.waitFor(() => expect(attempts.filter((run) => run.scopeId === transient)).toHaveLength(3));
    expect(attempts.filter((run) => run.scopeId === transient).map((run) => run.lastAttempt)).toEqual([
      false,
      false,
      true,
    ]);
    expect(attempts.filter((run) => run.scopeId === final)).toHaveLength(1);
  });

  it("lets a run wait, and ends the wait for an add that may not", async () => {
    const [resting, hurried] = [randomUUID(), randomUUID()];
    const runs: string[] = [];
    await start({ "scope.reconcile": async ({ scopeId }) => void runs.push(scopeId) });
    await context.queues.enqueueReconcile({ ...event(resting), delayMs: 3_600_000 });
    await context.queues.enqueueReconcile({ ...event(hurried), delayMs: 3_600_000 });
    await context.queues.enqueueReconcile(event(hurried));
    await vi.waitFor(() => expect(runs).toEqual([hurried]));
    expect((await context.queues.countJobs()).get("reconcile-a")).toMatchObject({ delayed: 1 });
  });

  it("lets the run wait that follows one, when the one that runs asks for it", async () => {
    const scopeId = randomUUID();
    const runs: string[] = [];
    await start({
      "scope.reconcile": async () => {
        runs.push(scopeId);
        if (runs.length === 1) await context.queues.enqueueReconcile({ ...event(scopeId), delayMs: 3_600_000 });
      },
    });
    await context.queues.enqueueReconcile(event(scopeId));
    await vi.waitFor(async () =>
      expect((await context.queues.countJobs()).get("reconcile-a")).toMatchObject({ delayed: 1, active: 0 }),
    );
    expect(runs).toHaveLength(1);
    await context.queues.enqueueReconcile(event(scopeId));
    await vi.waitFor(() => expect(runs).toHaveLength(2));
  });

  it("runs ahead of its wait for whom CI waits", async () => {
    const scopeId = randomUUID();
    const runs: string[] = [];
    await start({ "scope.reconcile": async (payload) => void runs.push(payload.scopeId) });
    await context.queues.enqueueReconcile({ ...event(scopeId), delayMs: 3_600_000 });
    await context.queues.enqueueReconcile({ scopeId, endpoint: "a", lane: "ci" });
    await vi.waitFor(() => expect(runs).toEqual([scopeId]));
  });

  it("keeps one wake per scope, moved by the later call", async () => {
    const scopeId = randomUUID();
    const woken: string[] = [];
    await context.queues.enqueueWake(scopeId, 3_600_000);
    await context.queues.enqueueWake(scopeId, 10);
    await start({ "scope.wake": async (payload) => void woken.push(payload.scopeId) });
    await vi.waitFor(() => expect(woken).toEqual([scopeId]));
    expect((await context.queues.countJobs()).get("system")?.["delayed"] ?? 0).toBe(0);
  });

  it("sweeps once for all who ask while a sweep waits or runs, and by nobody's clock", async () => {
    const gate = createGate();
    const sweeps: number[] = [];
    for (let worker = 0; worker < 3; worker += 1) await context.queues.enqueueSweep();
    expect((await context.queues.countJobs()).get("system")).toMatchObject({ prioritized: 1, delayed: 0 });
    await start({
      "outbox.sweep": async () => {
        sweeps.push(sweeps.length);
        await gate.passed;
      },
    });
    await vi.waitFor(() => expect(sweeps).toHaveLength(1));
    await context.queues.enqueueSweep();
    gate.open();
    await vi.waitFor(async () =>
      expect((await context.queues.countJobs()).get("system")).toMatchObject({ active: 0, prioritized: 0 }),
    );
    expect(sweeps).toHaveLength(1);
    await context.queues.enqueueSweep();
    await vi.waitFor(() => expect(sweeps).toHaveLength(2));
  });

  it("refuses a payload that is not of the catalogue", async () => {
    const failures: unknown[] = [];
    const workers = startWorkers({
      backend: context.backend,
      endpoints: new Map([["a", 1]]),
      processors: idle,
      onFailure: ({ error }) => failures.push(error),
    });
    context.stack.use(workers);
    await context.backend.createQueue("reconcile-a").add("scope.reconcile", { v: 2 }, { attempts: 1 });
    await vi.waitFor(() => expect(failures).toHaveLength(1));
  });

  it("waits for a running job when it closes", async () => {
    const gate = createGate();
    const state = { began: false, ended: false };
    const workers = await start({
      "scope.reconcile": async () => {
        state.began = true;
        await gate.passed;
        state.ended = true;
      },
    });
    await context.queues.enqueueReconcile(event(randomUUID()));
    await vi.waitFor(() => expect(state.began).toBe(true));
    const closed = workers[Symbol.asyncDispose]();
    gate.open();
    await closed;
    expect(state.ended).toBe(true);
  });
});

describe("the queue's connections to PostgreSQL", () => {
  it("are four for all queues and two for each worker", async () => {
    await using stack = new AsyncDisposableStack();
    const target = await createPostgresTarget(stack);
    const backend = stack.use(openQueueBackend(target, () => undefined));
    const endpoints = Array.from({ length: 10 }, (_, n) => `endpoint-${n}`);
    const queues = stack.use(createQueues(backend, endpoints));
    const seen = new Set<string>();
    const workers = stack.use(
      startWorkers({
        backend,
        endpoints: new Map(endpoints.map((name) => [name, 2])),
        processors: { ...idle, "scope.reconcile": async ({ scopeId }) => void seen.add(scopeId) },
        onFailure: () => undefined,
      }),
    );
    await workers.waitUntilReady();
    await Promise.all(
      endpoints.flatMap((endpoint) =>
        Array.from({ length: 5 }, () => queues.enqueueReconcile({ scopeId: randomUUID(), endpoint, lane: "event" })),
      ),
    );
    await vi.waitFor(() => expect(seen.size).toBe(50), { timeout: 10_000 });
    const client = new pg.Client({ connectionString: target.url });
    await client.connect();
    stack.defer(() => client.end());
    const { rows } = await client.query<{ count: number }>(
      "select count(*)::int as count from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    );
    expect(rows[0]?.count).toBeLessThanOrEqual(4 + 2 * (endpoints.length + 3));
  });
});
