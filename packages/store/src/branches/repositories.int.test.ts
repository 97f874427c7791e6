import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resolveRepository, type ToldRepository } from "./repositories.ts";
import { openTestDatabase, type TestDatabase } from "../testing.ts";

const git = { vcs: "git" } as const;

describe("a source's claim of a repository (rule A2)", () => {
  const context: { database: TestDatabase } = {} as never;
  beforeAll(async () => {
    context.database = await openTestDatabase();
  });
  afterAll(() => context.database[Symbol.asyncDispose]());

  const resolve = (source: string, nativeId: string | null, name: string, more: Partial<ToldRepository> = {}) =>
    context.database.db
      .transaction()
      .execute((trx) => resolveRepository(trx, { source, claim: { ...git, nativeId, name }, joined: [], ...more }));

  it("keeps the repository when the host renames it, and gives a new one to whoever takes the old name", async () => {
    const web = await resolve("github", "1", "acme/web");
    const site = await resolve("github", "1", "acme/site");
    const newcomer = await resolve("github", "2", "acme/web");
    expect(site).toEqual({ id: web.id, name: "acme/site", isRenamed: true, isAuthority: true });
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
    const joined = [{ name: "acme/mirror", authority: "github", sources: ["github", "agents"] }];
    expect((await resolve("agents", null, "acme/mirror", { joined })).id).toBe(github.id);
  });

  describe("where several sources feed it", () => {
    const join = (name: string, authority = "github") => [{ name, authority, sources: ["github", "gitlab", "agents"] }];

    it("is the authority's word alone, whichever of them is renamed, and in any order", async () => {
      const joined = join("acme/shop");
      const told = { joined };
      const { id } = await resolve("gitlab", "21", "acme/shop", told);
      expect(await resolve("github", "20", "acme/shop", told)).toMatchObject({ id, isAuthority: true });
      for (const mirror of ["acme/shop", "mirrors/shop"]) {
        const seen = { id, name: "acme/shop", isRenamed: false, isAuthority: false };
        expect(await resolve("gitlab", "21", mirror, told)).toEqual(seen);
      }
      expect(await resolve("github", "20", "acme/store", told)).toMatchObject({ id, isRenamed: true });
      for (const mirror of ["acme/shop", "acme/store"]) {
        const seen = { id, name: "acme/store", isRenamed: false, isAuthority: false };
        expect(await resolve("gitlab", "21", mirror, told)).toEqual(seen);
      }
    });

    it("stays the word of whoever made it known where configuration joins them no longer", async () => {
      const joined = join("acme/split", "gitlab");
      await resolve("github", "30", "acme/split", { joined });
      expect(await resolve("gitlab", "31", "acme/split", { joined })).toMatchObject({ isAuthority: true });
      expect(await resolve("gitlab", "31", "acme/split")).toMatchObject({ isAuthority: false });
      expect(await resolve("github", "30", "acme/split")).toMatchObject({ isAuthority: true });
    });

    it("means another repository once the authority gives the name to another, for a source that has the name alone", async () => {
      const joined = join("acme/old");
      const first = await resolve("github", "40", "acme/old", { joined });
      expect((await resolve("agents", null, "acme/old", { joined })).id).toBe(first.id);
      await resolve("github", "40", "acme/new", { joined });
      expect((await resolve("agents", null, "acme/old", { joined })).id).toBe(first.id);
      const newcomer = await resolve("github", "41", "acme/old", { joined });
      expect(newcomer.id).not.toBe(first.id);
      expect(await resolve("agents", null, "acme/old", { joined })).toMatchObject({
        id: newcomer.id,
        isAuthority: false,
      });
    });

    it("means the authority's repository where they told of it apart before they were joined", async () => {
      const alone = await resolve("agents", null, "acme/late");
      const github = await resolve("github", "50", "acme/late");
      expect(alone.id).not.toBe(github.id);
      expect((await resolve("agents", null, "acme/late", { joined: join("acme/late") })).id).toBe(github.id);
    });
  });

  it("is not renamed by what was told earlier and is applied now", async () => {
    const { id } = await resolve("github", "60", "acme/past");
    await resolve("github", "60", "acme/present");
    expect(await resolve("github", "60", "acme/past", { isPast: true })).toMatchObject({ id, name: "acme/present" });
    expect((await resolve("github", "60", "acme/present")).isRenamed).toBe(false);
  });

  it("makes one repository of many first claims at once", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => resolve("github", "99", "acme/burst")));
    expect(new Set(all.map((repository) => repository.id)).size).toBe(1);
  });

  it("makes one repository of first claims by two joined sources at once", async () => {
    const joined = [{ name: "acme/both", authority: "github", sources: ["github", "agents"] }];
    const all = await Promise.all([
      resolve("github", "100", "acme/both", { joined }),
      resolve("agents", null, "acme/both", { joined }),
    ]);
    expect(new Set(all.map((repository) => repository.id)).size).toBe(1);
  });
});
