/** A server of the queue that vanishes without a word, as behind a firewall that drops what it carried: nothing fails by itself. */
import { randomUUID } from "node:crypto";
import {
  type BackendTarget,
  createQueues,
  migrateQueue,
  openQueueBackend,
  type QueueBackend,
  type Queues,
  reconcileQueue,
} from "@branchward/queue";
import { openTestDatabase } from "@branchward/store/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openRedisDatabase } from "../support/redis-database.ts";
import { openTcpGate, type TcpGate } from "../support/tcp-gate.ts";

const ENDPOINT = "a";
/** Longer than a worker may take that looks once a second, waits 5 s after an error, and connects anew. */
const waiting = { timeout: 20_000, interval: 25 };
/** What pg and ioredis say of a server that does not answer, and of one that they do not reach meanwhile. */
const NO_ANSWER =
  /Query read timeout|timeout exceeded when trying to connect|Connection terminated|Command timed out|isn't writeable/u;
const SETTINGS = {
  concurrency: 2,
  lockDuration: 2_000,
  stalledInterval: 1_000,
  maxStalledCount: 3,
  runRetryDelay: 100,
  drainDelay: 1,
};

describe.each(["postgres", "redis"] as const)("when %s falls silent under the queue", (kind) => {
  let stack: AsyncDisposableStack;
  let gate: TcpGate;
  /** Beside the gate, and through it. */
  let direct: Queues;
  let through: QueueBackend;

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    const { url } = stack.use(await (kind === "postgres" ? openTestDatabase() : openRedisDatabase()));
    const target: BackendTarget = { kind, url };
    await migrateQueue(target);
    const { hostname, port } = new URL(url);
    gate = stack.use(await openTcpGate({ host: hostname, port: Number(port) }));
    direct = stack.use(createQueues(stack.use(openQueueBackend(target, () => undefined)), [ENDPOINT]));
    const gated = Object.assign(new URL(url), { port: String(gate.port) }).href;
    through = openQueueBackend({ kind, url: gated }, () => undefined, 500);
    stack.use(through);
  });
  // Goodbyes need somebody who hears them.
  afterEach(async () => {
    await gate.open();
    await stack.disposeAsync();
  });

  const add = (queues: Queues, delayMs = 0) =>
    queues.enqueueReconcile({ scopeId: randomUUID(), endpoint: ENDPOINT, lane: "event", delayMs });

  /** How many jobs are in one of the states. */
  async function count(...states: readonly string[]): Promise<number> {
    const counts = (await direct.countJobs()).get(reconcileQueue(ENDPOINT)) ?? {};
    return states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  }

  it("adds fail, and are taken again as soon as it speaks", async () => {
    const queues = stack.use(createQueues(through, [ENDPOINT]));
    await add(queues);
    gate.fallSilent();
    await Promise.all([expect(add(queues)).rejects.toThrow(NO_ANSWER), expect(add(queues)).rejects.toThrow(NO_ANSWER)]);
    await expect(queues.ping()).rejects.toThrow(NO_ANSWER);
    await gate.open();
    await vi.waitFor(() => add(queues), waiting);
  });

  it("a worker that waited takes what comes, also while another job is due in an hour", async () => {
    const process = vi.fn<() => Promise<void>>(async () => undefined);
    const worker = through.createWorker(reconcileQueue(ENDPOINT), process, SETTINGS);
    stack.defer(() => worker.close());
    await add(direct, 3_600_000);
    await add(direct);
    await vi.waitFor(async () => expect(await count("completed")).toBe(1), waiting);
    gate.fallSilent();
    await add(direct);
    await gate.open();
    await vi.waitFor(async () => expect(await count("completed")).toBe(2), waiting);
    expect(process).toHaveBeenCalledTimes(2);
  });

  it("a job that ran meanwhile is done once, or again, and none stays behind", async () => {
    const held = Promise.withResolvers<void>();
    const process = vi.fn<() => Promise<void>>(() => held.promise);
    const worker = through.createWorker(reconcileQueue(ENDPOINT), process, SETTINGS);
    stack.defer(() => worker.close());
    await add(direct);
    await vi.waitFor(() => expect(process).toHaveBeenCalled(), waiting);
    gate.fallSilent();
    held.resolve();
    await add(direct);
    await gate.open();
    await vi.waitFor(async () => expect(await count("completed")).toBe(2), waiting);
    expect(await count("waiting", "prioritized", "active", "delayed", "failed")).toBe(0);
  });
});
