import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type HgRepository, openHgRepository, openWorkshop, type Workshop } from "../support/repositories.ts";
import { addExamplePeople, startTestSystem, type TestSystem } from "../support/system.ts";

describe("with Branchward's hooks in a Mercurial server and in alice's clone", () => {
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

  /** Opens a named branch with one changeset, pushes it, and goes back to default. */
  async function pushNamed({ name, hg, commit }: HgRepository, branch: string) {
    await hg("branch", "--quiet", branch);
    await commit(`on ${branch}`);
    await hg("push", "--quiet", "--new-branch");
    await hg("update", "--quiet", "default");
    const found = await system.branches.find({ repository: name, branch, refType: "branch" });
    await system.branches.expectHolders(found.id, { push: engineers });
    return found;
  }

  async function pushBookmark({ name, hg, commit }: HgRepository, bookmark: string) {
    await hg("bookmark", "--rev", ".", bookmark);
    await commit(`for ${bookmark}`);
    await hg("push", "--quiet", "--bookmark", bookmark);
    const found = await system.branches.find({ repository: name, branch: bookmark, refType: "bookmark" });
    await system.branches.expectHolders(found.id, { push: engineers });
    return found;
  }

  it.each(["spring cleaning", "größe 日本語", 'it\'s "quoted"', "<script>alert(1)", "dev/a/b"])(
    "a named branch %s is made, closed, and goes on with the same life when it is reopened (rule A7)",
    async (branch) => {
      const repository = await openHgRepository(workshop, `named-${Buffer.from(branch).toString("hex").slice(0, 30)}`);
      const opened = await pushNamed(repository, branch);
      expect(opened).toMatchObject({ name: branch, vcs: "hg", refType: "branch" });
      await repository.hg("update", "--quiet", branch);
      await system.branches.expectHolders(opened.id, { read: ["alice"] });
      await repository.hg("commit", "--close-branch", "--message", "done");
      await repository.hg("push", "--quiet");
      await system.branches.find({ repository: repository.name, branch }, "closed");
      await system.branches.expectHolders(opened.id, { push: [], read: [] });
      await repository.commit("once more");
      await repository.hg("push", "--quiet");
      const reopened = await system.branches.find({ repository: repository.name, branch });
      expect(reopened.id).toBe(opened.id);
      await system.branches.expectHolders(opened.id, { push: engineers });
    },
  );

  it("a closed branch answers as in sync once its groups are verified empty", async () => {
    const repository = await openHgRepository(workshop, "closed-status");
    const branch = await pushNamed(repository, "short");
    await repository.hg("update", "--quiet", "short");
    await repository.hg("commit", "--close-branch", "--message", "done");
    await repository.hg("push", "--quiet");
    await system.branches.find({ repository: repository.name, branch: "short" }, "closed");
    const { status } = await system.api.status({ repository: repository.name, branch: "short", wait: "20s" });
    expect(status).toMatchObject({ state: "in_sync", incarnation: branch.id });
    await system.branches.expectHolders(branch.id, { push: [] });
  });

  it.each([
    ["a later name", "dev/alpha", "release/omega"],
    ["an earlier name", "dev/omega", "dev/alpha"],
  ])("a bookmark renamed to %s in one push keeps its life", async (_, from, to) => {
    const repository = await openHgRepository(workshop, `renamed-${to.replace("/", "-")}`);
    const bookmark = await pushBookmark(repository, from);
    await repository.hg("bookmark", "--rename", from, to);
    await repository.hg("push", "--quiet", "--bookmark", to, "--bookmark", from);
    const renamed = await system.branches.find({ repository: repository.name, branch: to, refType: "bookmark" });
    expect(renamed).toMatchObject({ id: bookmark.id, previousNames: [from] });
    await system.branches.expectHolders(bookmark.id, { push: to.startsWith("release/") ? ["alice"] : engineers });
  });

  it("a deleted bookmark loses its groups, and one made again under its name is another", async () => {
    const repository = await openHgRepository(workshop, "deleted");
    const old = await pushBookmark(repository, "dev/radio");
    await repository.hg("bookmark", "--delete", "dev/radio");
    await repository.hg("push", "--quiet", "--bookmark", "dev/radio");
    await system.branches.find({ repository: repository.name, branch: "dev/radio" }, "deleted");
    await system.branches.expectHolders(old.id, { push: [] });
    const reborn = await pushBookmark(repository, "dev/radio");
    expect(reborn.id).not.toBe(old.id);
    expect(await system.branches.holders(old.id)).toMatchObject({ push: [] });
  });

  it("a bookmark and a named branch of one name are two branches (rule A3)", async () => {
    const repository = await openHgRepository(workshop, "twins");
    const named = await pushNamed(repository, "stable");
    // hg refuses a bookmark of a branch's name unless it is told to.
    await repository.hg("bookmark", "--force", "--rev", "default", "stable");
    await repository.hg("push", "--quiet", "--bookmark", "stable");
    const bookmark = await system.branches.find({
      repository: repository.name,
      branch: "stable",
      refType: "bookmark",
    });
    expect(bookmark.id).not.toBe(named.id);
    const question = { repository: repository.name, branch: "stable" };
    const ambiguous = await system.api.request(`/v1/sync-status?${new URLSearchParams(question).toString()}`);
    expect(ambiguous).toMatchObject({ status: 400, body: { code: "ambiguous_branch" } });
    for (const [refType, { id }] of [
      ["branch", named],
      ["bookmark", bookmark],
    ] as const) {
      const { status } = await system.api.status({ ...question, refType, wait: "20s" });
      expect(status).toMatchObject({ state: "in_sync", incarnation: id, refType });
    }
    await repository.hg("bookmark", "--delete", "stable");
    await repository.hg("push", "--quiet", "--bookmark", "stable");
    await system.branches.find({ repository: repository.name, branch: "stable", refType: "bookmark" }, "deleted");
    await system.branches.expectHolders(bookmark.id, { push: [] });
    expect(await system.branches.holders(named.id)).toMatchObject({ push: engineers });
  });

  it("an update to a bookmark gives its reader access, and leaving it takes the access away", async () => {
    const repository = await openHgRepository(workshop, "updates");
    const bookmark = await pushBookmark(repository, "dev/tuner");
    await repository.hg("update", "--quiet", "null");
    await repository.hg("update", "--quiet", "dev/tuner");
    await system.branches.expectHolders(bookmark.id, { read: ["alice"] });
    await repository.hg("update", "--quiet", "null");
    await system.branches.expectHolders(bookmark.id, { read: [] });
    expect(await system.branches.holders(bookmark.id)).toEqual({ push: engineers, read: [] });
  });

  it("what is pushed while Branchward is down is told once it is back", async () => {
    const repository = await openHgRepository(workshop, "offline");
    await system.branches.find({ repository: repository.name, branch: "default" });
    await system.stop();
    await repository.hg("bookmark", "--rev", ".", "dev/offline");
    await repository.hg("push", "--quiet", "--bookmark", "dev/offline");
    await system.start();
    const told = await system.branches.find({ repository: repository.name, branch: "dev/offline" });
    expect(told).toMatchObject({ refType: "bookmark", state: "active" });
    await system.branches.expectHolders(told.id, { push: engineers });
  });
});
