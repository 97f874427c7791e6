import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  claimLookups,
  deferLookups,
  deleteLookups,
  limitHost,
  listBindings,
  listDueLookups,
  requestLookup,
  requestSuspectLookups,
} from "./branch-lookups.ts";
import { findBranch } from "./incarnations.ts";
import { insertBranch, openTestDatabase, type TestDatabase } from "../testing.ts";

describe("look-ups of branches", () => {
  const context: { database: TestDatabase; source: string; repositoryId: string; incarnationId: string } = {} as never;
  beforeAll(async () => {
    context.database = await openTestDatabase();
  });
  afterAll(() => context.database[Symbol.asyncDispose]());

  beforeEach(async () => {
    const { db } = context.database;
    const incarnationId = await insertBranch(db, "dev/x");
    const repositoryId = (await findBranch(db, incarnationId))?.repositoryId ?? "";
    const source = `github-${randomUUID()}`;
    Object.assign(context, { incarnationId, repositoryId, source });
    await db
      .insertInto("repository_bindings")
      .values({ id: randomUUID(), repository_id: repositoryId, source, native_id: "7", name: "acme/web" })
      .execute();
  });

  const ask = (name: string, sources = [context.source]) =>
    requestLookup(context.database.db, { repositoryId: context.repositoryId, name, sources });
  const claim = (limit = 10) => {
    const { repositoryId, source } = context;
    const wanted = { repositoryId, source, leaseMs: 30_000, limit };
    return context.database.db.transaction().execute((trx) => claimLookups(trx, wanted));
  };
  const listDue = async () =>
    (await listDueLookups(context.database.db, { quietMs: 0, limit: 1_000 })).includes(context.repositoryId);

  it("are asked for once, and only where a host can be asked", async () => {
    expect(await ask("dev/x", ["another"])).toBe(false);
    expect([await ask("dev/x"), await ask("dev/x"), await ask("dev/y")]).toEqual([true, false, true]);
    expect((await claim()).toSorted()).toEqual(["dev/x", "dev/y"]);
  });

  it("are no more in one repository than anybody needs", async () => {
    const asked: boolean[] = [];
    for (let index = 0; index < 101; index += 1) asked.push(await ask(`dev/${index}`));
    expect(asked.filter(Boolean)).toHaveLength(100);
  });

  it("are asked for of every suspect branch, and of no other", async () => {
    const { db } = context.database;
    const wanted = { sources: [context.source], limit: 10 };
    await requestSuspectLookups(db, wanted);
    expect(await claim()).toEqual([]);
    await db.updateTable("incarnations").set({ suspect: true }).where("id", "=", context.incarnationId).execute();
    await requestSuspectLookups(db, { ...wanted, repositoryId: randomUUID() });
    expect(await claim()).toEqual([]);
    await requestSuspectLookups(db, { ...wanted, sources: ["another"] });
    expect(await claim()).toEqual([]);
    await requestSuspectLookups(db, wanted);
    expect(await claim()).toEqual(["dev/x"]);
  });

  it("are one's alone while the lease lasts, the whole repository's", async () => {
    await ask("dev/x");
    await ask("dev/y");
    const claims = await Promise.all([claim(1), claim(1), claim(1)]);
    expect(claims.flat()).toHaveLength(1);
    expect(await claim()).toEqual([]);
  });

  it("go when they told something, and are put off when they did not", async () => {
    const { db } = context.database;
    const { repositoryId } = context;
    await ask("dev/x");
    await ask("dev/y");
    expect(await listDue()).toBe(true);
    await claim();
    await deleteLookups(db, repositoryId, ["dev/x"]);
    await deferLookups(db, { repositoryId, names: ["dev/y"], afterMs: 0 });
    expect(await claim()).toEqual([]);
    expect(await listDue()).toBe(false);
    expect([await ask("dev/x"), await ask("dev/y")]).toEqual([true, false]);
    expect(await claim()).toEqual(["dev/x"]);
  });

  it("wait while the host wants no call", async () => {
    await ask("dev/x");
    await limitHost(context.database.db, "another", 60_000);
    await limitHost(context.database.db, context.source, 60_000);
    await limitHost(context.database.db, context.source, 1);
    expect(await claim()).toEqual([]);
  });

  it("name the repository as the host does, by its own id", async () => {
    const { db } = context.database;
    const { repositoryId, source } = context;
    expect(await listBindings(db, repositoryId, [source])).toEqual([
      { source, nativeId: "7", name: "acme/web", vcs: "git" },
    ]);
    expect(await listBindings(db, repositoryId, ["another"])).toEqual([]);
  });
});
