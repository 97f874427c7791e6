import { connect, createServer, type Socket } from "node:net";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openTestDatabase } from "../testing.ts";
import { connectDatabase, type Database } from "./database.ts";
import { notify, openNotifications } from "./notifications.ts";

/** A way to a server behind which it can vanish as a host does that loses its power: open connections stay, and nothing comes on them. */
async function openWay(stack: AsyncDisposableStack, url: string) {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    sockets.add(near.on("error", () => far.destroy()).on("close", () => far.destroy()));
    sockets.add(far.on("error", () => near.destroy()).on("close", () => near.destroy()));
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stack.defer(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  const through = new URL(url);
  if (typeof address === "object" && address !== null) through.port = String(address.port);
  return {
    url: through.href,
    vanish() {
      for (const socket of sockets) socket.unpipe().pause();
    },
  };
}

describe("a server that vanished without a word", () => {
  let stack: AsyncDisposableStack;
  beforeEach(() => (stack = new AsyncDisposableStack()));
  afterEach(() => stack.disposeAsync());

  const ask = (db: Database) => sql<{ answer: number }>`select 42 as answer`.execute(db);

  test("fails what was asked of it, and what is asked next goes to the one that took over", async () => {
    const database = stack.use(await openTestDatabase());
    const way = await openWay(stack, database.url);
    const { db } = stack.use(connectDatabase({ url: way.url, max: 2, silenceMs: 200, onError: () => undefined }));
    await Promise.all([ask(db), ask(db)]);
    way.vanish();
    const asked = await Promise.allSettled([ask(db), ask(db)]);
    expect(asked.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    // Who asks within the same turn may still be given a connection that is about to close.
    await vi.waitFor(async () => expect((await ask(db)).rows).toEqual([{ answer: 42 }]));
  });

  test("is listened to no more, but to the one that took over, of which listeners are told", async () => {
    const { db, url } = stack.use(await openTestDatabase());
    const way = await openWay(stack, url);
    const notifications = stack.use(await openNotifications(way.url, () => undefined, 200));
    const told: string[] = [];
    notifications.subscribe("scopes", (payload) => told.push(payload));
    await notify(db, "scopes", "before");
    await vi.waitFor(() => expect(told).toEqual(["before"]));
    way.vanish();
    await vi.waitFor(() => expect(told).toEqual(["before", ""]), { timeout: 20_000 });
    await notify(db, "scopes", "after");
    await vi.waitFor(() => expect(told).toEqual(["before", "", "after"]));
  });
});
