/** Trying out what an endpoint does, and heeding it. */
import { type EndpointItem, endpointList } from "@branchward/core/api";
import { createScimClient, type ScimClient } from "@branchward/scim";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { findAxeViolations, openDashboard } from "../support/dashboard.ts";
import { runCommand } from "../support/command-line.ts";
import { createGithubRepository, makeRevision } from "../support/deliveries.ts";
import { type HostileScim, startHostileScim } from "../support/hostile-scim.ts";
import { startTestSystem, type TestSystem } from "../support/system.ts";

const repository = "acme/cards";
const waiting = { timeout: 20_000, interval: 50 };

const POLICY = `
policy:
  - repositories: ["**"]
    branches: ["**"]
    grants:
      - { entitlement: push, to: ["group:engineering"] }
`;

describe("an endpoint that is tried out", () => {
  let stack = new AsyncDisposableStack();
  const context: { system: TestSystem; endpoint: HostileScim; inside: ScimClient } = {} as never;

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    const endpoint = stack.use(await startHostileScim());
    const inside = createScimClient({ url: endpoint.url, token: () => "", deadlineMs: 5_000, maxBytes: 1 << 20 });
    for (const userName of ["alice", "bob"]) await inside.createUser({ userName, active: true });
    const endpoints = `
endpoints:
  - { name: directory, type: builtin }
  - { name: foreign, url: "${endpoint.url}", token: { env: FOREIGN_TOKEN }, probeEvery: 1s }
`;
    const system = stack.use(
      await startTestSystem({ policy: `${POLICY}${endpoints}`, secretEnv: { FOREIGN_TOKEN: "token" } }),
    );
    Object.assign(context, { endpoint, inside, system });
    await system.people.addUsers("alice", "bob");
    await system.people.addGroup("engineering", ["alice", "bob"]);
  });
  afterEach(() => stack.disposeAsync());

  async function doctor(name = "foreign") {
    const { system } = context;
    const { code, stdout, stderr } = await runCommand(["doctor", "--endpoint", name, "--json", "--url", system.url], {
      cwd: system.directory,
      env: { BRANCHWARD_TOKEN: system.adminToken },
    });
    if (stdout === "") throw new Error(stderr);
    const probe: NonNullable<EndpointItem["probe"]> = JSON.parse(stdout);
    return { code, probe };
  }

  async function push(branch: string): Promise<void> {
    const { system, inside } = context;
    await createGithubRepository(system.post, repository).push({ branch, after: makeRevision() });
    await vi.waitFor(async () => {
      const [group] = await inside.findGroups(`displayName eq "${repository}:${branch}:push"`);
      expect(group?.members).toHaveLength(2);
    }, waiting);
  }

  async function expectCardShown(): Promise<void> {
    await using dashboard = await openDashboard(context.system);
    await using visited = await dashboard.visitSignedIn("/endpoints", { viewport: { width: 390, height: 900 } });
    const { page, faults } = visited;
    const problems = page.getByRole("list", { name: "What is in the way" }).getByRole("listitem");
    await problems.filter({ hasText: "members cannot be added" }).waitFor();
    await page.getByText("What it was seen to do").click();
    await page.getByText("Adds members").waitFor();
    expect(await findAxeViolations(page)).toEqual([]);
    expect(Number(await page.evaluate("document.documentElement.scrollWidth"))).toBeLessThanOrEqual(390);
    expect(faults).toEqual([]);
  }

  const listNames = async (): Promise<readonly string[]> =>
    (await context.inside.findGroups(undefined)).map(({ displayName }) => displayName);

  it("has a card of what it does, and nothing is left of the trying", async () => {
    await push("known");
    const { code, probe } = await doctor();
    expect(probe).toMatchObject({
      error: null,
      card: {
        says: { patch: true, filter: true },
        findsGroupsByExternalId: true,
        findsGroupsByName: true,
        findsUsersByExternalId: true,
        keepsExternalId: true,
        patches: true,
        renames: true,
        addsMembers: true,
        removesMembers: true,
        hasVersions: true,
        // It is given no headers.
        honoursIfMatch: false,
        deletes: true,
      },
      problems: [],
    });
    expect(code).toBe(0);
    expect(await listNames()).toEqual([`${repository}:known:push`]);
    const { body } = await context.system.api.request("/v1/endpoints");
    const shown = endpointList.parse(body).items.find(({ name }) => name === "foreign");
    expect(shown?.probe).toEqual(probe);
  });

  it("that has no PATCH is known for it and gets PUT from then on", async () => {
    context.endpoint.behave({ hasNoPatch: true });
    expect((await doctor()).probe.card).toMatchObject({ patches: false, renames: true });
    await push("put");
    const { inside, system, endpoint } = context;
    const before = endpoint.requests.length;
    await system.people.addUsers("carol");
    await inside.createUser({ userName: "carol", active: true });
    await system.people.join("engineering", "carol");
    await vi.waitFor(async () => {
      const [group] = await inside.findGroups(`displayName eq "${repository}:put:push"`);
      expect(group?.members).toHaveLength(3);
    }, waiting);
    const writes = endpoint.requests.slice(before).filter((request) => /^(?:PATCH|PUT)/u.test(request));
    expect(writes.filter((request) => request.startsWith("PATCH"))).toEqual([]);
    expect(writes).toHaveLength(1);
  });

  it("is tried out unasked when it refuses the usual way, with nobody put anywhere, and its branches wait no longer", async () => {
    await push("known");
    context.endpoint.behave({ hasNoExtensions: true });
    await push("plain");
    const { body } = await context.system.api.request("/v1/endpoints");
    const shown = endpointList.parse(body).items.find(({ name }) => name === "foreign");
    expect(shown?.probe?.card).toMatchObject({ takesExtension: false, keepsExtension: false, addsMembers: null });
    expect(await listNames()).toEqual([`${repository}:known:push`, `${repository}:plain:push`]);
  });

  it("that keeps some of the members it is given gets so many at a time", async () => {
    await push("known");
    context.endpoint.behave({ keepsMembers: 1 });
    const { probe } = await doctor();
    expect(probe).toMatchObject({ error: null, card: { addsMembers: true, removesMembers: true, membersPerPatch: 1 } });
  });

  it("that shows a write late is said to lag, not to ignore it", async () => {
    const { system, inside, endpoint } = context;
    await push("late");
    const { id } = await system.branches.find({ repository, branch: "late" });
    await system.branches.settle(id);
    await system.people.addUsers("carol");
    await inside.createUser({ userName: "carol", active: true });
    endpoint.behave({ lags: true });
    await system.people.join("engineering", "carol");
    await vi.waitFor(async () => {
      const { body } = await system.api.request(`/v1/branches/${id}`);
      expect(JSON.stringify(body)).toContain("stale-replica");
    }, waiting);
    endpoint.behave({});
    endpoint.catchUp();
    await vi.waitFor(async () => {
      const { status } = await system.api.status({ repository, branch: "late" });
      expect(status.state).toBe("in_sync");
    }, waiting);
  });

  it("that ignores what it is told says so by what it does, in the dashboard too", async () => {
    await push("known");
    context.endpoint.behave({ ignoresWrites: true });
    const { code, probe } = await doctor();
    expect(code).toBe(1);
    expect(probe.card).toMatchObject({ patches: true, renames: false, addsMembers: false, deletes: false });
    expect(probe.problems[0]).toContain("members cannot be added");
    // It did not delete: the next probe does, as after a crash.
    expect(await listNames()).toHaveLength(2);
    await expectCardShown();
  });

  it("loses what an earlier probe left behind when it was cut off", async () => {
    const { inside, system } = context;
    const externalId = "branchward:probe:0198a000-0000-7000-8000-000000000001";
    await inside.createGroup({ displayName: "bw-probe-000000000001", externalId });
    await system.database.pool.query(
      "insert into endpoint_states (endpoint, probe_external_id) values ('foreign', $1) on conflict (endpoint) do update set probe_external_id = excluded.probe_external_id",
      [externalId],
    );
    expect((await doctor()).probe.error).toBeNull();
    expect(await listNames()).toEqual([]);
  });

  it("that may not be called says until when, and what ends it", async () => {
    const { pool } = context.system.database;
    const record = (columns: string, values: string) =>
      pool.query(
        `insert into endpoint_states (endpoint, ${columns}) values ('foreign', ${values})
        on conflict (endpoint) do update set (${columns}) = row(${values})`,
      );
    const run = () =>
      runCommand(["doctor", "--endpoint", "foreign", "--url", context.system.url], {
        cwd: context.system.directory,
        env: { BRANCHWARD_TOKEN: context.system.adminToken },
      });
    await record("blocked_until, last_error, last_error_at", "'2100-01-02T03:04:05Z', 'GET /Groups: 429', now()");
    const blocked = await run();
    expect(blocked.stdout).toContain(
      "foreign asked not to be called before 2100-01-02T03:04:05.000Z (GET /Groups: 429): calls go on then by themselves",
    );
    expect(blocked.code).toBe(1);
    await record("blocked_until, breaker, probe_at", "null, 'open', '2100-01-02T03:04:05Z'");
    const open = await run();
    expect(open.stdout).toContain(
      "one call is let through at 2100-01-02T03:04:05.000Z, and the first that is answered",
    );
    expect(open.code).toBe(1);
  });

  it("may be the built-in directory", async () => {
    const { code, probe } = await doctor("directory");
    expect(probe).toMatchObject({ error: null, problems: [], card: { keepsExtension: true, honoursIfMatch: true } });
    expect(code).toBe(0);
  });
});
