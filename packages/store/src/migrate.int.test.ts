import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UnavailableError } from "@branchward/core";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { connectDatabase, type DatabaseConnection } from "./connection/database.ts";
import { migrateStore } from "./migrate.ts";
import { openTestDatabase } from "./testing.ts";

/** On any statement but those of migrations, here, by the server's settings and by ours. */
const DEADLINE_MS = 150;

describe("migrations", () => {
  let stack: AsyncDisposableStack;
  let directory: string;
  let connection: DatabaseConnection;
  /** Whoever else is at the database, in no hurry. */
  let other: pg.Client;

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    directory = await mkdtemp(join(tmpdir(), "branchward-migrations-"));
    stack.defer(() => rm(directory, { recursive: true }));
    const admin = stack.use(await openTestDatabase());
    const name = `migrated_${randomUUID().replaceAll("-", "")}`;
    await admin.pool.query(`create database ${name}`);
    stack.defer(async () => {
      await admin.pool.query(`drop database ${name} with (force)`);
    });
    await admin.pool.query(`alter database ${name} set statement_timeout = ${DEADLINE_MS}`);
    await admin.pool.query(`alter database ${name} set lock_timeout = ${DEADLINE_MS}`);
    const url = Object.assign(new URL(admin.url), { pathname: `/${name}` }).href;
    connection = stack.use(connectDatabase({ url, max: 2, silenceMs: DEADLINE_MS, onError: () => undefined }));
    other = new pg.Client({ connectionString: url });
    await other.connect();
    stack.defer(() => other.end());
    await other.query("set statement_timeout = 0");
  });
  afterEach(() => stack.disposeAsync());

  const write = (name: string, text: string) => writeFile(join(directory, `${name}.sql`), text);

  /** Resolves once as many wait for a lock, and have for longer than anything else may. */
  async function untilWaiting(count: number): Promise<void> {
    await vi.waitFor(
      async () => {
        const { rowCount } = await other.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
           and clock_timestamp() - query_start > interval '${2 * DEADLINE_MS} ms'`,
        );
        expect(rowCount).toBe(count);
      },
      { timeout: 20_000 },
    );
  }

  it("take the time that they need, and are told of as they begin and end", async () => {
    await write("0001-slow", `create table slow (); select pg_sleep(${(4 * DEADLINE_MS) / 1_000})`);
    await write("0002-quick", "create table quick ()");
    const told: unknown[] = [];
    const applied = await migrateStore(connection, {
      directory,
      onBegin: (migration) => told.push(["begin", migration]),
      onEnd: (migration, tookMs) => told.push(["end", migration, tookMs]),
    });
    expect(applied).toEqual(["0001-slow", "0002-quick"]);
    expect(told).toEqual([
      ["begin", "0001-slow"],
      ["end", "0001-slow", expect.any(Number)],
      ["begin", "0002-quick"],
      ["end", "0002-quick", expect.any(Number)],
    ]);
    expect(await migrateStore(connection, { directory })).toEqual([]);
  });

  it("are applied by one of two processes that start at once, for which the other waits, and says so", async () => {
    await write("0001-long", "create table long (); select pg_advisory_lock(42)");
    await other.query("select pg_advisory_lock(42)");
    const begun = Promise.withResolvers<void>();
    const first = migrateStore(connection, { directory, onBegin: () => begun.resolve() });
    await begun.promise;
    const told: unknown[] = [];
    const second = migrateStore(connection, { directory, onBegin: (migration) => told.push(migration) });
    await untilWaiting(2);
    expect(told).toEqual([null]);
    await other.query("select pg_advisory_unlock(42)");
    expect(await Promise.all([first, second])).toEqual([["0001-long"], []]);
    expect(told).toEqual([null]);
  });

  it("give up a table that another holds, before everybody waits behind them, and change nothing", async () => {
    await write("0001-table", "create table held ()");
    await migrateStore(connection, { directory });
    await write("0002-column", "create table made (); alter table held add column late int");
    await other.query("begin; lock table held in access share mode");
    const given = migrateStore(connection, { directory, lockTimeoutMs: 50 });
    await expect(given).rejects.toThrow(UnavailableError);
    await expect(given).rejects.toThrow("migration 0002-column");
    await other.query("commit");
    expect((await other.query("select to_regclass('made') as made")).rows).toEqual([{ made: null }]);
    expect(await migrateStore(connection, { directory })).toEqual(["0002-column"]);
  });
});
