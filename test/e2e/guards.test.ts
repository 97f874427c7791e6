/** Guards, approvals, revocations and the ledger behind them (rules C1–C3), on the whole system. */
import { page, type SyncDetails, type SyncItem, syncItem, tokenMade } from "@branchward/core/api";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createGithubRepository, type GithubRepository, makeRevision } from "../support/deliveries.ts";
import { type ScriptedEndpoint, startScriptedEndpoint } from "../support/scripted-endpoint.ts";
import { startTestSystem, type TestSystem } from "../support/system.ts";

const patience = { timeout: 20_000, interval: 25 };
const STORIES = ["many", "empty", "rogue", "rename", "mass", "revoke", "ledger"] as const;
type Story = (typeof STORIES)[number];

const POLICY = `
policy:
${STORIES.map(
  (story) => `
  - repositories: ["${story}/*"]
    branches: ["*", "dev/**"]
    grants:
      - { entitlement: push, to: ["group:${story}-team"] }
  - repositories: ["${story}/*"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["user:${story}-0"] }`,
).join("\n")}
guards: { maxRemovals: 5, maxRemovalShare: 0.1, window: 1h, maxDeactivations: 3, maxDeactivationShare: 0.01 }
`;

describe("guards and revocations (rules C1–C3)", () => {
  const stack = new AsyncDisposableStack();
  let system: TestSystem;
  let endpoint: ScriptedEndpoint;
  let auditor: string;
  const repositories = new Map<Story, GithubRepository>();

  beforeAll(async () => {
    endpoint = stack.use(await startScriptedEndpoint());
    const endpoints = `
endpoints:
  - { name: directory, type: builtin }
  - { name: foreign, url: "${endpoint.url}", token: { env: FOREIGN_TOKEN }, ci: advisory }
`;
    system = stack.use(
      await startTestSystem({ policy: `${POLICY}${endpoints}`, secretEnv: { FOREIGN_TOKEN: "token" } }),
    );
    const { body } = await system.api.request("/v1/tokens", {
      method: "POST",
      body: { client: "auditor", scope: "admin" },
    });
    auditor = tokenMade.parse(body).secret;
    for (const story of STORIES) repositories.set(story, createGithubRepository(system.post, `${story}/web`));
  });
  afterEach(() => endpoint.setMood("honest"));
  afterAll(() => stack.disposeAsync());

  const names = (story: Story, count: number) => Array.from({ length: count }, (_, index) => `${story}-${index}`);

  async function setUp(story: Story, count: number, branch = "main"): Promise<{ id: string; group: string }> {
    await system.people.addUsers(...names(story, count));
    const group = await system.people.addGroup(`${story}-team`, names(story, count));
    await push(story, { branch, after: makeRevision() });
    const { id } = await system.branches.find({ repository: `${story}/web`, branch });
    await system.branches.expectHolders(id, { push: names(story, count).toSorted() });
    return { id, group };
  }

  async function push(story: Story, ref: Parameters<GithubRepository["push"]>[0]): Promise<void> {
    await repositories.get(story)?.push(ref);
  }

  async function removeFrom(group: string, users: readonly string[]): Promise<void> {
    const remove = await Promise.all(users.map((user) => system.people.getUserId(user)));
    await system.scim.patchMembers(group, { add: [], remove });
  }

  async function listDirectorySyncs(incarnation: string): Promise<readonly SyncItem[]> {
    const { body } = await system.api.request(`/v1/syncs?incarnation=${incarnation}&endpoint=directory`);
    return page(syncItem).parse(body).items;
  }

  async function findHeldSync(incarnation: string): Promise<SyncDetails> {
    return vi.waitFor(async () => {
      const [sync] = await listDirectorySyncs(incarnation);
      expect(sync?.verdict).toBe("held");
      const { body } = await system.api.request(`/v1/syncs/${sync?.id ?? ""}`);
      return body as SyncDetails;
    }, patience);
  }

  const approve = ({ id, digest }: SyncDetails, token?: string) =>
    system.api.request(`/v1/syncs/${id}/approve`, {
      method: "POST",
      body: { digest },
      ...(token === undefined ? {} : { token }),
    });

  async function ask(user: string, repository: string): Promise<{ allowed: boolean; reasons: readonly object[] }> {
    const query = new URLSearchParams({ user, repository, branch: "main", entitlement: "push" });
    const { body } = await system.api.request(`/v1/access?${query.toString()}`);
    return body as { allowed: boolean; reasons: readonly object[] };
  }

  it("withhold thirty removals at once until somebody else approves them, and let the one leaver go", async () => {
    const { id, group } = await setUp("many", 40);
    await removeFrom(group, names("many", 30));
    await findHeldSync(id);
    await system.people.setActive("many-39", false);
    await system.branches.expectHolders(id, { push: names("many", 39).toSorted() });
    const sync = await findHeldSync(id);
    expect(sync.withheld).toHaveLength(30);
    expect(sync.overLimit).toContainEqual(
      expect.objectContaining({ kind: "directory-group", group: "group:many-team", removed: 30 }),
    );
    const { http, status } = await system.api.status({ repository: "many/web", branch: "main" });
    expect([http, status.state]).toEqual([409, "held"]);
    expect(await ask("many-0", "many/web")).toMatchObject({ allowed: true });
    expect((await ask("many-0", "many/web")).reasons).toContainEqual(expect.objectContaining({ withheld: true }));
    expect(await ask("many-39", "many/web")).toMatchObject({ allowed: false });

    expect(await approve({ ...sync, digest: "another" })).toMatchObject({ status: 409 });
    expect(await approve(sync)).toMatchObject({ status: 403, body: { code: "self_approval" } });
    expect(await approve(sync, auditor)).toMatchObject({ status: 202 });
    await system.branches.expectHolders(id, { push: names("many", 39).slice(30).toSorted() });
    await vi.waitFor(async () => {
      expect(await ask("many-0", "many/web")).toMatchObject({ allowed: false });
      const { body } = await system.api.request("/v1/findings");
      expect(JSON.stringify(body)).not.toContain("group:many-team");
    }, patience);
  });

  it("withhold what would empty a group, and forget it when the members come back", async () => {
    const { id, group } = await setUp("empty", 2);
    await removeFrom(group, names("empty", 2));
    await findHeldSync(id);
    const told = /^2 members would be removed within the window, which began with \d: .* branchward syncs approve ID /u;
    const findings = (await system.api.listFindings()).filter(({ kind }) => kind === "removals-held");
    expect(findings.map(({ message }) => message)).toContainEqual(expect.stringMatching(told));
    await system.people.join("empty-team", "empty-0");
    await system.people.join("empty-team", "empty-1");
    await vi.waitFor(async () => {
      const { status } = await system.api.status({ repository: "empty/web", branch: "main" });
      expect(status.state).toBe("in_sync");
    }, patience);
    expect(await system.branches.holders(id)).toEqual({ push: ["empty-0", "empty-1"] });
  });

  it("have no say over outsiders whom a rogue administrator adds at the endpoint", async () => {
    const { id } = await setUp("rogue", 3);
    const outsiders = names("rogue", 12).slice(3);
    await system.people.addUsers(...outsiders);
    const ids = await Promise.all(outsiders.map((user) => system.people.getUserId(user)));
    await system.database.pool.query(
      `insert into directory_members (group_id, member_id, member_kind)
       select g.id, member, 'User' from directory_groups g, unnest($2::uuid[]) as member where g.external_id = $1`,
      [`branchward:${id}:push`, ids],
    );
    await system.api.request("/v1/syncs", { method: "POST", body: { repository: "rogue/web", branch: "main" } });
    await system.branches.expectHolders(id, { push: names("rogue", 3) });
    await vi.waitFor(async () => {
      const [sync] = (await listDirectorySyncs(id)).filter(({ removed }) => removed > 0);
      expect(sync?.verdict).toBe("verified");
      const { body } = await system.api.request(`/v1/syncs/${sync?.id ?? ""}`);
      expect(body).toMatchObject({ drift: 9, withheld: [] });
    }, patience);
  });

  it("hold back nobody whom a rename to a stricter name removes", async () => {
    const { id } = await setUp("rename", 12, "dev/x");
    const { head } = await system.branches.find({ repository: "rename/web", branch: "dev/x" });
    await push("rename", { branch: "dev/x", before: head, after: null });
    await push("rename", { branch: "release/9", after: head });
    await system.branches.find({ repository: "rename/web", branch: "release/9" });
    await system.branches.expectHolders(id, { push: ["rename-0"] });
    await vi.waitFor(async () => {
      const { status } = await system.api.status({ repository: "rename/web", branch: "release/9" });
      expect(status.state).toBe("in_sync");
    }, patience);
  });

  it("let writes for a mass deactivation wait, while decisions deny at once, and lose nothing when it is undone", async () => {
    const { id } = await setUp("mass", 8);
    await system.database.pool.query("update directory_changes set created_at = now() - interval '2 hours'");
    for (const user of names("mass", 3)) await system.people.setActive(user, false);
    await system.branches.expectHolders(id, { push: names("mass", 8).slice(3) });
    for (const user of names("mass", 6).slice(3)) await system.people.setActive(user, false);
    const sync = await findHeldSync(id);
    expect(sync.overLimit).toContainEqual(expect.objectContaining({ kind: "deactivations", group: "admin" }));
    expect(await system.branches.holders(id)).toEqual({ push: names("mass", 8).slice(3) });
    expect(await ask("mass-3", "mass/web")).toMatchObject({ allowed: false });
    for (const user of names("mass", 6)) await system.people.setActive(user, true);
    await system.branches.expectHolders(id, { push: names("mass", 8) });
    await vi.waitFor(async () => {
      const { status } = await system.api.status({ repository: "mass/web", branch: "main" });
      expect(status.state).toBe("in_sync");
    }, patience);
  });

  it("keep a revocation outstanding, said as a critical finding, until every endpoint shows it", async () => {
    await system.database.pool.query("update directory_changes set created_at = now() - interval '2 hours'");
    for (const user of names("revoke", 2)) await endpoint.inside.createUser({ userName: user, active: true });
    const { id } = await setUp("revoke", 2);
    const foreign = async () => {
      const [group] = await endpoint.inside.findGroups(`displayName eq "revoke/web:main:push"`);
      return group?.members?.length;
    };
    await vi.waitFor(async () => expect(await foreign()).toBe(2), patience);
    endpoint.setMood("deaf");
    const userId = await system.people.getUserId("revoke-1");
    await system.people.setActive("revoke-1", false);
    await system.branches.expectHolders(id, { push: ["revoke-0"] });
    const standing = async () => {
      const { body } = await system.api.request("/v1/revocations");
      const { items } = body as { items: readonly { subject: string; outstanding: number; doneAt: string | null }[] };
      return items.find(({ subject }) => subject === userId);
    };
    await vi.waitFor(async () => expect(await standing()).toMatchObject({ outstanding: 1, doneAt: null }), patience);
    const about = async () => {
      const findings = await system.api.listFindings();
      return findings.filter(({ subject }) => subject === `user ${userId}`).map(({ kind, message }) => [kind, message]);
    };
    const told = expect.stringMatching(/^revoke-1: 1 of 2 scopes may still hold what was revoked/u);
    expect(await about()).toEqual([["revocation-outstanding", told]]);
    endpoint.setMood("honest");
    await vi.waitFor(async () => expect((await standing())?.doneAt).toEqual(expect.any(String)), patience);
    expect(await foreign()).toBe(1);
    expect(await about()).toEqual([]);
  });

  it("write in the ledger who held what, by which way, since when, and how it ended", async () => {
    const { id, group } = await setUp("ledger", 3);
    await removeFrom(group, ["ledger-2"]);
    await system.branches.expectHolders(id, { push: names("ledger", 2) });
    const { head } = await system.branches.find({ repository: "ledger/web", branch: "main" });
    await push("ledger", { branch: "main", before: head, after: null });
    const read = async () => {
      const { rows } = await system.database.pool.query<Record<string, unknown>>(
        `select user_name, entitlement, origin, refs, verified_at is not null as verified, ended_cause
         from ledger_entries join directory_users on directory_users.id = user_id
         where incarnation_id = $1 and endpoint = 'directory' order by user_name`,
        [id],
      );
      return rows;
    };
    const entry = (user_name: string, ended_cause: string) => ({
      user_name,
      ended_cause,
      entitlement: "push",
      origin: "sync",
      refs: ["group:ledger-team"],
      verified: true,
    });
    await vi.waitFor(
      async () =>
        expect(await read()).toEqual([
          entry("ledger-0", "deleted"),
          entry("ledger-1", "deleted"),
          entry("ledger-2", "not-granted"),
        ]),
      patience,
    );
  });
});
