import { randomInt } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createGithubRepository, makeRevision } from "../support/deliveries.ts";
import { type GithubApi, openGithubApi } from "../support/github-api.ts";
import { addExamplePeople, startTestSystem, type TestSystem } from "../support/system.ts";

const engineers = ["alice", "bob"];

describe.each(["postgres", "redis"] as const)("GitHub, asked for its branches, with the queue on %s,", (backend) => {
  let system: TestSystem;
  let api: GithubApi;

  beforeAll(async () => {
    api = await openGithubApi();
    system = await startTestSystem({
      backend,
      sources: `
sources:
  - name: github
    type: github
    secret: { env: GITHUB_SECRET }
    may: [refs]
    api: { url: "${api.url}", token: { env: API_TOKEN } }
`,
      secretEnv: { API_TOKEN: api.token },
    });
    await addExamplePeople(system.people);
  });
  afterEach(() => api.refuse(null));
  afterAll(async () => {
    await system[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  /** A repository with `main` and another branch, at GitHub and known by its pushes. */
  async function open(name: string, branch = "dev/x") {
    const github = createGithubRepository(system.post, `acme/${name}`, { nativeId: randomInt(1, 2 ** 40) });
    const heads = { main: makeRevision(), [branch]: makeRevision() };
    const hosted = api.host({ id: github.nativeId, name: github.name, branches: new Map(Object.entries(heads)) });
    for (const [each, head] of hosted.branches) await github.push({ branch: each, after: head });
    const found = await system.branches.find({ repository: github.name, branch });
    await system.branches.expectHolders(found.id, { push: engineers });
    return { github, hosted, branch, id: found.id, head: found.head ?? "" };
  }

  const listFindings = async (name: string) =>
    (await system.api.listFindings()).filter(
      ({ kind, subject }) => kind === "source-unavailable" && subject.endsWith(name),
    );

  it("ends a branch whose delete named no revision, once GitHub shows it gone (rule A4)", async () => {
    const { github, hosted, branch, id } = await open("gone");
    hosted.branches.delete(branch);
    await github.delete(branch);
    await expect
      .poll(() => system.api.getBranch(id), { timeout: 20_000 })
      .toMatchObject({ state: "deleted", suspect: false });
    await system.branches.expectHolders(id, { push: [] });
  });

  it("still tells a rename whose delete named no revision and was seen at GitHub", async () => {
    const { github, hosted, branch, id, head } = await open("renamed");
    hosted.branches.delete(branch);
    hosted.branches.set("dev/renamed", head);
    await github.delete(branch);
    await expect.poll(() => system.api.getBranch(id), { timeout: 20_000 }).toMatchObject({ state: "deleted" });
    await github.push({ branch: "dev/renamed", after: head });
    expect(await system.branches.find({ repository: github.name, branch: "dev/renamed" })).toMatchObject({
      id,
      previousNames: [branch],
    });
  });

  it("clears a branch that is there as it was known", async () => {
    const { github, branch, id, head } = await open("there");
    await github.delete(branch);
    await expect
      .poll(() => system.api.getBranch(id), { timeout: 20_000 })
      .toMatchObject({ state: "active", suspect: false, head });
    expect(await system.branches.holders(id)).toMatchObject({ push: engineers });
  });

  it.each([
    ["shows no repository", (name: string): void => api.hide(name)],
    ["shows a repository without its contents", (name: string): void => api.hideContents(name)],
    [
      "shows another repository under the name",
      (name: string): void => void api.host({ id: 1, name, branches: new Map() }),
    ],
    ["takes no token", (): void => api.refuse({ status: 401 })],
    ["permits nothing", (): void => api.refuse({ status: 403, body: { message: "Resource not accessible" } })],
    ["is broken", (): void => api.refuse({ status: 502 })],
    [
      "sends elsewhere",
      (): void => api.refuse({ status: 301, headers: { location: "http://127.0.0.1:1/repositories/1" } }),
    ],
    ["answers with what is no JSON object", (): void => api.refuse({ status: 200, body: [] })],
  ] as const)("keeps a suspect branch and its access where GitHub %s, and says so", async (reason, spoil) => {
    const { github, hosted, branch, id } = await open(`kept-${reason.replaceAll(" ", "-")}`);
    hosted.branches.delete(branch);
    spoil(github.name);
    await github.delete(branch);
    await expect.poll(() => listFindings(github.name), { timeout: 20_000 }).toHaveLength(1);
    expect(await system.api.getBranch(id)).toMatchObject({ state: "active", suspect: true });
    expect(await system.branches.holders(id)).toMatchObject({ push: engineers });
  });

  it("looks again once GitHub answers, and the finding goes", async () => {
    const { github, hosted, branch, id } = await open("again");
    hosted.branches.delete(branch);
    api.refuse({ status: 503 });
    await github.delete(branch);
    await expect.poll(() => listFindings(github.name), { timeout: 20_000 }).toHaveLength(1);
    api.refuse(null);
    await expect.poll(() => system.api.getBranch(id), { timeout: 30_000 }).toMatchObject({ state: "deleted" });
    await expect.poll(() => listFindings(github.name), { timeout: 20_000 }).toEqual([]);
  });

  it("tells CI of a revision whose push was lost, after GitHub was asked for it once (rule D1)", async () => {
    const { github, hosted } = await open("lost");
    const head = makeRevision();
    hosted.branches.set("main", head);
    const question = { repository: github.name, branch: "main", revision: head };
    expect((await system.api.status(question)).status.state).toBe("unknown");
    expect(await system.api.status({ ...question, wait: "30s" })).toMatchObject({
      http: 200,
      status: { state: "in_sync", revision: head },
    });
    const unknown = { ...question, revision: makeRevision(), wait: "12s" };
    const before = api.calls.length;
    expect((await system.api.status(unknown)).status.state).toBe("unknown");
    const looks = api.calls.slice(before).filter((call) => call.endsWith(`/${github.name}/git/ref/heads%2Fmain`));
    expect(looks).toHaveLength(1);
  });
});
