/** Several sources that feed one repository, and repositories that take another's name (rule A2). */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createGithubRepository,
  GITHUB_SECRET,
  type GithubRepository,
  makeRevision,
  signAgent,
  toCheckoutBody,
  toDeliveryId,
  toReceiveBody,
} from "../support/deliveries.ts";
import { addExamplePeople, EXAMPLE_POLICY, startTestSystem, type TestSystem } from "../support/system.ts";

const engineers = ["alice", "bob"];

const sources = `
sources:
  - { name: github, type: github, secret: { env: GITHUB_SECRET }, may: [refs] }
  - { name: mirror, type: github, secret: { env: GITHUB_SECRET }, may: [refs] }
repositories:
  - { name: acme/web, authority: github, sources: [github, mirror] }
`;

describe("a mirror of a repository (rule A2)", () => {
  let stack = new AsyncDisposableStack();
  const context: { system: TestSystem; github: GithubRepository; mirror: GithubRepository } = {} as never;
  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    const system = stack.use(
      await startTestSystem({
        sources,
        secretEnv: { GITHUB_SECRET },
        policy: EXAMPLE_POLICY.replaceAll('"**"]\n    branches', '"acme/*"]\n    branches'),
      }),
    );
    await addExamplePeople(system.people);
    const github = createGithubRepository(system.post, "acme/web");
    const mirror = createGithubRepository(system.post, "acme/web", { source: "mirror" });
    Object.assign(context, { system, github, mirror });
  });
  afterEach(() => stack.disposeAsync());

  /** A branch that both have, and its head. */
  async function make(branch: string) {
    const { system, github, mirror } = context;
    const head = makeRevision();
    await github.push({ branch, after: head });
    await mirror.push({ branch, after: head });
    const { id } = await system.branches.find({ repository: github.name, branch });
    await system.branches.expectHolders(id, { push: engineers });
    return { id, head };
  }

  /** What came of the newest delivery. */
  async function listNotes() {
    const { api } = context.system;
    const [newest] = await api.listDeliveries();
    const { events } = await api.getDelivery(newest?.id ?? "");
    return events.map(({ kind, note }) => [kind, note]);
  }

  it("that is pruned revokes nothing, also after the repository was renamed at its authority", async () => {
    const { system, github, mirror } = context;
    const { id, head } = await make("dev/x");
    await mirror.push({ branch: "dev/x", before: head });
    expect(await listNotes()).toEqual([["delete", "not-authority"]]);
    await github.renamed("acme/site").push({ branch: "main", after: makeRevision() });
    await mirror.push({ branch: "dev/x", before: head });
    expect(await listNotes()).toEqual([["delete", "not-authority"]]);
    expect(await system.branches.holders(id)).toMatchObject({ push: engineers });
  });

  it("does not hand the repository to another that takes its name at the authority", async () => {
    const { system, github } = context;
    const { id, head } = await make("dev/x");
    await github.renamed("acme/site").push({ branch: "main", after: makeRevision() });
    const newcomer = createGithubRepository(system.post, "acme/web");
    await newcomer.push({ branch: "dev/x", before: head });
    await newcomer.push({ branch: "dev/y", after: makeRevision() });
    const other = await system.branches.find({ repository: "acme/web", branch: "dev/y" });
    expect(await system.branches.holders(other.id)).toMatchObject({ push: engineers });
    expect(await system.api.getBranch(id)).toMatchObject({ repository: "acme/site", state: "active", head });
  });

  it("that is renamed leaves the repository its name, and is no authority by that", async () => {
    const { system, mirror } = context;
    const { id, head } = await make("dev/x");
    const moved = mirror.renamed("mirrors/web");
    await moved.push({ branch: "dev/x", before: head });
    expect(await listNotes()).toEqual([["delete", "not-authority"]]);
    expect(await system.api.getBranch(id)).toMatchObject({ repository: "acme/web", state: "active" });
    expect(await system.branches.holders(id)).toMatchObject({ push: engineers });
  });
});

describe("sources that are joined after each told of a repository of one name (rule A2)", () => {
  it("are one from then on: the authority's branch answers, and checkouts are on it", async () => {
    await using system = await startTestSystem();
    await addExamplePeople(system.people);
    const repository = "acme/late";
    const github = createGithubRepository(system.post, repository);
    const tell = async (body: string) => toDeliveryId(await system.post("agents", signAgent({ body }), body));
    const head = makeRevision();
    await tell(
      toReceiveBody({ repository, changes: [{ kind: "create", name: "dev/x", before: null, after: makeRevision() }] }),
    );
    await github.push({ branch: "dev/x", after: head });
    const question = `/v1/sync-status?${new URLSearchParams({ repository, branch: "dev/x" }).toString()}`;
    expect(await system.api.request(question)).toMatchObject({ body: { code: "ambiguous_repository" } });
    await system.stop();
    const joined = `repositories: [{ name: ${repository}, authority: github, sources: [github, agents] }]`;
    await system.start(`${EXAMPLE_POLICY}\n${joined}\n`);
    await tell(toCheckoutBody({ repository, branch: "dev/x" }));
    const { status } = await system.api.status({ repository, branch: "dev/x", wait: "20s" });
    expect(status).toMatchObject({ state: "in_sync", revision: head });
    await system.branches.expectHolders(status.incarnation ?? "", { push: engineers, read: ["alice"] });
  });
});
