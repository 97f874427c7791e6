import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { runCommand } from "../support/command-line.ts";
import {
  createGithubRepository,
  makeRevision,
  signAgent,
  toCheckoutBody,
  toDeliveryId,
  toReceiveBody,
} from "../support/deliveries.ts";
import { addExamplePeople, startTestSystem, type TestSystem } from "../support/system.ts";

const SOURCES = `
sources:
  - { name: agents, type: agent, secret: { env: AGENT_SECRET } }
  - { name: github, type: github, secret: { env: GITHUB_SECRET }, identity: { attribute: nickName, match: key } }
`;

const POLICY = `
policy:
  - repositories: ["**"]
    branches: ["**"]
    grants:
      - { entitlement: push, to: ["group:engineering"], atLeast: 3 }
      - { entitlement: merge, to: ["user:ghost"] }
      - { entitlement: read, to: ["group:engineering"], when: checkout, for: 8h }
`;

describe("who is behind an actor (rule B5)", () => {
  let system: TestSystem;

  beforeAll(async () => {
    system = await startTestSystem({ sources: SOURCES, policy: POLICY });
    await addExamplePeople(system.people);
    await system.scim.createUser({ userName: "hugo", active: true, nickName: "OctoHugo" });
  });
  afterAll(() => system[Symbol.asyncDispose]());

  const branchward = (...args: readonly string[]) =>
    runCommand(args, {
      cwd: system.directory,
      env: { BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: system.adminToken },
    });
  const userOf = async (id: string) => (await system.api.listDeliveries()).find((item) => item.id === id)?.user;
  const findingsOf = async (kind: string) => (await system.api.listFindings()).filter((each) => each.kind === kind);

  async function pushBranch(repository: string, name = "dev/x"): Promise<string> {
    const body = toReceiveBody({
      repository,
      changes: [{ kind: "create", name, before: null, after: makeRevision() }],
    });
    toDeliveryId(await system.post("agents", signAgent({ body }), body));
    return (await system.branches.find({ repository, branch: name })).id;
  }

  it("is found by the attribute that the source names, exactly", async () => {
    const repository = createGithubRepository(system.post, "acme/attribute");
    const first = await repository.push({ branch: "main", after: makeRevision(), sender: "OctoHugo" });
    expect(await userOf(first)).toBe("hugo");
    const second = await repository.push({ branch: "other", after: makeRevision(), sender: "octohugo" });
    expect(await userOf(second)).toBeNull();
    const third = await repository.push({ branch: "third", after: makeRevision(), sender: "alice" });
    expect(await userOf(third)).toBeNull();
    const subjects = (await findingsOf("unknown-actor")).map(({ subject }) => subject);
    expect(subjects).toEqual(expect.arrayContaining(["github: octohugo", "github: alice"]));
    const branch = await system.branches.find({ repository: "acme/attribute", branch: "main" });
    const { body } = await system.api.request(`/v1/branches/${branch.id}`);
    expect(body).toMatchObject({ events: [{ actor: "OctoHugo", user: "hugo" }] });
  });

  it("is said by a link, which brings standing checkouts their access, and takes it back when it goes", async () => {
    const id = await pushBranch("acme/linked");
    const body = toCheckoutBody({ repository: "acme/linked", branch: "dev/x", actor: "al@home" });
    const delivery = toDeliveryId(await system.post("agents", signAgent({ body }), body));
    expect((await system.api.getDelivery(delivery)).events).toMatchObject([{ note: "unknown-actor" }]);
    const [finding] = (await findingsOf("unknown-actor")).filter(({ subject }) => subject === "agents: al@home");
    expect(finding?.message).toContain('branchward links set agents "al@home" USER');
    expect(await system.branches.holders(id)).toMatchObject({ read: [] });
    const set = await branchward("links", "set", "agents", "al@home", "alice");
    expect([set.code, set.stdout]).toEqual([0, "al@home of agents is alice\n"]);
    await system.branches.expectHolders(id, { read: ["alice"] });
    expect((await findingsOf("unknown-actor")).filter(({ subject }) => subject === "agents: al@home")).toEqual([]);
    const listed = await branchward("links", "list", "--source", "agents");
    expect(listed.stdout).toContain("agents  al@home  alice  by admin");
    expect((await branchward("links", "remove", "agents", "al@home")).code).toBe(0);
    await system.branches.expectHolders(id, { read: [] });
    expect((await branchward("links", "remove", "agents", "al@home")).code).toBe(1);
  });

  it.each([
    [
      "whom the identity rule knows as somebody else",
      { source: "github", actor: "OctoHugo", user: "alice" },
      409,
      "actor_resolved",
    ],
    ["of a source that is not configured", { source: "gitlab", actor: "x", user: "alice" }, 404, "unknown_source"],
    ["to nobody the directory knows", { source: "github", actor: "x", user: "mallory" }, 404, "unknown_user"],
  ])("cannot be linked %s", async (_, body, status, code) => {
    expect(await system.api.request("/v1/links", { method: "POST", body })).toMatchObject({ status, body: { code } });
  });

  it("is one finding for each rule of the policy, however many branches it concerns", async () => {
    for (const name of ["a", "b", "c"]) await pushBranch("acme/many", name);
    await vi.waitFor(
      async () => {
        const [few, ...otherFew] = await findingsOf("at-least");
        expect(few).toMatchObject({ severity: "critical", subject: "policy[0].grants[0]" });
        expect(few?.message).toMatch(/^push has 2 of at least 3 members, by .*: .* and \d+ more scopes$/u);
        const [ghost, ...otherGhosts] = await findingsOf("user-unknown");
        expect(ghost).toMatchObject({ severity: "info", subject: "policy[0].grants[1]" });
        expect([...otherFew, ...otherGhosts]).toEqual([]);
      },
      { timeout: 20_000, interval: 250 },
    );
    await system.people.join("engineering", "carol");
    await vi.waitFor(async () => expect(await findingsOf("at-least")).toEqual([]), { timeout: 20_000, interval: 250 });
  });
});
