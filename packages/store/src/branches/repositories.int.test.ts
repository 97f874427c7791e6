import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type JoinedSources, resolveRepository } from "./repositories.ts";
import { openTestDatabase, type TestDatabase } from "../testing.ts";

const alone: JoinedSources = (source) => [source];
const git = { vcs: "git" } as const;

describe("a source's claim of a repository (rule A2)", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => {
    context.database = await openTestDatabase();
  });
  afterAll(() => context.database[Symbol.asyncDispose]());

  const resolve = (source: string, nativeId: string | null, name: string, joined = alone) =>
    context.database.db
      .transaction()
      .execute((trx) => resolveRepository(trx, source, { ...git, nativeId, name }, joined));

  it("keeps the repository when the host renames it, and gives a new one to whoever takes the old name", async () => {
    const web = await resolve("github", "1", "acme/web");
    const site = await resolve("github", "1", "acme/site");
    const newcomer = await resolve("github", "2", "acme/web");
    expect(site).toEqual({ id: web.id, name: "acme/site", isRenamed: true });
    expect(newcomer.id).not.toBe(web.id);
    expect((await resolve("github", "1", "acme/site")).id).toBe(web.id);
  });

  it("is bound by its name where the source gives no id", async () => {
    const first = await resolve("agents", null, "acme/api");
    expect((await resolve("agents", null, "acme/api")).id).toBe(first.id);
    expect((await resolve("agents", null, "acme/other")).id).not.toBe(first.id);
  });

  it("keeps the repositories of two sources apart unless configuration joins them", async () => {
    const github = await resolve("github", "7", "acme/mirror");
    expect((await resolve("gitlab", "7", "acme/mirror")).id).not.toBe(github.id);
    const joined: JoinedSources = (_, name) => (name === "acme/mirror" ? ["github", "agents"] : ["github"]);
    expect((await resolve("agents", null, "acme/mirror", joined)).id).toBe(github.id);
  });

  it("makes one repository of many first claims at once", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => resolve("github", "99", "acme/burst")));
    expect(new Set(all.map((repository) => repository.id)).size).toBe(1);
  });

  it("makes one repository of first claims by two joined sources at once", async () => {
    const joined: JoinedSources = () => ["github", "agents"];
    const all = await Promise.all([
      resolve("github", "100", "acme/both", joined),
      resolve("agents", null, "acme/both", joined),
    ]);
    expect(new Set(all.map((repository) => repository.id)).size).toBe(1);
  });
});
