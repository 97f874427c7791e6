/** Giving an endpoint up (rule B8). */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { endpointList } from "@branchward/core/api";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runCommand } from "../support/command-line.ts";
import { openDashboard } from "../support/dashboard.ts";
import { createGithubRepository, makeRevision } from "../support/deliveries.ts";
import { type ScriptedEndpoint, startScriptedEndpoint } from "../support/scripted-endpoint.ts";
import { addExamplePeople, EXAMPLE_POLICY, startTestSystem, type TestSystem } from "../support/system.ts";

const repository = "acme/retire";
const waiting = { timeout: 20_000, interval: 50 };

describe("an endpoint that is given up (rule B8)", () => {
  let stack = new AsyncDisposableStack();
  const context: { system: TestSystem; endpoint: ScriptedEndpoint } = {} as never;

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    const endpoint = stack.use(await startScriptedEndpoint());
    for (const userName of ["alice", "bob"]) await endpoint.inside.createUser({ userName, active: true });
    const endpoints = `
endpoints:
  - { name: directory, type: builtin }
  - { name: foreign, url: "${endpoint.url}", token: { env: FOREIGN_TOKEN }, probeEvery: 1s }
`;
    const system = stack.use(
      await startTestSystem({ policy: `${EXAMPLE_POLICY}${endpoints}`, secretEnv: { FOREIGN_TOKEN: "token" } }),
    );
    Object.assign(context, { endpoint, system });
    await addExamplePeople(system.people);
    const github = createGithubRepository(system.post, repository);
    for (const branch of ["dev/one", "dev/two"]) await github.push({ branch, after: makeRevision() });
    await vi.waitUntil(async () => (await listGroups()).length === 4, waiting);
    for (const branch of ["dev/one", "dev/two"]) {
      await system.branches.settle((await system.branches.find({ repository, branch })).id);
    }
  });
  afterEach(() => stack.disposeAsync());

  const listGroups = async () =>
    (await context.endpoint.inside.findGroups(undefined)).map((group) => group.displayName);
  const countMembers = async () =>
    (await context.endpoint.inside.findGroups(undefined)).flatMap((group) => group.members ?? []).length;

  async function run(...args: readonly string[]) {
    const { system } = context;
    return runCommand(["endpoints", ...args, "--url", system.url], {
      cwd: system.directory,
      env: { BRANCHWARD_TOKEN: system.adminToken },
    });
  }
  const retire = (...options: readonly string[]) => run("retire", "foreign", ...options);

  async function countLedger(cause: string): Promise<number> {
    const { rows } = await context.system.database.pool.query<{ count: number }>(
      "select count(*)::int as count from ledger_entries where endpoint = 'foreign' and ended_cause = $1",
      [cause],
    );
    return rows[0]?.count ?? 0;
  }

  it("may not leave the configuration while groups of ours are there, and the refusal says what to do", async () => {
    await context.system.stop();
    await expect(context.system.start(EXAMPLE_POLICY)).rejects.toMatchObject({
      code: "endpoint_not_retired",
      message: expect.stringContaining("branchward endpoints retire foreign"),
    });
  });

  it("loses all its groups, the others lose nothing, and then it may leave the configuration", async () => {
    expect(await countMembers()).toBeGreaterThan(0);
    expect(await retire()).toMatchObject({ code: 0, stdout: expect.stringContaining("no group of ours any more") });
    expect(await listGroups()).toEqual([]);
    expect((await run("list")).stdout).toMatch(
      /^foreign {2}scim {2}\S+ {2}- {2}retired \S+ by admin: no group of ours is left$/mu,
    );
    expect(await countLedger("retired")).toBeGreaterThan(0);
    const { id } = await context.system.branches.find({ repository, branch: "dev/one" });
    expect(await context.system.branches.holders(id)).toMatchObject({ push: ["alice", "bob"] });
    await context.system.stop();
    await context.system.start(EXAMPLE_POLICY);
    const { status } = await context.system.api.status({ repository, branch: "dev/one" });
    expect(status).toMatchObject({ state: "in_sync", endpoints: [{ endpoint: "directory" }] });
  });

  it("is told as retired wherever somebody asks of a branch or of a policy, and as in use when that is taken back", async () => {
    const { system } = context;
    const tell = async (...args: readonly string[]) => {
      const env = { BRANCHWARD_TOKEN: system.adminToken, BRANCHWARD_URL: system.url };
      return (await runCommand(args, { cwd: system.directory, env })).stdout;
    };
    const plan = async () => tell("plan", "wider.yaml");
    const configuration = await readFile(join(system.directory, "branchward.yaml"), "utf8");
    const reader = `  - repositories: ["**"]\n    branches: ["dev/**"]\n    grants: [{ entitlement: merge, to: ["user:alice"] }]\n`;
    await writeFile(join(system.directory, "wider.yaml"), configuration.replace("policy:\n", `policy:\n${reader}`));
    expect(await plan()).toMatch(/^4 scopes of 2 branches would change: 4 gains/mu);
    await retire();
    expect(await plan()).toMatch(/^2 scopes of 2 branches would change: 2 gains/mu);
    expect(await plan()).not.toContain("at foreign");
    expect((await plan()).match(/foreign is retired: nothing is given or taken there/gu)).toHaveLength(1);
    const { status } = await system.api.status({ repository, branch: "dev/one" });
    expect(status).toMatchObject({
      state: "in_sync",
      governed: true,
      retired: ["foreign"],
      endpoints: [{ endpoint: "directory", verdict: "verified" }],
    });
    expect(await tell("status", repository, "dev/one")).toBe(
      `${repository}:dev/one: in_sync: directory verified; foreign is retired\n`,
    );
    expect(await tell("explain", "alice", "push", repository, "dev/one")).toMatch(
      /at foreign: retired, nothing is given there; not held there/u,
    );
    await expectBranchShown();
    expect(await retire("--undo")).toMatchObject({ code: 0 });
    await vi.waitFor(async () => {
      const { status: again } = await system.api.status({ repository, branch: "dev/one" });
      expect(again).toMatchObject({
        state: "in_sync",
        endpoints: [{ endpoint: "directory" }, { endpoint: "foreign", verdict: "verified" }],
      });
      expect(again).not.toHaveProperty("retired");
    }, waiting);
    expect(await plan()).toMatch(/^4 scopes of 2 branches/mu);
  });

  it("has the scopes of a policy that came into force meanwhile when that is taken back", async () => {
    const { system } = context;
    await retire();
    const wider = `${EXAMPLE_POLICY}  - repositories: ["**"]\n    branches: ["topic/**"]\n    grants: [{ entitlement: push, to: ["group:engineering"] }]\n`;
    const github = createGithubRepository(system.post, repository);
    await github.push({ branch: "topic/late", after: makeRevision() });
    await vi.waitFor(async () => {
      const { status } = await system.api.status({ repository, branch: "topic/late" });
      expect(status).toMatchObject({ state: "in_sync", governed: false });
    }, waiting);
    const configuration = await readFile(join(system.directory, "branchward.yaml"), "utf8");
    await writeFile(join(system.directory, "branchward.yaml"), configuration.replace(EXAMPLE_POLICY, wider));
    await vi.waitFor(async () => {
      expect((await system.api.status({ repository, branch: "topic/late" })).status).toMatchObject({
        state: "in_sync",
        governed: true,
        endpoints: [{ endpoint: "directory" }],
      });
    }, waiting);
    await retire("--undo");
    await vi.waitFor(async () => expect(await listGroups()).toContain(`${repository}:topic/late:push`), waiting);
  });

  async function expectBranchShown(): Promise<void> {
    const { id } = await context.system.branches.find({ repository, branch: "dev/one" });
    await using dashboard = await openDashboard(context.system);
    await using visited = await dashboard.visitSignedIn(`/branches/${id}`);
    const { page, faults } = visited;
    await page.getByRole("button", { name: "foreign" }).click();
    await page.getByText("foreign is retired: nothing is given there").waitFor();
    expect(await page.getByRole("list", { name: "Holders" }).count()).toBe(0);
    expect(faults).toEqual([]);
  }

  it("gets no group any more while it is retired, and all of them when that is taken back", async () => {
    await retire();
    const github = createGithubRepository(context.system.post, repository);
    await github.push({ branch: "dev/three", after: makeRevision() });
    await vi.waitFor(async () => {
      const { status } = await context.system.api.status({ repository, branch: "dev/three" });
      expect(status.state).toBe("in_sync");
    }, waiting);
    expect(await listGroups()).toEqual([]);
    expect(await retire("--undo")).toMatchObject({ code: 0 });
    await vi.waitFor(async () => expect(await listGroups()).toHaveLength(6), waiting);
  });

  it("that is gone for good is left, and forgotten, without a call", async () => {
    const groups = await listGroups();
    context.endpoint.setMood("gone");
    const writes = context.endpoint.countWrites();
    expect(await retire("--leave")).toMatchObject({ code: 0 });
    expect(context.endpoint.countWrites()).toBe(writes);
    expect(await listGroups()).toEqual(groups);
    expect(await countLedger("left")).toBeGreaterThan(0);
    const { body } = await context.system.api.request("/v1/endpoints");
    const foreign = endpointList.parse(body).items.find(({ name }) => name === "foreign");
    expect(foreign?.retirement).toMatchObject({ mode: "leave", by: "admin", groups: 0 });
    await context.system.stop();
    await context.system.start(EXAMPLE_POLICY);
  });
});
