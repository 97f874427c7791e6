import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { migrateQueue, openQueueBackend } from "./backend.ts";
import { createQueues } from "./queues.ts";
import { idle } from "./testing.ts";
import { startWorkers } from "./workers.ts";

describe("the queue's connections to PostgreSQL", () => {
  let stack = new AsyncDisposableStack();
  beforeEach(() => (stack = new AsyncDisposableStack()));
  afterEach(() => stack.disposeAsync());

  /** A database, and a way there on which farewells take their time; and how many are on it. */
  async function openSlowWay() {
    const server = new URL(process.env["BRANCHWARD_TEST_DATABASE_URL"] ?? "");
    const name = `queue_${randomUUID().replaceAll("-", "")}`;
    const admin = new pg.Client({ connectionString: server.href });
    await admin.connect();
    await admin.query(`create database ${name}`);
    stack.defer(async () => {
      await admin.query(`drop database ${name} with (force)`);
      await admin.end();
    });
    const open = new Set<Socket>();
    const way = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect(Number(server.port), server.hostname);
      open.add(far);
      near.on("error", () => far.destroy());
      far.on("error", () => near.destroy());
      far.on("close", () => {
        open.delete(far);
        near.destroy();
      });
      far.pipe(near);
      near.on("data", (bytes) => {
        // The Terminate message of PostgreSQL's protocol.
        if (bytes[0] === 0x58) setTimeout(() => far.write(bytes), 100);
        else far.write(bytes);
      });
    }).listen(0, "127.0.0.1");
    await once(way, "listening");
    stack.defer(async () => {
      way.close();
      await once(way, "close");
    });
    const url = new URL(server);
    url.pathname = `/${name}`;
    url.port = String((way.address() as AddressInfo).port);
    return { target: { kind: "postgres", url: url.href } as const, open, name };
  }

  it("wait for another process that migrates, however long, also where the server lets no statement take long", async () => {
    const { target, name } = await openSlowWay();
    const other = new pg.Client({ connectionString: target.url });
    await other.connect();
    // The lock by which BullMQ's migrations are one at a time.
    await other.query("select pg_advisory_lock(x'42554c4c'::int, hashtext('bullmq'))");
    await other.query(`alter database ${name} set statement_timeout = 100`);
    const migrated = migrateQueue(target);
    await vi.waitFor(
      async () => {
        const { rowCount } = await other.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
           and clock_timestamp() - query_start > interval '200 ms'`,
        );
        expect(rowCount).toBe(1);
      },
      { timeout: 20_000 },
    );
    await other.end();
    expect(await migrated).toBeGreaterThan(0);
  });

  it("have ended when all is closed: what comes next is the end of the server, of which none of them tells", async () => {
    const { target, open } = await openSlowWay();
    await migrateQueue(target);
    const errors: Error[] = [];
    const backend = openQueueBackend(target, (error) => errors.push(error));
    const queues = createQueues(backend, ["a"]);
    const workers = startWorkers({
      backend,
      endpoints: new Map([["a", 2]]),
      processors: idle,
      onFailure: () => undefined,
    });
    await workers.waitUntilReady();
    await queues.enqueueReconcile({ scopeId: randomUUID(), endpoint: "a", lane: "event" });
    expect(open.size).toBeGreaterThan(0);
    await workers[Symbol.asyncDispose]();
    await queues[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
    expect({ open: open.size, errors }).toEqual({ open: 0, errors: [] });
  });
});
