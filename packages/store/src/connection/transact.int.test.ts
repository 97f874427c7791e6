import { connect, createServer } from "node:net";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connectDatabase, type Queryable } from "./database.ts";
import { openTestDatabase, type TestDatabase } from "../testing.ts";
import { readSnapshot, transact } from "./transact.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await sql`create table marks (name text primary key)`.execute(database.db);
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await sql`delete from marks`.execute(database.db);
});

function mark(db: Queryable, name: string) {
  return sql`insert into marks values (${name})`.execute(db);
}

async function listMarks(db: Queryable): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`select name from marks order by name`.execute(db);
  return rows.map(({ name }) => name);
}

/** A way to the server that counts the pieces in which statements come. */
async function openCounter(url: string) {
  const { hostname, port } = new URL(url);
  const counter = { pieces: 0 };
  const server = createServer((incoming) => {
    const outgoing = connect(Number(port), hostname);
    incoming.on("data", (chunk) => {
      counter.pieces += 1;
      outgoing.write(chunk);
    });
    outgoing.pipe(incoming);
    incoming.on("close", () => outgoing.destroy());
    incoming.on("error", () => outgoing.destroy());
    outgoing.on("error", () => incoming.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const through = new URL(url);
  if (typeof address === "object" && address !== null) through.port = String(address.port);
  return { url: through.href, counter, close: () => server.close() };
}

describe("what is asked for together", () => {
  test("is answered in order, and each sees what those before it did", async () => {
    const seen = await transact(database.db, async (trx) => {
      const [before, , between, , after] = await Promise.all([
        listMarks(trx),
        mark(trx, "a"),
        listMarks(trx),
        mark(trx, "b"),
        listMarks(trx),
      ]);
      return { before, between, after };
    });
    expect(seen).toEqual({ before: [], between: ["a"], after: ["a", "b"] });
    expect(await listMarks(database.db)).toEqual(["a", "b"]);
  });

  test("sees what was committed while a lock before it was waited for", async () => {
    const lock = (trx: Queryable) => sql`select pg_advisory_xact_lock(42)`.execute(trx);
    const { promise: isHeld, resolve: hold } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const first = transact(database.db, async (trx) => {
      await lock(trx);
      hold();
      await released;
      await mark(trx, "first");
    });
    await isHeld;
    const second = transact(database.db, async (trx) => {
      const [, marks] = await Promise.all([lock(trx), listMarks(trx)]);
      return marks;
    });
    release();
    await first;
    expect(await second).toEqual(["first"]);
  });

  test("travels together, with the begin ahead of it", async () => {
    const { url, counter, close } = await openCounter(database.url);
    try {
      await using connection = connectDatabase({ url, max: 1, onError: () => undefined });
      await listMarks(connection.db);
      counter.pieces = 0;
      await transact(connection.db, async (trx) => {
        await Promise.all([mark(trx, "a"), mark(trx, "b"), listMarks(trx)]);
      });
      // The statements, then the commit.
      expect(counter.pieces).toBe(2);
    } finally {
      close();
    }
  });
});

describe("a transaction that fails", () => {
  test("leaves nothing of what came before or behind the failure, and a connection that can be used", async () => {
    await using connection = connectDatabase({ url: database.url, max: 1, onError: () => undefined });
    const failing = transact(connection.db, (trx) => Promise.all([mark(trx, "a"), mark(trx, "a"), mark(trx, "b")]));
    await expect(failing).rejects.toMatchObject({ code: "23505" });
    expect(await listMarks(connection.db)).toEqual([]);
    await mark(connection.db, "c");
    expect(await listMarks(database.db)).toEqual(["c"]);
  });

  test("fails at its end where the failure was passed over", async () => {
    const passing = transact(database.db, async (trx) => {
      await Promise.allSettled([mark(trx, "a"), mark(trx, "a")]);
    });
    await expect(passing).rejects.toThrow("rolled back");
    expect(await listMarks(database.db)).toEqual([]);
  });

  test("takes back what its work did before it threw", async () => {
    const throwing = transact(database.db, async (trx) => {
      await mark(trx, "a");
      throw new Error("no");
    });
    await expect(throwing).rejects.toThrow("no");
    expect(await listMarks(database.db)).toEqual([]);
  });

  test("tells of a connection that is lost, and of nothing else", async () => {
    const cut = transact(database.db, async (trx) => {
      await mark(trx, "a");
      await sql`select pg_terminate_backend(pg_backend_pid())`.execute(trx);
    });
    await expect(cut).rejects.toThrow("terminat");
    expect(await listMarks(database.db)).toEqual([]);
  });
});

test("takes no statement that comes after its end", async () => {
  const held = await transact(database.db, async (trx) => ({ trx }));
  await expect(mark(held.trx, "late")).rejects.toThrow("over");
  expect(await listMarks(database.db)).toEqual([]);
});

describe("a snapshot", () => {
  test("shows the moment of its first statement, whatever is committed meanwhile", async () => {
    const seen = await readSnapshot(database.db, async (trx) => {
      const before = await listMarks(trx);
      await mark(database.db, "a");
      return { before, after: await listMarks(trx) };
    });
    expect(seen).toEqual({ before: [], after: [] });
    expect(await listMarks(database.db)).toEqual(["a"]);
  });

  test("takes no write", async () => {
    const writing = readSnapshot(database.db, (trx) => mark(trx, "a"));
    await expect(writing).rejects.toMatchObject({ code: "25006" });
  });
});
