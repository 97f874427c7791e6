import { randomUUID } from "node:crypto";
import { PassThrough } from "node:stream";
import { createLogger } from "@branchward/runtime";
import { connectDatabase } from "@branchward/store";
import { openTestDatabase } from "@branchward/store/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { migrateRecord } from "./migrations.ts";

describe("bringing the record up to date", () => {
  let stack: AsyncDisposableStack;
  beforeEach(() => (stack = new AsyncDisposableStack()));
  afterEach(() => stack.disposeAsync());

  /** An empty database. */
  async function connectEmpty() {
    const admin = stack.use(await openTestDatabase());
    const name = `empty_${randomUUID().replaceAll("-", "")}`;
    await admin.pool.query(`create database ${name}`);
    stack.defer(async () => {
      await admin.pool.query(`drop database ${name} with (force)`);
    });
    const url = Object.assign(new URL(admin.url), { pathname: `/${name}` }).href;
    return stack.use(connectDatabase({ url, max: 2, onError: () => undefined }));
  }

  it("logs each migration, and warns again and again while one goes on, or another process migrates", async () => {
    const connection = await connectEmpty();
    const lines: { readonly level: number; readonly msg: string; readonly migration: string | null }[] = [];
    const destination = new PassThrough().on("data", (chunk: Buffer) => {
      for (const line of chunk.toString().trim().split("\n")) lines.push(JSON.parse(line));
    });
    const warnings = () => lines.filter(({ level }) => level === 40).map(({ msg }) => msg);
    const other = await connection.pool.connect();
    stack.defer(() => other.release(true));
    // The lock of whoever migrates, taken out of turn.
    await other.query("select pg_advisory_lock(7190016)");
    const migrated = migrateRecord(connection, createLogger({ level: "info", destination }), 20);
    await vi.waitFor(() => expect(warnings().length).toBeGreaterThan(1));
    expect(new Set(warnings())).toEqual(new Set(["another process migrates; waiting for it"]));
    await other.query("select pg_advisory_unlock(7190016)");
    const applied = await migrated;
    expect(applied.length).toBeGreaterThan(0);
    const named = (message: string) => lines.filter(({ msg }) => msg === message).map(({ migration }) => migration);
    await vi.waitFor(() => expect(named("migration done")).toEqual(applied));
    expect(named("migration begun")).toEqual(applied);
  });
});
