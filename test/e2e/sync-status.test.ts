import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGithubRepository, makeRevision, MERGE_QUEUE, toQueueBranch } from "../support/deliveries.ts";
import { addExamplePeople, EXAMPLE_POLICY, startTestSystem, type TestSystem } from "../support/system.ts";

describe("sync-status", () => {
  let system: TestSystem;

  beforeAll(async () => {
    system = await startTestSystem();
    await addExamplePeople(system.people);
  });
  afterAll(() => system[Symbol.asyncDispose]());

  it("is told to tokens of the scopes status, read and admin, to no other and to nobody without one", async () => {
    const path = "/v1/sync-status?repository=acme/web&branch=main";
    for (const [scope, status] of [
      ["status", 404],
      ["read", 404],
      ["admin", 404],
      ["scim", 403],
      ["agent", 403],
    ] as const) {
      const made = await system.api.request("/v1/tokens", { method: "POST", body: { client: `c-${scope}`, scope } });
      const secret = /"secret":"([^"]+)"/u.exec(JSON.stringify(made.body))?.[1] ?? "";
      expect({ scope, status: (await system.api.request(path, { token: secret })).status }).toEqual({ scope, status });
    }
    const without = await system.api.request(path, { token: null });
    expect(without).toMatchObject({ status: 401, body: { status: 401, code: expect.any(String) } });
    expect((await system.api.request(path, { token: "bw_status_nonsense" })).status).toBe(401);
  });

  it("of a branch that nobody told of is 404 unknown, with every member of the answer", async () => {
    const { http, status } = await system.api.status({ repository: "acme/none", branch: "main" });
    expect({ http, status }).toEqual({
      http: 404,
      status: {
        state: "unknown",
        conclusion: "waiting",
        repository: "acme/none",
        branch: "main",
        refType: null,
        revision: null,
        incarnation: null,
        governed: false,
        degraded: false,
        endpoints: [],
        sync: null,
      },
    });
  });

  it("with wait holds an unknown branch until it is pushed and verified", async () => {
    const github = createGithubRepository(system.post, "acme/held");
    const waiting = system.api.status({ repository: github.name, branch: "dev/x", wait: "20s" });
    const head = makeRevision();
    await github.push({ branch: "dev/x", after: head });
    expect(await waiting).toMatchObject({
      http: 200,
      status: {
        state: "in_sync",
        conclusion: "success",
        refType: "branch",
        revision: head,
        governed: true,
        degraded: false,
        endpoints: [{ endpoint: "directory", verdict: "verified" }],
      },
    });
  });

  it("with wait holds a revision that is not known yet, and answers unknown when it does not come", async () => {
    const github = createGithubRepository(system.post, "acme/revisions");
    const [first, second] = [makeRevision(), makeRevision()];
    await github.push({ branch: "main", after: first });
    const question = { repository: github.name, branch: "main", revision: second };
    const waiting = system.api.status({ ...question, wait: "20s" });
    expect(await system.api.status({ ...question, wait: "50ms" })).toMatchObject({
      http: 404,
      status: { state: "unknown", revision: second },
    });
    await github.push({ branch: "main", before: first, after: second });
    expect(await waiting).toMatchObject({ http: 200, status: { state: "in_sync", revision: second } });
    const former = await system.api.status({ ...question, revision: first });
    expect(former).toMatchObject({ http: 200, status: { state: "in_sync", revision: first } });
  });

  it("of a merge queue's group is the base branch's answer, and stays it while the group is told again and merged", async () => {
    const github = createGithubRepository(system.post, "acme/queue");
    const [head, group] = [makeRevision(), makeRevision()];
    await github.push({ branch: "main", after: head });
    const { status: main } = await system.api.status({ repository: github.name, branch: "main", wait: "20s" });
    const question = { repository: github.name, branch: "main", revision: group };
    expect(await system.api.status(question)).toMatchObject({ http: 404, status: { state: "unknown" } });
    await github.requestChecks("main", group);
    const answer = await system.api.status({ ...question, wait: "20s" });
    expect(answer).toMatchObject({
      http: 200,
      status: { state: "in_sync", governed: true, revision: group, incarnation: main.incarnation },
    });
    expect(await system.branches.find({ repository: github.name, branch: "main" })).toMatchObject({ head });
    const temporary = toQueueBranch("main", group);
    await github.create(temporary, MERGE_QUEUE);
    await github.push({ branch: temporary, after: group, sender: MERGE_QUEUE });
    expect(await system.api.status(question)).toMatchObject({ http: 200, status: { state: "in_sync" } });
    await github.push({ branch: "main", before: head, after: group, sender: MERGE_QUEUE });
    await github.push({ branch: temporary, before: group, sender: MERGE_QUEUE });
    await github.delete(temporary, MERGE_QUEUE);
    expect((await system.api.status({ ...question, wait: "20s" })).status.state).toBe("in_sync");
    expect(await system.api.listBranches(github.name)).toMatchObject([
      { id: main.incarnation, name: "main", head: group, state: "active", suspect: false },
    ]);
  });

  it("of a merge queue's group is asked for where it was only pushed, by the name of its temporary branch too", async () => {
    const github = createGithubRepository(system.post, "acme/pushed-queue");
    const [head, group] = [makeRevision(), makeRevision()];
    await github.push({ branch: "release/1.0", after: head });
    const temporary = toQueueBranch("release/1.0", group);
    const waiting = ["release/1.0", temporary].map((branch) =>
      system.api.status({ repository: github.name, branch, revision: group, wait: "20s" }),
    );
    await github.push({ branch: temporary, after: group, sender: MERGE_QUEUE });
    const { id } = await system.branches.find({ repository: github.name, branch: "release/1.0" });
    for (const answer of await Promise.all(waiting)) {
      expect(answer).toMatchObject({ http: 200, status: { state: "in_sync", revision: group, incarnation: id } });
    }
  });

  it("of a merge queue's group is pending until a look that came after it, as of a push", async () => {
    const github = createGithubRepository(system.post, "acme/looked-at");
    const [head, group] = [makeRevision(), makeRevision()];
    await github.push({ branch: "main", after: head });
    const before = await system.api.status({ repository: github.name, branch: "main", wait: "20s" });
    await github.requestChecks("main", group);
    const after = await system.api.status({
      repository: github.name,
      branch: "main",
      revision: group,
      wait: "20s",
    });
    expect(after.status.state).toBe("in_sync");
    expect((after.status.sync ?? "") > (before.status.sync ?? "")).toBe(true);
  });

  it("of a merge queue's group is answered also where nobody told of its base before", async () => {
    const github = createGithubRepository(system.post, "acme/queue-first");
    const group = makeRevision();
    await github.requestChecks("main", group);
    const question = { repository: github.name, branch: "main", revision: group, wait: "20s" };
    expect(await system.api.status(question)).toMatchObject({
      http: 200,
      status: { state: "in_sync", governed: true },
    });
    const head = makeRevision();
    await github.push({ branch: "main", before: makeRevision(), after: head });
    expect(await system.api.listBranches(github.name)).toMatchObject([{ name: "main", head, state: "active" }]);
  });

  it("takes a revision in capitals, and refuses a short one", async () => {
    const github = createGithubRepository(system.post, "acme/capitals");
    const head = makeRevision();
    await github.push({ branch: "main", after: head });
    const question = { repository: github.name, branch: "main", wait: "20s" };
    expect((await system.api.status({ ...question, revision: head.toUpperCase() })).http).toBe(200);
    const short = await system.api.request(
      `/v1/sync-status?repository=${github.name}&branch=main&revision=${head.slice(0, 12)}`,
    );
    expect(short).toMatchObject({ status: 400, body: { code: expect.any(String) } });
  });

  it.each([
    "",
    "repository=acme/web",
    "branch=main",
    "repository=a&branch=b&wait=soon",
    "repository=a&branch=b&refType=tag",
  ])("asked with '%s' is a 400 problem", async (query) => {
    const answer = await system.api.request(`/v1/sync-status?${query}`);
    expect(answer).toMatchObject({ status: 400, body: { status: 400, code: expect.any(String) } });
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
  });

  it("of a branch that no rule reaches is in sync, not governed, without endpoints", async () => {
    const github = createGithubRepository(system.post, "acme/free");
    await github.push({ branch: "some/where/else", after: makeRevision() });
    expect(await system.api.status({ repository: github.name, branch: "some/where/else" })).toMatchObject({
      http: 200,
      status: { state: "in_sync", conclusion: "success", governed: false, endpoints: [] },
    });
  });

  it("of an entitlement says whether that verb is governed", async () => {
    const github = createGithubRepository(system.post, "acme/verbs");
    await github.push({ branch: "main", after: makeRevision() });
    const question = { repository: github.name, branch: "main", wait: "20s" };
    expect((await system.api.status({ ...question, entitlement: "push" })).status.governed).toBe(true);
    expect((await system.api.status({ ...question, entitlement: "deploy" })).status.governed).toBe(false);
  });

  it("of a deleted branch is about its last life, in sync once its groups are verified empty (rule D2)", async () => {
    const github = createGithubRepository(system.post, "acme/lives");
    const head = makeRevision();
    await github.push({ branch: "dev/x", after: head });
    const question = { repository: github.name, branch: "dev/x", wait: "20s" };
    const alive = await system.api.status(question);
    await github.push({ branch: "dev/x", before: head });
    const dead = await system.api.status(question);
    expect(dead).toMatchObject({ http: 200, status: { state: "in_sync", incarnation: alive.status.incarnation } });
    const next = makeRevision();
    await github.push({ branch: "dev/x", after: next });
    const reborn = await system.api.status(question);
    expect(reborn).toMatchObject({ http: 200, status: { state: "in_sync", revision: next } });
    expect(reborn.status.incarnation).not.toBe(alive.status.incarnation);
  });

  it("names a sync that can be looked up", async () => {
    const github = createGithubRepository(system.post, "acme/lookup");
    await github.push({ branch: "main", after: makeRevision() });
    const { status } = await system.api.status({ repository: github.name, branch: "main", wait: "20s" });
    const { body } = await system.api.request(`/v1/syncs/${status.sync ?? ""}`);
    expect(body).toMatchObject({ id: status.sync, repository: github.name, branch: "main", verdict: "verified" });
  });

  it("of fifty waits at once is answered to each", async () => {
    const github = createGithubRepository(system.post, "acme/crowd");
    const names = Array.from({ length: 50 }, (_, index) => `dev/b${index}`);
    const waits = names.map((branch) => system.api.status({ repository: github.name, branch, wait: "30s" }));
    for (const branch of names) await github.push({ branch, after: makeRevision() });
    const answers = await Promise.all(waits);
    expect(answers.map(({ status }) => status.state)).toEqual(names.map(() => "in_sync"));
  });
});

