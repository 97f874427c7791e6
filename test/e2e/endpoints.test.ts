/** A second endpoint, which is not ours: what happens there, and what never happens whatever it does. */
import { z } from "zod";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { runCommand } from "../support/command-line.ts";
import { createGithubRepository, type GithubRepository, makeRevision } from "../support/deliveries.ts";
import { type ScriptedEndpoint, startScriptedEndpoint } from "../support/scripted-endpoint.ts";
import { addExamplePeople, EXAMPLE_POLICY, startTestSystem, type TestSystem } from "../support/system.ts";

const repository = "acme/endpoints";
const waiting = { timeout: 20_000, interval: 50 };

function parseItems(body: unknown): readonly Record<string, unknown>[] {
  return z.object({ items: z.array(z.record(z.string(), z.unknown())) }).parse(body).items;
}

describe("an endpoint that is not ours", () => {
  const stack = new AsyncDisposableStack();
  const context: { system: TestSystem; endpoint: ScriptedEndpoint; github: GithubRepository } = {} as never;

  beforeAll(async () => {
    const endpoint = stack.use(await startScriptedEndpoint());
    for (const userName of ["alice", "bob"]) await endpoint.inside.createUser({ userName, active: true });
    const endpoints = `
endpoints:
  - { name: directory, type: builtin }
  - { name: foreign, url: "${endpoint.url}", token: { env: FOREIGN_TOKEN }, probeEvery: 1s }
`;
    context.endpoint = endpoint;
    context.system = stack.use(
      await startTestSystem({ policy: `${EXAMPLE_POLICY}${endpoints}`, secretEnv: { FOREIGN_TOKEN: "token" } }),
    );
    context.github = createGithubRepository(context.system.post, repository);
    await addExamplePeople(context.system.people);
    await context.system.people.join("engineering", "carol");
  });
  afterEach(() => context.endpoint.setMood("honest"));
  afterAll(() => stack.disposeAsync());

  /** Pushes a branch; answers its head. */
  async function pushBranch(branch: string, before: string | null = null): Promise<string> {
    const after = makeRevision();
    await context.github.push({ branch, before, after });
    return after;
  }

  const verdicts = async (branch: string): Promise<Record<string, string>> => {
    const { status } = await context.system.api.status({ repository, branch });
    return Object.fromEntries(status.endpoints.map(({ endpoint, verdict }) => [endpoint, verdict]));
  };

  const findForeign = async (): Promise<unknown> => {
    const { body } = await context.system.api.request("/v1/endpoints");
    return parseItems(body).find((item) => item["name"] === "foreign");
  };

  const findingsOf = async (subject: string): Promise<readonly unknown[]> => {
    const { body } = await context.system.api.request("/v1/findings");
    return parseItems(body).flatMap((item) => (item["subject"] === subject ? [item["kind"]] : []));
  };

  /** userNames in the entitlement group at the foreign endpoint; undefined when there is no such group. */
  async function holders(branch: string, entitlement = "push"): Promise<readonly string[] | undefined> {
    const { inside } = context.endpoint;
    const [group] = await inside.findGroups(`displayName eq "${repository}:${branch}:${entitlement}"`);
    if (group === undefined) return undefined;
    const users = new Map((await inside.findUsers(undefined)).map((user) => [user.id, user.userName]));
    return (group.members ?? []).map(({ value }) => users.get(value) ?? value).toSorted((a, b) => a.localeCompare(b));
  }

  it("gets its groups with those who have an account there; who has none is no mismatch", async () => {
    await pushBranch("dev/accounts");
    await vi.waitFor(
      async () => expect(await verdicts("dev/accounts")).toEqual({ directory: "verified", foreign: "verified" }),
      waiting,
    );
    expect(await holders("dev/accounts")).toEqual(["alice", "bob"]);
  });

  it("is written nothing when nothing differs", async () => {
    const head = await pushBranch("dev/quiet");
    await vi.waitFor(async () => expect(await verdicts("dev/quiet")).toMatchObject({ foreign: "verified" }), waiting);
    const writes = context.endpoint.countWrites();
    await pushBranch("dev/quiet", head);
    await vi.waitFor(async () => expect(await verdicts("dev/quiet")).toMatchObject({ foreign: "verified" }), waiting);
    expect(context.endpoint.countWrites()).toBe(writes);
  });

  it("is asked who is who once, and again when a member that was written does not stay", async () => {
    await pushBranch("dev/looks-1");
    await vi.waitFor(async () => expect(await holders("dev/looks-1")).toEqual(["alice", "bob"]), waiting);
    const looks = context.endpoint.countLooks();
    await pushBranch("dev/looks-2");
    await vi.waitFor(async () => expect(await holders("dev/looks-2")).toEqual(["alice", "bob"]), waiting);
    expect(context.endpoint.countLooks()).toBe(looks);
    context.endpoint.setMood("deaf");
    await pushBranch("dev/looks-3");
    await vi.waitFor(async () => expect(await verdicts("dev/looks-3")).toMatchObject({ foreign: "diverged" }), waiting);
    context.endpoint.setMood("honest");
    await vi.waitFor(async () => expect(await holders("dev/looks-3")).toEqual(["alice", "bob"]), waiting);
    expect(context.endpoint.countLooks()).toBeGreaterThan(looks);
  });

  it("is not said to hold whom it was told to add, until a read shows them", async () => {
    const { system, endpoint } = context;
    const env = { BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: system.adminToken };
    const explain = async () => {
      const asked = ["explain", "alice", "push", repository, "dev/unseen"];
      return (await runCommand(asked, { cwd: system.directory, env })).stdout;
    };
    endpoint.setMood("deaf");
    await pushBranch("dev/unseen");
    await vi.waitFor(async () => expect(await verdicts("dev/unseen")).toMatchObject({ foreign: "diverged" }), waiting);
    expect(await explain()).toMatch(
      /at foreign: diverged, never verified; to be added there since \S+; no read has shown/u,
    );
    endpoint.setMood("honest");
    await vi.waitFor(async () => expect(await verdicts("dev/unseen")).toMatchObject({ foreign: "verified" }), waiting);
    expect(await explain()).toMatch(/at foreign: verified \d+ s before; held there since/u);
  });

  it("takes the account of a deleted user for no namesake's, for ninety days (rule C5)", async () => {
    const { system, endpoint } = context;
    await endpoint.inside.createUser({ userName: "dave", active: true });
    await system.people.addUsers("dave");
    await system.people.deleteUser("dave");
    await system.people.addUsers("dave");
    await system.people.join("engineering", "dave");
    await system.people.settle();
    await pushBranch("dev/namesake");
    const { id } = await system.branches.find({ repository, branch: "dev/namesake" });
    await system.branches.settle(id);
    expect(await holders("dev/namesake")).toEqual(["alice", "bob"]);
    const { body } = await system.api.request("/v1/endpoints/foreign/accounts?state=quarantined");
    expect(parseItems(body)).toMatchObject([{ userName: "dave" }]);
    const { pool } = system.database;
    const deleted = "update directory_changes set created_at = now() - $1::interval where kind = 'user.deleted'";
    for (const [age, wanted] of [
      ["89 days", ["alice", "bob"]],
      ["91 days", ["alice", "bob", "dave"]],
    ] as const) {
      await pool.query(deleted, [age]);
      await pool.query("update account_links set verified_at = null where user_name = 'dave'");
      await system.api.request("/v1/syncs", { method: "POST", body: { repository, branch: "dev/namesake" } });
      await system.branches.settle(id);
      expect(await holders("dev/namesake")).toEqual(wanted);
    }
    await system.people.deleteUser("dave");
    await vi.waitFor(async () => expect(await holders("dev/namesake")).toEqual(["alice", "bob"]), waiting);
  });

  it("loses an outsider at the next look", async () => {
    await pushBranch("dev/drift");
    await vi.waitFor(async () => expect(await holders("dev/drift")).toEqual(["alice", "bob"]), waiting);
    const { inside } = context.endpoint;
    const outsider = await inside.createUser({ userName: "mallory", active: true });
    const [group] = await inside.findGroups(`displayName eq "${repository}:dev/drift:push"`);
    await inside.patchMembers(group?.id ?? "", { add: [outsider.id], remove: [] });
    await context.system.api.request("/v1/syncs", { method: "POST", body: { repository, branch: "dev/drift" } });
    await vi.waitFor(async () => expect(await holders("dev/drift")).toEqual(["alice", "bob"]), waiting);
  });

  it("is not believed when it answers success and does nothing, and is verified once it listens", async () => {
    context.endpoint.setMood("deaf");
    await pushBranch("dev/liar");
    await vi.waitFor(
      async () => expect(await verdicts("dev/liar")).toEqual({ directory: "verified", foreign: "diverged" }),
      waiting,
    );
    const { http, status } = await context.system.api.status({ repository, branch: "dev/liar" });
    expect([http, status.state]).toEqual([409, "diverged"]);
    const [branch] = await context.system.api.listBranches(repository, "dev/liar");
    const details = await context.system.api.request(`/v1/branches/${branch?.id ?? ""}`);
    expect(JSON.stringify(details.body)).toContain("ignored-operation");
    context.endpoint.setMood("honest");
    await vi.waitFor(async () => expect(await verdicts("dev/liar")).toMatchObject({ foreign: "verified" }), waiting);
    expect(await holders("dev/liar")).toEqual(["alice", "bob"]);
  });

  it("is looked at five times while it reads otherwise, and then no more by itself (rule C8)", async () => {
    context.endpoint.setMood("deaf");
    await pushBranch("dev/rounds");
    const findRounds = async () => {
      const { rows } = await context.system.database.pool.query<{ failures: number; due: boolean }>(
        `select failures, due_at is not null as due from scopes
         where endpoint = 'foreign' and incarnation_id = (select id from incarnations where name = 'dev/rounds')`,
      );
      return rows;
    };
    await vi.waitFor(async () => expect(await findRounds()).toEqual([{ failures: 5, due: false }]), {
      timeout: 60_000,
      interval: 200,
    });
    expect(await verdicts("dev/rounds")).toMatchObject({ foreign: "diverged" });
  });

  it("has whom the ledger says it was given removed with the branch, though a read does not show them (rule C3)", async () => {
    const head = await pushBranch("dev/blind");
    await vi.waitFor(async () => expect(await holders("dev/blind")).toEqual(["alice", "bob"]), waiting);
    await vi.waitFor(async () => expect(await verdicts("dev/blind")).toMatchObject({ foreign: "verified" }), waiting);
    context.endpoint.setMood("blind");
    await context.github.push({ branch: "dev/blind", before: head });
    const { inside } = context.endpoint;
    await vi.waitFor(async () => {
      const groups = await inside.findGroups(`displayName sw "${repository}:dev/blind:push"`);
      expect(groups.flatMap(({ members = [] }) => members)).toEqual([]);
    }, waiting);
  });

  it.each(["broken", "gone"] as const)(
    "loses nobody while it is %s, says that it failed, and recovers by itself",
    async (mood) => {
      const branch = `dev/${mood}`;
      const head = await pushBranch(branch);
      await vi.waitFor(async () => expect(await verdicts(branch)).toMatchObject({ foreign: "verified" }), waiting);
      context.endpoint.setMood(mood);
      await pushBranch(branch, head);
      await vi.waitFor(
        async () => expect(await verdicts(branch)).toEqual({ directory: "verified", foreign: "failed" }),
        waiting,
      );
      expect(await holders(branch)).toEqual(["alice", "bob"]);
      const { url, directory, adminToken } = context.system;
      const surroundings = { cwd: directory, env: { BRANCHWARD_TOKEN: adminToken } };
      const listed = await runCommand(["endpoints", "list", "--url", url], surroundings);
      expect(listed).toMatchObject({ code: 1, stdout: expect.stringMatching(/^foreign .* 1 failed.*GET \/Groups/mu) });
      context.endpoint.setMood("honest");
      await vi.waitFor(async () => expect(await verdicts(branch)).toMatchObject({ foreign: "verified" }), waiting);
      expect(await holders(branch)).toEqual(["alice", "bob"]);
    },
  );

  it("stands as out of order after failures in a row, is asked no more, and is looked at again by itself", async () => {
    context.endpoint.setMood("broken");
    const branches = ["dev/open-1", "dev/open-2", "dev/open-3"];
    for (const branch of branches) await pushBranch(branch);
    await vi.waitFor(async () => expect(await findForeign()).toMatchObject({ gate: { breaker: "open" } }), waiting);
    expect(await findingsOf("foreign")).toContain("endpoint-open");
    context.endpoint.setMood("honest");
    for (const branch of branches) {
      await vi.waitFor(async () => expect(await verdicts(branch)).toMatchObject({ foreign: "verified" }), waiting);
    }
    expect(await findForeign()).toMatchObject({ gate: { breaker: "closed", lastFailure: expect.anything() } });
    expect(await findingsOf("foreign")).not.toContain("endpoint-open");
  });

  it("delays nobody else while it is slow", async () => {
    context.endpoint.setMood("slow");
    await pushBranch("dev/slow");
    await vi.waitFor(
      async () => expect(await verdicts("dev/slow")).toEqual({ directory: "verified", foreign: "pending" }),
      waiting,
    );
    context.endpoint.setMood("honest");
    await vi.waitFor(async () => expect(await verdicts("dev/slow")).toMatchObject({ foreign: "verified" }), waiting);
  });
});
