import { randomUUID } from "node:crypto";
import { branchEntitlementSchema } from "@branchward/core";
import { toEqualityFilter } from "@branchward/scim";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createGithubRepository, type GithubRepository, makeRevision, signGithub } from "../support/deliveries.ts";
import { addExamplePeople, EXAMPLE_POLICY, startTestSystem, type TestSystem } from "../support/system.ts";

const engineers = ["alice", "bob"];

/** All orders of these. */
function permute<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length <= 1) return [items];
  return items.flatMap((item, index) => permute(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
}

describe.each(["postgres", "redis"] as const)("GitHub, with the queue on %s,", (backend) => {
  let system: TestSystem;

  beforeAll(async () => {
    system = await startTestSystem({ backend });
    await addExamplePeople(system.people);
  });
  afterAll(() => system[Symbol.asyncDispose]());

  const open = (name: string): GithubRepository => createGithubRepository(system.post, `acme/${name}`);

  /** A branch made by `create` and `push`, as GitHub tells it, with its groups filled. */
  async function make(github: GithubRepository, branch: string, head: string) {
    await github.create(branch);
    await github.push({ branch, after: head });
    const found = await system.branches.find({ repository: github.name, branch });
    await system.branches.expectHolders(found.id, { push: branch.startsWith("release/") ? ["alice"] : engineers });
    await system.branches.settle(found.id);
    return found;
  }

  it.each(permute(["create", "push"] as const).map((order) => [order.join(", then "), order] as const))(
    "tells a new branch by %s: one branch at the pushed revision",
    async (_, order) => {
      const github = open(`new-${order.join("-")}`);
      const head = makeRevision();
      for (const event of order) {
        if (event === "create") await github.create("dev/new");
        else await github.push({ branch: "dev/new", after: head });
      }
      const branches = await system.api.listBranches(github.name);
      expect(branches).toMatchObject([{ name: "dev/new", head, state: "active", suspect: false }]);
      await system.branches.expectHolders(branches[0]?.id ?? "", { push: engineers });
    },
  );

  const life = permute(["create", "push-created", "delete", "push-deleted"] as const);
  const causal = life.filter((order) => order.indexOf("push-created") < order.indexOf("push-deleted"));
  it.each(causal.map((order) => [order.join(", "), order] as const))(
    "tells a whole life in the order %s: one branch, deleted, with nobody left in its groups",
    async (_, order) => {
      const github = open(`life-${order.join("-")}`);
      const head = makeRevision();
      const send = {
        create: () => github.create("dev/x"),
        delete: () => github.delete("dev/x"),
        "push-created": () => github.push({ branch: "dev/x", after: head }),
        "push-deleted": () => github.push({ branch: "dev/x", before: head }),
      };
      for (const event of order) await send[event]();
      const branches = await system.api.listBranches(github.name);
      expect(branches).toMatchObject([{ name: "dev/x", state: "deleted" }]);
      const held = await system.branches.holders(branches[0]?.id ?? "");
      expect(Object.values(held).flat()).toEqual([]);
    },
  );

  it("deletes a branch without naming its revision: it is suspect and keeps its access until the push tells", async () => {
    const github = open("suspect");
    const head = makeRevision();
    const { id } = await make(github, "dev/x", head);
    await github.delete("dev/x");
    expect(await system.api.getBranch(id)).toMatchObject({ state: "active", suspect: true });
    expect(await system.branches.holders(id)).toMatchObject({ push: engineers });
    await github.push({ branch: "dev/x", before: head });
    expect(await system.api.getBranch(id)).toMatchObject({ state: "deleted", suspect: false });
    await system.branches.expectHolders(id, { push: [] });
  });

  it("deletes at a revision that is not the known head: the branch stays, suspect", async () => {
    const github = open("stale-delete");
    const { id } = await make(github, "dev/x", makeRevision());
    await github.push({ branch: "dev/x", before: makeRevision() });
    expect(await system.api.getBranch(id)).toMatchObject({ state: "active", suspect: true });
    expect(await system.branches.holders(id)).toMatchObject({ push: engineers });
  });

  it.each([
    ["delete first", ["deleted", "created"]],
    ["create first", ["created", "deleted"]],
  ] as const)(
    "renames a branch across deliveries, %s: its life goes on under the stricter policy",
    async (_, order) => {
      const github = open(`rename-${order.join("-")}`);
      const head = makeRevision();
      const old = await make(github, "dev/x", head);
      const groups = await listGroups(old.id);
      const send = {
        deleted: () => github.push({ branch: "dev/x", before: head }),
        created: () => github.push({ branch: "release/x", after: head }),
      };
      for (const half of order) await send[half]();
      const renamed = await system.branches.find({ repository: github.name, branch: "release/x" });
      expect(renamed).toMatchObject({ id: old.id, previousNames: ["dev/x"], head });
      await system.branches.expectHolders(old.id, { push: ["alice"] });
      await system.branches.settle(old.id);
      expect((await listGroups(old.id)).map((group) => group.id)).toEqual(groups.map((group) => group.id));
      const live = (await system.api.listBranches(github.name)).filter((branch) => branch.state === "active");
      expect(live).toHaveLength(1);
    },
  );

  async function listGroups(incarnation: string) {
    const groups = await system.scim.findGroups(
      toEqualityFilter(`${branchEntitlementSchema}:incarnation`, incarnation),
    );
    return groups.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  it("answers with the survivor for the id of a branch that was merged into it, whose groups are gone (rule A5)", async () => {
    const github = open("merged");
    const head = makeRevision();
    const old = await make(github, "dev/x", head);
    await github.push({ branch: "dev/y", after: head });
    const younger = await system.branches.find({ repository: github.name, branch: "dev/y" });
    await system.branches.settle(younger.id);
    await github.push({ branch: "dev/x", before: head });
    await system.branches.expectHolders(old.id, { push: engineers });
    expect(younger.id).not.toBe(old.id);
    expect(await system.api.getBranch(younger.id)).toMatchObject({ id: old.id, name: "dev/y" });
    await expect.poll(() => listGroups(younger.id), { timeout: 20_000 }).toEqual([]);
    const { status } = await system.api.status({ repository: github.name, branch: "dev/y", wait: "20s" });
    expect(status).toMatchObject({ state: "in_sync", incarnation: old.id });
  });

  it("never holds more than the stricter of two names allows while a rename is under way (rule A5)", async () => {
    const github = open("strict");
    const head = makeRevision();
    const old = await make(github, "release/1.0", head);
    await github.push({ branch: "release/1.0", before: head });
    await github.push({ branch: "dev/relaxed", after: head });
    await system.branches.expectHolders(old.id, { push: engineers });
    // Whoever the new name alone allows comes with a run after the first that was verified under both.
    await vi.waitFor(
      async () => {
        const syncs = (await system.api.listSyncs(old.id)).toReversed();
        const bodies = await Promise.all(
          syncs.map(async ({ id }) => JSON.stringify((await system.api.request(`/v1/syncs/${id}`)).body)),
        );
        const given = bodies.findIndex((body) => body.includes('"bob"'));
        expect(given).toBeGreaterThan(0);
        expect(syncs.slice(0, given).filter((sync) => sync.verdict === "verified").length).toBeGreaterThan(1);
        expect(given).toBeGreaterThanOrEqual(syncs.findIndex((sync) => sync.reason === "rename"));
      },
      { timeout: 20_000 },
    );
  });

  it.each([
    ["its halves are of different people", { sender: "bob" }, {}],
    ["its halves are at different revisions", {}, { after: makeRevision() }],
  ])("makes no rename of a delete and a create where %s", async (reason, byOther, elsewhere) => {
    const github = open(`no-rename-${reason.replaceAll(" ", "-")}`);
    const head = makeRevision();
    const old = await make(github, "dev/x", head);
    await github.push({ branch: "dev/x", before: head });
    await github.push({ branch: "dev/y", after: head, ...byOther, ...elsewhere });
    const other = await system.branches.find({ repository: github.name, branch: "dev/y" });
    expect(other).toMatchObject({ previousNames: [] });
    expect(other.id).not.toBe(old.id);
    expect(await system.api.getBranch(old.id)).toMatchObject({ state: "deleted", name: "dev/x" });
  });

  it("makes no rename where two branches could be the new name", async () => {
    const github = open("ambiguous");
    const head = makeRevision();
    const old = await make(github, "dev/x", head);
    await github.push({ branch: "dev/y", after: head });
    await github.push({ branch: "dev/z", after: head });
    await github.push({ branch: "dev/x", before: head });
    const branches = await system.api.listBranches(github.name);
    expect(branches.map(({ name, state, previousNames }) => ({ name, state, previousNames }))).toEqual([
      { name: "dev/z", state: "active", previousNames: [] },
      { name: "dev/y", state: "active", previousNames: [] },
      { name: "dev/x", state: "deleted", previousNames: [] },
    ]);
    await system.branches.expectHolders(old.id, { push: [] });
  });

  it("takes back a branch that was deleted and renamed within the window, with the groups it had (rule A6)", async () => {
    const github = open("taken-back");
    const head = makeRevision();
    const old = await make(github, "dev/x", head);
    const groups = (await listGroups(old.id)).map((group) => group.id);
    await github.push({ branch: "dev/x", before: head });
    await system.branches.expectHolders(old.id, { push: [] });
    await github.push({ branch: "dev/y", after: head });
    await system.branches.expectHolders(old.id, { push: engineers });
    await system.branches.settle(old.id);
    expect((await listGroups(old.id)).map((group) => group.id)).toEqual(groups);
    expect((await listGroups(old.id)).map((group) => group.displayName)).toContain(`${github.name}:dev/y:push`);
  });

  it("tells a repository's rename by its native id: its branches go on, and a new one under the old name is another (rule A2)", async () => {
    const github = open("web");
    const head = makeRevision();
    const old = await make(github, "main", head);
    const moved = github.renamed("acme/site");
    const next = makeRevision();
    await moved.push({ branch: "main", before: head, after: next });
    const kept = await system.branches.find({ repository: "acme/site", branch: "main" });
    expect(kept).toMatchObject({ id: old.id, head: next });
    const newcomer = createGithubRepository(system.post, "acme/web");
    await newcomer.push({ branch: "main", after: makeRevision() });
    const fresh = await system.branches.find({ repository: "acme/web", branch: "main" });
    expect(fresh.id).not.toBe(old.id);
    await system.branches.expectHolders(fresh.id, { push: engineers });
    await newcomer.push({ branch: "main", before: fresh.head });
    await system.branches.expectHolders(fresh.id, { push: [] });
    expect(await system.branches.holders(old.id)).toMatchObject({ push: engineers });
    expect((await listGroups(old.id)).map((group) => group.displayName)).toContain("acme/site:main:push");
  });

  it("answers for the repository that bears the name now, where nothing told what became of the one before (rule A2)", async () => {
    const former = open("twice");
    await former.push({ branch: "main", after: makeRevision() });
    const newcomer = open("twice");
    const head = makeRevision();
    await newcomer.push({ branch: "main", after: head });
    const { status } = await system.api.status({ repository: newcomer.name, branch: "main", wait: "20s" });
    expect(status).toMatchObject({ state: "in_sync", revision: head });
    const [branch] = await system.api.listBranches(newcomer.name, "main");
    expect(status.incarnation).toBe(branch?.id);
    await former.renamed("acme/once").tellName("renamed");
    const { status: other } = await system.api.status({ repository: "acme/once", branch: "main", wait: "20s" });
    expect(other.incarnation).not.toBe(branch?.id);
  });

  it("redelivers: the second is a duplicate, and a re-created branch is not deleted by its forerunner's delete (rule A4)", async () => {
    const github = open("redelivery");
    const head = makeRevision();
    await make(github, "dev/x", head);
    const body = JSON.stringify({
      ref: "dev/x",
      ref_type: "branch",
      repository: { id: github.nativeId, full_name: github.name },
      sender: { login: "alice" },
    });
    const hint = { event: "delete", body, id: randomUUID() };
    const first = await system.post("github", signGithub(hint), body);
    await github.push({ branch: "dev/x", before: head });
    await github.push({ branch: "dev/x", after: makeRevision() });
    const reborn = await system.branches.find({ repository: github.name, branch: "dev/x" });
    await system.branches.expectHolders(reborn.id, { push: engineers });
    expect((await system.post("github", signGithub(hint), body)).body).toMatchObject({ duplicate: true });
    const underNewId = await system.post("github", signGithub({ ...hint, id: randomUUID() }), body);
    expect({ first: first.body, again: underNewId.body }).toMatchObject({
      first: { duplicate: false },
      again: { duplicate: true },
    });
    await github.delete("dev/x");
    expect(await system.api.getBranch(reborn.id)).toMatchObject({ state: "active" });
    expect(await system.branches.holders(reborn.id)).toMatchObject({ push: engineers });
  });
});

describe("GitHub, outside of the pairing window,", () => {
  let system: TestSystem;

  beforeAll(async () => {
    system = await startTestSystem({ pairingWindow: "1ms" });
    await addExamplePeople(system.people);
  });
  afterAll(() => system[Symbol.asyncDispose]());

  it.each([
    ["delete first", ["deleted", "created"]],
    ["create first", ["created", "deleted"]],
  ] as const)("deletes one branch and creates another, %s", async (_, order) => {
    const github = createGithubRepository(system.post, `acme/late-${order.join("-")}`);
    const head = makeRevision();
    await github.push({ branch: "dev/x", after: head });
    const old = await system.branches.find({ repository: github.name, branch: "dev/x" });
    await system.branches.expectHolders(old.id, { push: engineers });
    const send = {
      deleted: () => github.push({ branch: "dev/x", before: head }),
      created: () => github.push({ branch: "dev/y", after: head }),
    };
    for (const half of order) await send[half]();
    const other = await system.branches.find({ repository: github.name, branch: "dev/y" });
    expect(other).toMatchObject({ previousNames: [] });
    expect(other.id).not.toBe(old.id);
    await system.branches.expectHolders(other.id, { push: engineers });
  });

  it("removes the emptied groups of a deleted branch altogether", async () => {
    const github = createGithubRepository(system.post, "acme/removed");
    const head = makeRevision();
    await github.push({ branch: "dev/x", after: head });
    const { id } = await system.branches.find({ repository: github.name, branch: "dev/x" });
    await system.branches.expectHolders(id, { push: engineers });
    await github.push({ branch: "dev/x", before: head });
    await expect.poll(() => system.branches.holders(id), { timeout: 20_000 }).toEqual({});
  });
});

describe("GitHub, where policy names repositories,", () => {
  let system: TestSystem;

  beforeAll(async () => {
    system = await startTestSystem({
      policy: EXAMPLE_POLICY.replaceAll('"**"]\n    branches', '"acme/*"]\n    branches'),
    });
    await addExamplePeople(system.people);
  });
  afterAll(() => system[Symbol.asyncDispose]());

  it.each([
    ["a push", "acme/sold"],
    ["transferred", "acme/given"],
    ["renamed", "acme/called"],
  ] as const)(
    "a repository that %s tells to bear another loses what policy gave, on every branch (rule A2)",
    async (told, name) => {
      const github = createGithubRepository(system.post, name);
      const head = makeRevision();
      await github.push({ branch: "main", after: head });
      await github.push({ branch: "dev/x", after: makeRevision() });
      const main = await system.branches.find({ repository: name, branch: "main" });
      const other = await system.branches.find({ repository: name, branch: "dev/x" });
      for (const { id } of [main, other]) await system.branches.expectHolders(id, { push: engineers });
      const moved = github.renamed("elsewhere/bought");
      await (told === "a push"
        ? moved.push({ branch: "main", before: head, after: makeRevision() })
        : moved.tellName(told));
      for (const { id } of [main, other]) {
        await expect
          .poll(async () => Object.values(await system.branches.holders(id)).flat(), { timeout: 5_000 })
          .toEqual([]);
      }
    },
  );
});