/** A SCIM endpoint that gives no answer until it is told which. */
async function openMuteEndpoint() {
  const pending = new Set<() => void>();
  const state: { status: number | null } = { status: null };
  const server: Server = createServer((request, response) => {
    request.resume();
    const answer = (): void => {
      response.writeHead(state.status ?? 500, { "content-type": "application/scim+json" }).end("{}");
    };
    if (state.status === null) pending.add(answer);
    else answer();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/scim/v2`,
    speak(status: number): void {
      state.status = status;
      for (const answer of pending) answer();
      pending.clear();
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

describe("sync-status with an endpoint that does not answer", () => {
  let system: TestSystem;
  let mute: Awaited<ReturnType<typeof openMuteEndpoint>>;

  const toPolicy = (ci: "required" | "advisory"): string => `
endpoints:
  - { name: directory, type: builtin }
  - { name: mute, url: "${mute.url}", token: { env: AGENT_SECRET }, ci: ${ci} }
ci: { deadline: 1s, onDeadline: { default: neutral, deploy: failure } }
${EXAMPLE_POLICY}`;

  beforeAll(async () => {
    mute = await openMuteEndpoint();
    system = await startTestSystem({ policy: toPolicy("required") });
    await addExamplePeople(system.people);
  });
  afterAll(async () => {
    mute.speak(500);
    await system[Symbol.asyncDispose]();
    await mute[Symbol.asyncDispose]();
  });

  it("is pending, then at the deadline what the configuration says, and a later verdict replaces it (rule D3)", async () => {
    const github = createGithubRepository(system.post, "acme/slow");
    await github.push({ branch: "main", after: makeRevision() });
    const question = { repository: github.name, branch: "main" };
    expect(await system.api.status(question)).toMatchObject({
      http: 202,
      status: { state: "pending", conclusion: "waiting" },
    });
    const late = await system.api.status({ ...question, wait: "20s" });
    expect(late).toMatchObject({ http: 200, status: { state: "deadline", conclusion: "neutral" } });
    expect(late.status.endpoints).toMatchObject([
      { endpoint: "directory", verdict: "verified" },
      { endpoint: "mute", verdict: "pending" },
    ]);
    expect(await system.api.status({ ...question, entitlement: "deploy" })).toMatchObject({
      http: 409,
      status: { state: "deadline", conclusion: "failure" },
    });
    mute.speak(400);
    await expect
      .poll(() => system.api.status(question), { timeout: 20_000 })
      .toMatchObject({ http: 409, status: { state: "failed", conclusion: "failure" } });
  });

  it("that is advisory is not changed by it (rule D2)", async () => {
    await system.stop();
    await system.start(toPolicy("advisory"));
    const github = createGithubRepository(system.post, "acme/advised");
    await github.push({ branch: "main", after: makeRevision() });
    const answer = await system.api.status({ repository: github.name, branch: "main", wait: "20s" });
    expect(answer).toMatchObject({ http: 200, status: { state: "in_sync", conclusion: "success" } });
  });
});
