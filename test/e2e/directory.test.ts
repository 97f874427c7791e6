import { branchEntitlementSchema } from "@branchward/core";
import { ScimClientError, toEqualityFilter } from "@branchward/scim";
import { tokenMade } from "@branchward/core/api";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { runCommand } from "../support/command-line.ts";
import { createGithubRepository, makeRevision } from "../support/deliveries.ts";
import { startTestSystem, type TestSystem } from "../support/system.ts";

/** Stories that each have repositories, a granted group and a denied group of their own. */
const STORIES = [
  "members",
  "nested",
  "active",
  "deleted-user",
  "renamed",
  "lost-grant",
  "lost-deny",
  "rebound",
  "late",
  "provisioned",
  "drift",
  "unrelated",
] as const;
type Story = (typeof STORIES)[number];

const POLICY = `
policy:
${STORIES.map(
  (story) => `
  - repositories: ["${story}/*"]
    branches: ["**"]
    grants:
      - { entitlement: push, to: ["group:${story}-team"] }
    deny:
      - { entitlement: push, to: ["group:${story}-contractors"] }`,
).join("\n")}
`;

describe.each(["postgres", "redis"] as const)("the directory, with the queue on %s,", (backend) => {
  let system: TestSystem;

  beforeAll(async () => {
    system = await startTestSystem({ backend, policy: POLICY });
    await system.people.addUsers("alice", "bob", "carol", "dan");
  });
  afterAll(() => system[Symbol.asyncDispose]());

  async function push(story: Story, repository = `${story}/web`): Promise<string> {
    await createGithubRepository(system.post, repository).push({ branch: "main", after: makeRevision() });
    return (await system.branches.find({ repository, branch: "main" })).id;
  }

  const expectPushers = (id: string, ...names: readonly string[]) => system.branches.expectHolders(id, { push: names });

  /** Waits until everything that the directory was told before has had its effect: changes are read in order. */
  async function expectReadUpToHere(): Promise<void> {
    const mark = `mark-${makeRevision()}`;
    await system.people.addUsers(mark);
    await system.people.join("unrelated-team", mark);
    const unrelated = await system.branches.find({ repository: "unrelated/web", branch: "main" });
    const settled = async () => ((await system.branches.holders(unrelated.id))["push"] ?? []).includes(mark);
    await expect.poll(settled, { timeout: 20_000 }).toBe(true);
  }

  beforeAll(async () => {
    await system.people.addGroup("unrelated-team", ["dan"]);
    await expectPushers(await push("unrelated"), "dan");
  });

  it("gives and takes at once when members of a granted group change, on the branches it reaches and no other", async () => {
    await system.people.addGroup("members-team", ["alice"]);
    const [web, api] = [await push("members"), await push("members", "members/api")];
    for (const id of [web, api]) await expectPushers(id, "alice");
    const unrelated = await system.branches.find({ repository: "unrelated/web", branch: "main" });
    const before = await system.api.listSyncs(unrelated.id);
    await system.people.join("members-team", "bob");
    for (const id of [web, api]) await expectPushers(id, "alice", "bob");
    await system.people.leave("members-team", "alice");
    for (const id of [web, api]) await expectPushers(id, "bob");
    expect(await system.api.listSyncs(unrelated.id)).toEqual(before);
    await vi.waitFor(
      async () => {
        const changing = (await system.api.listSyncs(web)).filter((sync) => sync.added + sync.removed > 0);
        expect(changing.slice(0, 2)).toMatchObject([
          { reason: "directory", added: 0, removed: 1, verdict: "verified" },
          { reason: "directory", added: 1, removed: 0, verdict: "verified" },
        ]);
      },
      { timeout: 20_000 },
    );
  });

  it("reaches through groups in groups", async () => {
    await system.people.addGroup("nested-inner", ["alice"]);
    await system.people.addGroup("nested-middle", ["group:nested-inner"]);
    await system.people.addGroup("nested-team", ["group:nested-middle", "bob"]);
    const id = await push("nested");
    await expectPushers(id, "alice", "bob");
    await system.people.join("nested-inner", "carol");
    await expectPushers(id, "alice", "bob", "carol");
    await system.people.leave("nested-team", "group:nested-middle");
    await expectPushers(id, "bob");
    expect(await system.branches.holders(id)).toEqual({ push: ["bob"] });
  });

  it("takes everything from a deactivated user and gives it back when the user is active again", async () => {
    await system.people.addGroup("active-team", ["alice", "bob"]);
    const id = await push("active");
    await expectPushers(id, "alice", "bob");
    await system.people.setActive("alice", false);
    await expectPushers(id, "bob");
    await system.people.setActive("alice", true);
    await expectPushers(id, "alice", "bob");
    expect(await system.branches.holders(id)).toEqual({ push: ["alice", "bob"] });
  });

  it("takes everything from a deleted user, and gives a new user of that name nothing", async () => {
    await system.people.addUsers("erin");
    await system.people.addGroup("deleted-user-team", ["erin", "bob"]);
    const id = await push("deleted-user");
    await expectPushers(id, "bob", "erin");
    await system.people.deleteUser("erin");
    await expectPushers(id, "bob");
    await system.people.addUsers("erin");
    await expectReadUpToHere();
    expect(await system.branches.holders(id)).toEqual({ push: ["bob"] });
  });

  it("keeps the binding of a group that is renamed, and a namesake gets nothing", async () => {
    await system.people.addGroup("renamed-team", ["alice"]);
    const id = await push("renamed");
    await expectPushers(id, "alice");
    await system.people.renameGroup("renamed-team", "renamed-squad");
    await system.people.addGroup("renamed-team", ["carol"]);
    await system.people.join("renamed-squad", "bob");
    await expectPushers(id, "alice", "bob");
    await expectReadUpToHere();
    expect(await system.branches.holders(id)).toEqual({ push: ["alice", "bob"] });
  });

  it("keeps the last members of a granted group that is deleted, but for those who are deactivated", async () => {
    await system.people.addUsers("frank");
    await system.people.addGroup("lost-grant-team", ["alice", "frank"]);
    const id = await push("lost-grant");
    await expectPushers(id, "alice", "frank");
    await system.people.deleteGroup("lost-grant-team");
    await expectReadUpToHere();
    expect(await system.branches.holders(id)).toEqual({ push: ["alice", "frank"] });
    await system.people.setActive("frank", false);
    await expectPushers(id, "alice");
    await system.people.addGroup("lost-grant-team", ["carol"]);
    await expectReadUpToHere();
    expect(await system.branches.holders(id)).toEqual({ push: ["alice"] });
  });

  it("means another group for a reference only once that is said by hand (rule B4)", async () => {
    await system.people.addGroup("rebound-team", ["alice"]);
    const id = await push("rebound");
    await expectPushers(id, "alice");
    await system.people.deleteGroup("rebound-team");
    const other = await system.people.addGroup("rebound-team", ["alice", "carol"]);
    await expectReadUpToHere();
    expect(await system.branches.holders(id)).toEqual({ push: ["alice"] });
    const findLost = async () =>
      (await system.api.listFindings()).filter(
        ({ kind, subject }) => kind === "group-lost" && subject === "group:rebound-team",
      );
    expect(await findLost()).toHaveLength(1);
    const bound = await runCommand(["groups", "bind", "rebound-team", other, "--url", system.url], {
      cwd: system.directory,
      env: { BRANCHWARD_TOKEN: system.adminToken },
    });
    expect(bound).toMatchObject({ code: 0, stdout: expect.stringContaining(other) });
    await expectPushers(id, "alice", "carol");
    expect(await findLost()).toEqual([]);
  });

  it("keeps denying the last members of a denied group that is deleted: nobody gains (rule B4)", async () => {
    await system.people.addGroup("lost-deny-team", ["alice", "carol"]);
    await system.people.addGroup("lost-deny-contractors", ["carol"]);
    const id = await push("lost-deny");
    await expectPushers(id, "alice");
    await system.people.deleteGroup("lost-deny-contractors");
    await expectReadUpToHere();
    expect(await system.branches.holders(id)).toEqual({ push: ["alice"] });
    await system.people.join("lost-deny-team", "bob");
    await expectReadUpToHere();
    expect(await system.branches.holders(id)).toEqual({ push: ["alice"] });
    const { body } = await system.api.request(`/v1/branches/${id}`);
    expect(body).toMatchObject({
      scopes: [{ entitlements: [{ members: [{ userName: "alice" }] }], exclusions: expect.any(Array) }],
    });
    expect(JSON.stringify(body)).toMatch(/"userName":"bob","entitlement":"push","cause":"group-lost"/u);
    await system.people.addGroup("lost-deny-contractors", []);
    await expectReadUpToHere();
    expect(await system.branches.holders(id)).toEqual({ push: ["alice"] });
  });

  it("binds a group that appears after the policy, which until then stands as a finding and grants nobody (rule B4)", async () => {
    const id = await push("late");
    expect(await system.branches.holders(id)).toEqual({ push: [] });
    const isFound = async () =>
      (await system.api.listFindings()).some(
        (finding) => finding.kind === "group-unbound" && finding.subject === "group:late-team",
      );
    expect(await isFound()).toBe(true);
    await system.people.addGroup("late-team", ["alice", "bob"]);
    await expectPushers(id, "alice", "bob");
    expect(await isFound()).toBe(false);
    await system.people.addGroup("late-contractors", ["bob"]);
    await expectPushers(id, "alice");
  });

  it("hides entitlement groups from provisioning clients, which can neither read, nest, write nor imitate them (rule C7)", async () => {
    await system.people.addGroup("provisioned-team", ["alice"]);
    const id = await push("provisioned");
    await expectPushers(id, "alice");
    const filter = toEqualityFilter(`${branchEntitlementSchema}:incarnation`, id);
    const [entitlementGroup] = await system.scim.findGroups(filter);
    const groupId = entitlementGroup?.id ?? "";
    expect(entitlementGroup).toMatchObject({ displayName: "provisioned/web:main:push" });
    const made = await system.api.request("/v1/tokens", { method: "POST", body: { client: "okta", scope: "scim" } });
    const okta = system.connectScim(tokenMade.parse(made.body).secret);
    expect(await okta.findGroups(filter)).toEqual([]);
    expect((await okta.findGroups(undefined)).map((group) => group.displayName)).not.toContain(
      "provisioned/web:main:push",
    );
    const bob = await system.people.getUserId("bob");
    const forbidden = [
      okta.getGroup(groupId),
      okta.patchMembers(groupId, { add: [bob], remove: [] }),
      okta.deleteGroup(groupId),
      okta.createGroup({ displayName: "outer", members: [{ value: groupId }] }),
      okta.createGroup({ displayName: "imitation", externalId: `branchward:${id}:push` }),
      system.scim.patchMembers(groupId, { add: [bob], remove: [] }),
      system.scim.deleteGroup(groupId),
    ];
    const outcomes = await Promise.allSettled(forbidden);
    const statuses = outcomes.map((outcome) =>
      outcome.status === "rejected" && outcome.reason instanceof ScimClientError
        ? outcome.reason.status
        : outcome.status,
    );
    expect(statuses).toEqual([404, 404, 404, 400, 409, 403, 403]);
    expect(await system.branches.holders(id)).toEqual({ push: ["alice"] });
  });

  it("removes an outsider who was put into an entitlement group, and says whom, at the next look", async () => {
    await system.people.addGroup("drift-team", ["alice"]);
    const id = await push("drift");
    await expectPushers(id, "alice");
    const bob = await system.people.getUserId("bob");
    await system.database.pool.query(
      `insert into directory_members (group_id, member_id, member_kind)
       select g.id, $2, 'User' from directory_groups g where g.external_id = $1`,
      [`branchward:${id}:push`, bob],
    );
    const recheck = { method: "POST", body: { repository: "drift/web", branch: "main" } };
    expect((await system.api.request("/v1/syncs", recheck)).status).toBe(202);
    await system.branches.settle(id);
    expect(await system.branches.holders(id)).toEqual({ push: ["alice"] });
    const repair = (await system.api.listSyncs(id)).find((sync) => sync.removed > 0);
    expect(repair).toMatchObject({ removed: 1, verdict: "verified" });
    const { body } = await system.api.request(`/v1/syncs/${repair?.id ?? ""}`);
    expect(body).toMatchObject({ changes: [{ entitlement: "push", removed: [{ userName: "bob" }] }] });
  });
});
