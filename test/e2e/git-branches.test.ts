import { branchEntitlementSchema, foldDisplayName } from "@branchward/core";
import { toEqualityFilter } from "@branchward/scim";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GitRepository, openGitRepository, openWorkshop, type Workshop } from "../support/repositories.ts";
import { addExamplePeople, startTestSystem, type TestSystem } from "../support/system.ts";

describe("with Branchward's hooks in a Git server and in alice's clone", () => {
  let system: TestSystem;
  let workshop: Workshop;

  beforeAll(async () => {
    system = await startTestSystem();
    workshop = await openWorkshop(system);
    await addExamplePeople(system.people);
  });
  afterAll(async () => {
    await workshop[Symbol.asyncDispose]();
    await system[Symbol.asyncDispose]();
  });

  const engineers = ["alice", "bob"];

  /** A repository whose first push has arrived: agents of two pushes may overtake each other. */
  async function open(name: string): Promise<GitRepository> {
    const repository = await openGitRepository(workshop, name);
    await system.branches.find({ repository: repository.name, branch: "main" });
    return repository;
  }

  /** Pushes a new branch from main and waits until engineering may push it. */
  async function pushNew({ name, git }: GitRepository, branch: string) {
    await git("push", "--quiet", "origin", `main:refs/heads/${branch}`);
    const found = await system.branches.find({ repository: name, branch });
    await system.branches.expectHolders(found.id, { push: branch.startsWith("release/") ? ["alice"] : engineers });
    await system.branches.settle(found.id);
    return found;
  }

  async function listGroupIds(incarnation: string): Promise<readonly string[]> {
    const groups = await system.scim.findGroups(
      toEqualityFilter(`${branchEntitlementSchema}:incarnation`, incarnation),
    );
    return groups.map((group) => group.id).toSorted();
  }

  it("a push of a new branch gives its entitlements to whom policy says, at the revision that was pushed", async () => {
    const repository = await open("creates");
    const branch = await pushNew(repository, "release/1.0");
    const head = (await repository.git("rev-parse", "main")).trim();
    expect(branch).toMatchObject({ vcs: "git", refType: "branch", head, previousNames: [], suspect: false });
    expect(await system.branches.holders(branch.id)).toEqual({ push: ["alice"], read: [] });
    const { status } = await system.api.status({ repository: repository.name, branch: "release/1.0", revision: head });
    expect(status).toMatchObject({ state: "in_sync", governed: true, incarnation: branch.id });
  });

  it("a further push moves the head and nothing else", async () => {
    const repository = await open("moves");
    const branch = await system.branches.find({ repository: repository.name, branch: "main" });
    const head = await repository.commit("second");
    await repository.git("push", "--quiet", "origin", "main");
    await expect.poll(async () => (await system.api.getBranch(branch.id)).head, { timeout: 20_000 }).toBe(head);
    expect(await system.branches.holders(branch.id)).toMatchObject({ push: engineers });
  });

  it.each([
    ["a later name", "dev/alpha", "release/omega"],
    ["an earlier name", "dev/omega", "release/alpha"],
    ["a name that sorts before", "dev/z", "dev/a"],
  ])(
    "a rename to %s in one push keeps the incarnation and its groups, under the new name's policy",
    async (_, from, to) => {
      const repository = await open(`renames-${to.replace("/", "-")}`);
      const branch = await pushNew(repository, from);
      const groups = await listGroupIds(branch.id);
      await repository.git("push", "--quiet", "origin", `main:refs/heads/${to}`, `:${from}`);
      const renamed = await system.branches.find({ repository: repository.name, branch: to });
      expect(renamed).toMatchObject({ id: branch.id, previousNames: [from] });
      await system.branches.expectHolders(branch.id, { push: to.startsWith("release/") ? ["alice"] : engineers });
      await system.branches.settle(branch.id);
      expect(await listGroupIds(branch.id)).toEqual(groups);
      expect(await system.api.listBranches(repository.name, from)).toEqual([]);
    },
  );

  it("a rename with a commit in between is one where the push says rename-from", async () => {
    const repository = await open("says-rename");
    const branch = await pushNew(repository, "dev/before");
    await repository.commit("more");
    await repository.git("push", "--quiet", "-o", "rename-from=dev/before", "origin", "main:dev/after", ":dev/before");
    const renamed = await system.branches.find({ repository: repository.name, branch: "dev/after" });
    expect(renamed).toMatchObject({ id: branch.id, previousNames: ["dev/before"] });
  });

  it("a delete and a create at another revision are never guessed to be a rename", async () => {
    const repository = await open("no-rename");
    const branch = await pushNew(repository, "dev/before");
    await repository.commit("more");
    await repository.git("push", "--quiet", "origin", "main:refs/heads/dev/after", ":dev/before");
    const created = await system.branches.find({ repository: repository.name, branch: "dev/after" });
    expect(created.id).not.toBe(branch.id);
    expect(await system.branches.find({ repository: repository.name, branch: "dev/before" }, "deleted")).toMatchObject({
      id: branch.id,
    });
  });

  it("a delete empties every group, and the branch answers as in sync once that is verified", async () => {
    const repository = await open("deletes");
    const branch = await pushNew(repository, "dev/short");
    await repository.git("push", "--quiet", "origin", ":dev/short");
    await system.branches.find({ repository: repository.name, branch: "dev/short" }, "deleted");
    await system.branches.expectHolders(branch.id, { push: [], read: [] });
    const { status } = await system.api.status({ repository: repository.name, branch: "dev/short", wait: "20s" });
    expect(status).toMatchObject({ state: "in_sync", incarnation: branch.id });
  });

  it("a branch that is made again under an old name inherits nothing of the old one (rule A8)", async () => {
    const repository = await open("again");
    const old = await pushNew(repository, "dev/phoenix");
    await repository.git("fetch", "--quiet");
    await repository.git("checkout", "--quiet", "--track", "origin/dev/phoenix");
    await system.branches.expectHolders(old.id, { read: ["alice"] });
    await repository.git("push", "--quiet", "origin", ":dev/phoenix");
    await system.branches.find({ repository: repository.name, branch: "dev/phoenix" }, "deleted");
    await repository.commit("another life");
    await repository.git("push", "--quiet", "origin", "HEAD:refs/heads/dev/phoenix");
    const reborn = await system.branches.find({ repository: repository.name, branch: "dev/phoenix" });
    expect(reborn.id).not.toBe(old.id);
    await system.branches.expectHolders(reborn.id, { push: engineers, read: [] });
    expect(await system.branches.holders(reborn.id)).toEqual({ push: engineers, read: [] });
    await system.branches.expectHolders(old.id, { push: [], read: [] });
  });

  it("of several branches at one commit, a delete takes exactly the one it names", async () => {
    const repository = await open("several");
    const names = ["dev/a", "dev/b", "dev/c"];
    await repository.git("push", "--quiet", "origin", ...names.map((name) => `main:refs/heads/${name}`));
    const [a, b, c] = await Promise.all(
      names.map((branch) => system.branches.find({ repository: repository.name, branch })),
    );
    await repository.git("push", "--quiet", "origin", ":dev/b");
    await system.branches.find({ repository: repository.name, branch: "dev/b" }, "deleted");
    await system.branches.expectHolders(b?.id ?? "", { push: [] });
    for (const branch of [a, c]) {
      expect(await system.api.getBranch(branch?.id ?? "")).toMatchObject({ state: "active", previousNames: [] });
      expect(await system.branches.holders(branch?.id ?? "")).toMatchObject({ push: engineers });
    }
  });

  it.each([
    "dev/a/b/c/d",
    "dev/größe-日本語-🌱",
    'dev/it\'s-"quoted"',
    "dev/<script>alert(1)</script>",
    "dev/$(touch${IFS}pwned);|&",
    "dev/100%-&amp;-#1",
    "dev/cafe\u0301",
  ])("a branch named %s is known by exactly that name until it is deleted", async (name) => {
    const repository = await open(`names-${Buffer.from(name).toString("hex").slice(0, 40)}`);
    const branch = await pushNew(repository, name);
    expect(branch.name).toBe(name);
    await repository.git("fetch", "--quiet");
    await repository.git("checkout", "--quiet", "--track", `origin/${name}`);
    await system.branches.expectHolders(branch.id, { read: ["alice"] });
    await repository.git("push", "--quiet", "origin", `:refs/heads/${name}`);
    await system.branches.find({ repository: repository.name, branch: name }, "deleted");
    await system.branches.expectHolders(branch.id, { push: [], read: [] });
  });

  it("branches pushed at once whose groups would bear one name get each its own, and no run fails over it (rule A8)", async () => {
    const repository = await open("collisions");
    const names = Array.from({ length: 8 }, (_, index) => [`dev/Same-${index}`, `dev/sAME-${index}`]).flat();
    await repository.git("push", "--quiet", "origin", ...names.map((name) => `main:refs/heads/${name}`));
    const groups = await Promise.all(
      names.map(async (branch) => {
        const { id } = await system.branches.find({ repository: repository.name, branch });
        await system.branches.expectHolders(id, { push: engineers });
        await system.branches.settle(id);
        expect((await system.api.listSyncs(id)).map(({ verdict }) => verdict)).not.toContain("failed");
        return system.scim.findGroups(toEqualityFilter(`${branchEntitlementSchema}:incarnation`, id));
      }),
    );
    const displayNames = groups.flat().map(({ displayName }) => displayName);
    expect(displayNames).toHaveLength(2 * names.length);
    expect(new Set(displayNames.map(foldDisplayName)).size).toBe(displayNames.length);
  });

  it("two names that differ only in their Unicode form are two branches (rule A3)", async () => {
    const repository = await open("forms");
    const composed = await pushNew(repository, "dev/caf\u00e9");
    const decomposed = await pushNew(repository, "dev/cafe\u0301");
    expect(decomposed.id).not.toBe(composed.id);
    await repository.git("push", "--quiet", "origin", ":dev/cafe\u0301");
    await system.branches.find({ repository: repository.name, branch: "dev/cafe\u0301" }, "deleted");
    await system.branches.expectHolders(decomposed.id, { push: [] });
    expect(await system.branches.holders(composed.id)).toMatchObject({ push: engineers });
  });

  it("what alice deletes in her clone alone changes nothing (rule A1)", async () => {
    const repository = await open("clone-delete");
    const branch = await pushNew(repository, "release/1.0");
    await repository.git("fetch", "--quiet");
    await repository.git("checkout", "--quiet", "--track", "origin/release/1.0");
    await system.branches.expectHolders(branch.id, { push: ["alice"], read: ["alice"] });
    await repository.git("checkout", "--quiet", "main");
    await system.branches.expectHolders(branch.id, { read: [] });
    await repository.git("branch", "-D", "release/1.0");
    await pushNew(repository, "dev/afterwards");
    expect(await system.api.getBranch(branch.id)).toMatchObject({ state: "active", suspect: false });
    expect(await system.branches.holders(branch.id)).toEqual({ push: ["alice"], read: [] });
  });

  it("what is pushed while Branchward is down is told once it is back, in order", async () => {
    const repository = await open("offline");
    const branch = await pushNew(repository, "dev/before");
    await system.stop();
    await repository.git("push", "--quiet", "origin", "main:refs/heads/release/during", ":dev/before");
    await repository.git("push", "--quiet", "origin", "main:refs/heads/dev/new");
    await repository.git("push", "--quiet", "origin", ":dev/new");
    await system.start();
    await system.branches.find({ repository: repository.name, branch: "dev/new" }, "deleted");
    const renamed = await system.branches.find({ repository: repository.name, branch: "release/during" });
    expect(renamed).toMatchObject({ id: branch.id, previousNames: ["dev/before"] });
    await system.branches.expectHolders(branch.id, { push: ["alice"] });
  });
});
