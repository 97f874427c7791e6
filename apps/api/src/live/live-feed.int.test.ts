import { once } from "node:events";
import type { Readable } from "node:stream";
import { createLogger } from "@branchward/runtime";
import { findLivePosition, type Notifications, openNotifications } from "@branchward/store";
import { insertTestDelivery, openTestDatabase, type TestDatabase } from "@branchward/store/testing";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createLiveFeed } from "./live-feed.ts";
import { formatPosition } from "./message.ts";

interface Message {
  readonly id: string;
  readonly type: string;
  /** Of the row; empty for `ready` and `reset`. */
  readonly row: string;
}

/** Reads a stream as a browser does. */
function watch(stream: Readable) {
  const state = { text: "", ended: false };
  stream.on("data", (chunk: Buffer) => (state.text += chunk.toString()));
  stream.on("end", () => (state.ended = true));
  const messages = (): readonly Message[] =>
    [...state.text.matchAll(/id: (.*)\nevent: (.*)\ndata: (.*)\n\n/gu)].map(([, id = "", type = "", data = "{}"]) => {
      const { id: row = "" } = JSON.parse(data) as { id?: string };
      return { id, type, row };
    });
  return {
    messages,
    rows: () => messages().flatMap(({ row }) => (row === "" ? [] : [row])),
    hasEnded: () => state.ended,
    lastId: () => messages().at(-1)?.id,
    leave: () => stream.destroy(),
  };
}

const anybody = async (): Promise<void> => undefined;

describe("the live feed", () => {
  const context: { database: TestDatabase; notifications: Notifications } = {} as never;
  beforeAll(async () => {
    context.database = await openTestDatabase();
    context.notifications = await openNotifications(context.database.url, () => undefined);
  });
  afterAll(async () => {
    await context.notifications[Symbol.asyncDispose]();
    await context.database[Symbol.asyncDispose]();
  });

  function createFeed() {
    const closing = new AbortController();
    const log = createLogger({ level: "silent" });
    const { notifications, database } = context;
    return { closing, feed: createLiveFeed({ db: database.db, notifications, log, closing: closing.signal }) };
  }

  it("tells several watchers of a new row, each once", async () => {
    const { feed } = createFeed();
    const watchers = [watch(await feed.open(undefined, anybody)), watch(await feed.open(undefined, anybody))];
    const id = await insertTestDelivery(context.database.db);
    for (const watcher of watchers) {
      await vi.waitFor(() => expect(watcher.rows()).toEqual([id]), 10_000);
      expect(watcher.messages()[0]?.type).toBe("ready");
      watcher.leave();
    }
  });

  it("goes on after the last id that a watcher had, and loses nothing that came while it was away", async () => {
    const { feed } = createFeed();
    const { db } = context.database;
    const first = watch(await feed.open(undefined, anybody));
    const known = await insertTestDelivery(db);
    await vi.waitFor(() => expect(first.rows()).toEqual([known]), 10_000);
    first.leave();
    const missed = [await insertTestDelivery(db), await insertTestDelivery(db)];
    const second = watch(await feed.open(first.lastId(), anybody));
    const live = await insertTestDelivery(db);
    await vi.waitFor(() => expect(second.rows()).toEqual([...missed, live]), 10_000);
    second.leave();
  });

  it("loses no row of a transaction that commits late, to nobody who comes and goes meanwhile", async () => {
    const { feed } = createFeed();
    const { db } = context.database;
    const written = new Set<string>();
    const seen = new Set<string>();
    const state = { writing: true, last: formatPosition(await findLivePosition(db)) };
    const write = async (seed: number): Promise<void> => {
      for (let n = 0; n < 15; n += 1) {
        await db.transaction().execute(async (trx) => {
          const ids = [await insertTestDelivery(trx)];
          // Holds its transaction open for another one, so that ids and commits cross.
          if ((n + seed) % 3 === 0) await insertTestDelivery(db).then((id) => written.add(id));
          ids.push(await insertTestDelivery(trx));
          for (const id of ids) written.add(id);
        });
      }
    };
    const writers = Promise.all([write(0), write(1), write(2)]).finally(() => (state.writing = false));
    while (state.writing || seen.size < written.size) {
      const watcher = watch(await feed.open(state.last, anybody));
      await vi.waitFor(() => expect(watcher.messages().length).toBeGreaterThan(1), { timeout: 10_000, interval: 5 });
      watcher.leave();
      for (const row of watcher.rows()) seen.add(row);
      state.last = watcher.lastId() ?? state.last;
    }
    await writers;
    expect([...written].filter((id) => !seen.has(id))).toEqual([]);
  });

  it.each([
    ["no position of ours", "yesterday"],
    ["of another database", "99999999999.0.0"],
  ])("says to read anew when the last id is %s", async (_, after) => {
    const { feed } = createFeed();
    const watcher = watch(await feed.open(after, anybody));
    await vi.waitFor(() => expect(watcher.messages().map(({ type }) => type)).toEqual(["reset"]));
    watcher.leave();
  });

  it("says to read anew when more has happened than it would tell", async () => {
    const { feed } = createFeed();
    const { db } = context.database;
    const start = await findLivePosition(db);
    await db.transaction().execute(async (trx) => {
      for (let n = 0; n < 1_001; n += 1) await insertTestDelivery(trx);
    });
    await vi.waitFor(async () => {
      const watcher = watch(await feed.open(formatPosition(start), anybody));
      await vi.waitFor(() => expect(watcher.messages().length).toBeGreaterThan(0));
      watcher.leave();
      expect(watcher.messages().map(({ type }) => type)).toEqual(["reset"]);
    }, 10_000);
  });

  it("ends every stream on shutdown, and those that come after", async () => {
    const { feed, closing } = createFeed();
    const watcher = watch(await feed.open(undefined, anybody));
    closing.abort();
    await vi.waitFor(() => expect(watcher.hasEnded()).toBe(true));
    const late = watch(await feed.open(undefined, anybody));
    await vi.waitFor(() => expect(late.hasEnded()).toBe(true));
  });

  it("ends the stream of whoever may no longer read", async () => {
    const { feed } = createFeed();
    const state = { revoked: false };
    const mayRead = async () => {
      if (state.revoked) throw new Error("revoked");
    };
    const watcher = watch(await feed.open(undefined, mayRead));
    const other = watch(await feed.open(undefined, anybody));
    state.revoked = true;
    await vi.waitFor(() => expect(watcher.hasEnded()).toBe(true), 10_000);
    expect(other.hasEnded()).toBe(false);
    other.leave();
  });

  it("lets go of a reader that does not read, who then goes on from where it was", async () => {
    const { feed } = createFeed();
    const { db } = context.database;
    const slow = await feed.open(undefined, anybody);
    const note = "x".repeat(100_000);
    const ids: string[] = [];
    // Never more than a second's worth is held for it: twenty such rows are 2 MB.
    for (let n = 0; n < 20; n += 1) ids.push(await insertTestDelivery(db, { note }));
    await vi.waitFor(() => expect(slow.readableLength).toBeGreaterThan(1024 * 1024), 10_000);
    const held = watch(slow);
    await once(slow, "end");
    const next = watch(await feed.open(held.lastId(), anybody));
    await vi.waitFor(() => expect(new Set([...held.rows(), ...next.rows()])).toEqual(new Set(ids)), 10_000);
    next.leave();
  });
});
