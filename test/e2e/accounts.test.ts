/** Accounts at endpoints where Branchward keeps them (rule C5): another Branchward's directory, and one that misbehaves. */
import { accountItem, type AccountItem, page } from "@branchward/core/api";
import { createScimClient, type ScimClient, type ScimUser } from "@branchward/scim";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { runCommand } from "../support/command-line.ts";
import { createGithubRepository, type GithubRepository, makeRevision } from "../support/deliveries.ts";
import { startHostileScim } from "../support/hostile-scim.ts";
import { type ScriptedEndpoint, startScriptedEndpoint } from "../support/scripted-endpoint.ts";
import { startTestSystem, type TestSystem } from "../support/system.ts";

const repository = "acme/accounts";
const waiting = { timeout: 20_000, interval: 50 };

const policyOf = (url: string, more = ""): string => `
policy:
  - repositories: ["**"]
    branches: ["**"]
    grants:
      - { entitlement: push, to: ["group:engineering"] }
endpoints:
  - { name: directory, type: builtin }
  - { name: foreign, url: "${url}", token: { env: FOREIGN_TOKEN }, accounts: true, probeEvery: 1s }
${more}`;

interface Story {
  readonly system: TestSystem;
  readonly github: GithubRepository;
  /** The endpoint as its own administrator sees it. */
  readonly inside: ScimClient;
}

function tell({ system, github, inside }: Story) {
  return {
    push: (branch: string) => github.push({ branch, after: makeRevision() }),
    async account(userName: string): Promise<ScimUser | undefined> {
      const [found] = await inside.findUsers(`userName eq "${userName}"`);
      return found;
    },
    async links(): Promise<Readonly<Record<string, AccountItem>>> {
      const { body } = await system.api.request("/v1/endpoints/foreign/accounts?limit=200");
      return Object.fromEntries(
        page(accountItem)
          .parse(body)
          .items.map((item) => [item.userName, item]),
      );
    },
    async holders(branch: string): Promise<readonly string[] | undefined> {
      const [group] = await inside.findGroups(`displayName eq "${repository}:${branch}:push"`);
      if (group === undefined) return undefined;
      const names = new Map((await inside.findUsers(undefined)).map((user) => [user.id, user.userName]));
      return (group.members ?? []).map(({ value }) => names.get(value) ?? value).toSorted((a, b) => a.localeCompare(b));
    },
    async findings(): Promise<readonly string[]> {
      return (await system.api.listFindings()).map(({ kind, subject }) => `${kind} ${subject}`);
    },
    async user(userName: string): Promise<ScimUser> {
      const [found] = await system.scim.findUsers(`userName eq "${userName}"`);
      if (found === undefined) throw new Error(`no ${userName}`);
      return found;
    },
  };
}

describe("accounts at an endpoint", () => {
  const stack = new AsyncDisposableStack();
  const context: { story: Story } = {} as never;
  const said = () => tell(context.story);

  beforeAll(async () => {
    const endpoint = stack.use(await startScriptedEndpoint());
    const system = stack.use(
      await startTestSystem({
        policy: policyOf(endpoint.url, "audit: { interval: 1s, budget: 1 }"),
        secretEnv: { FOREIGN_TOKEN: "token" },
      }),
    );
    const github = createGithubRepository(system.post, repository);
    context.story = { system, github, inside: endpoint.inside };
    await system.people.addUsers("alice", "bob");
    await system.people.addGroup("engineering", ["alice", "bob"]);
  });
  afterAll(() => stack.disposeAsync());

  it("are made for whom a scope wants there, with the user's id, and the scope is looked at again", async () => {
    await said().push("made");
    await vi.waitFor(async () => expect(await said().holders("made")).toEqual(["alice", "bob"]), waiting);
    const alice = await said().user("alice");
    expect(await said().account("alice")).toMatchObject({ externalId: alice.id, active: true });
    await vi.waitFor(
      async () =>
        expect(await said().links()).toMatchObject({
          alice: { state: "linked", createdByUs: true },
          bob: { state: "linked", createdByUs: true },
        }),
      waiting,
    );
  });

  it("follow the user's name and attributes, and keep their id", async () => {
    const { id } = (await said().account("bob")) ?? {};
    const user = await said().user("bob");
    await context.story.system.scim.patchUser(user.id, [
      { op: "replace", path: "userName", value: "robert" },
      { op: "replace", path: "displayName", value: "Robert" },
    ]);
    await vi.waitFor(async () => expect(await said().account("robert")).toMatchObject({ id }), waiting);
    expect((await said().account("robert"))?.resource["displayName"]).toBe("Robert");
    expect(await said().account("bob")).toBeUndefined();
  });

  it("are closed with their user, their certificates taken, and opened again with the user", async () => {
    const account = await said().account("alice");
    await context.story.inside.patchUser(account?.id ?? "", [
      { op: "add", path: "x509Certificates", value: [{ value: "TUlJ" }] },
    ]);
    const user = await said().user("alice");
    const setActive = (value: boolean) =>
      context.story.system.scim.patchUser(user.id, [{ op: "replace", path: "active", value }]);
    await setActive(false);
    await vi.waitFor(async () => expect(await said().account("alice")).toMatchObject({ active: false }), waiting);
    await vi.waitFor(
      async () => expect((await said().account("alice"))?.resource["x509Certificates"]).toBeUndefined(),
      waiting,
    );
    await vi.waitFor(async () => expect(await said().holders("made")).toEqual(["robert"]), waiting);
    await setActive(true);
    await vi.waitFor(async () => expect(await said().account("alice")).toMatchObject({ active: true }), waiting);
    await vi.waitFor(async () => expect(await said().holders("made")).toEqual(["alice", "robert"]), waiting);
  });

  it("that somebody else opens or removes are closed and made again, though nothing is told of it (rule C9)", async () => {
    const { system, inside } = context.story;
    const user = await said().user("alice");
    const { id = "" } = (await said().account("alice")) ?? {};
    await system.scim.patchUser(user.id, [{ op: "replace", path: "active", value: false }]);
    await vi.waitFor(async () => expect(await said().account("alice")).toMatchObject({ active: false }), waiting);
    await inside.patchUser(id, [{ op: "replace", path: "active", value: true }]);
    await vi.waitFor(async () => expect(await said().account("alice")).toMatchObject({ id, active: false }), waiting);
    await system.scim.patchUser(user.id, [{ op: "replace", path: "active", value: true }]);
    await vi.waitFor(async () => expect(await said().holders("made")).toEqual(["alice", "robert"]), waiting);
    await inside.deleteUser(id);
    await vi.waitFor(
      async () => expect(await said().account("alice")).toMatchObject({ externalId: user.id, active: true }),
      waiting,
    );
    expect((await said().account("alice"))?.id).not.toBe(id);
    await vi.waitFor(async () => expect(await said().holders("made")).toEqual(["alice", "robert"]), waiting);
  });

  it("stay closed where somebody else closed them", async () => {
    const account = await said().account("alice");
    await context.story.inside.patchUser(account?.id ?? "", [{ op: "replace", path: "active", value: false }]);
    const user = await said().user("alice");
    await context.story.system.scim.patchUser(user.id, [{ op: "replace", path: "displayName", value: "Alice A." }]);
    await vi.waitFor(
      async () => expect((await said().account("alice"))?.resource["displayName"]).toBe("Alice A."),
      waiting,
    );
    expect(await said().account("alice")).toMatchObject({ active: false });
    await context.story.inside.patchUser(account?.id ?? "", [{ op: "replace", path: "active", value: true }]);
  });

  it("found by their name wait for approval, are used once approved, and never when rejected", async () => {
    const { inside, system } = context.story;
    for (const userName of ["carol", "dave"]) await inside.createUser({ userName, active: true });
    await system.people.addUsers("carol", "dave");
    for (const userName of ["carol", "dave"]) await system.people.join("engineering", userName);
    const stateOf = async (userName: string) => (await said().links())[userName]?.state;
    await vi.waitFor(
      async () =>
        expect([await stateOf("carol"), await stateOf("dave")]).toEqual(["pending-approval", "pending-approval"]),
      waiting,
    );
    expect(await said().holders("made")).toEqual(["alice", "robert"]);
    await vi.waitFor(async () => expect(await said().findings()).toContain("accounts-waiting foreign"), waiting);
    const decide = (user: string, decision: string) =>
      system.api.request("/v1/endpoints/foreign/accounts", { method: "POST", body: { user, decision } });
    expect(await decide("carol", "approve")).toMatchObject({ status: 202 });
    expect(await decide("dave", "reject")).toMatchObject({ status: 202 });
    expect(await decide("nobody", "approve")).toMatchObject({ status: 404, body: { code: "no_candidate" } });
    await vi.waitFor(async () => expect(await said().holders("made")).toEqual(["alice", "carol", "robert"]), waiting);
    expect(await said().account("carol")).toMatchObject({ externalId: (await said().user("carol")).id });
    expect(await said().account("dave")).toMatchObject({ externalId: undefined });
    await vi.waitFor(async () => expect(await stateOf("dave")).toBe("rejected"), waiting);
    await vi.waitFor(async () => expect(await said().findings()).not.toContain("accounts-waiting foreign"), waiting);
  });

  it("of a deleted user are closed, and no namesake inherits them", async () => {
    const { system } = context.story;
    const carol = await said().user("carol");
    await system.scim.deleteUser(carol.id);
    await vi.waitFor(async () => expect(await said().account("carol")).toMatchObject({ active: false }), waiting);
    await system.people.addUsers("carol");
    await system.people.join("engineering", "carol");
    const namesake = await said().user("carol");
    await vi.waitFor(async () => {
      const { body } = await system.api.request("/v1/endpoints/foreign/accounts?state=quarantined");
      expect(page(accountItem).parse(body).items).toMatchObject([{ userId: namesake.id }]);
    }, waiting);
    expect(await said().account("carol")).toMatchObject({ active: false, externalId: carol.id });
    expect(await said().findings()).toContain("account-quarantined foreign/carol");
    expect(await said().holders("made")).toEqual(["alice", "robert"]);
    const env = { BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: system.adminToken };
    const explained = await runCommand(["explain", "carol", "push", repository, "made"], {
      cwd: system.directory,
      env,
    });
    expect(explained.stdout).toMatch(/at foreign: .* not held there: the account there is quarantined/u);
  });

  it("that were settled at the endpoint are found by themselves", async () => {
    const { system, inside } = context.story;
    const comeDue = "update account_links set due_at = now() where state = 'quarantined' and due_at > now()";
    const account = await said().account("carol");
    await inside.patchUser(account?.id ?? "", [{ op: "replace", path: "userName", value: "carol-who-left" }]);
    expect((await system.database.pool.query(comeDue)).rowCount).toBe(1);
    await vi.waitFor(async () => expect(await said().holders("made")).toEqual(["alice", "carol", "robert"]), waiting);
    expect(await said().account("carol")).toMatchObject({ externalId: (await said().user("carol")).id, active: true });
    expect(await said().findings()).not.toContain("account-quarantined foreign/carol");
  });

  it("that were settled at the endpoint are found at once where somebody asks for the branch", async () => {
    const { system, inside } = context.story;
    const candidate = await said().account("dave");
    await inside.patchUser(candidate?.id ?? "", [{ op: "replace", path: "userName", value: "another-dave" }]);
    const body = { repository, branch: "made" };
    expect(await system.api.request("/v1/syncs", { method: "POST", body })).toMatchObject({ status: 202 });
    await vi.waitFor(async () => {
      expect(await said().holders("made")).toEqual(["alice", "carol", "dave", "robert"]);
    }, waiting);
    expect(await said().account("another-dave")).toMatchObject({ externalId: undefined });
  });
});

describe("accounts at an endpoint that misbehaves", () => {
  const stack = new AsyncDisposableStack();
  const context: { story: Story; endpoint: ScriptedEndpoint } = {} as never;
  const said = () => tell(context.story);

  beforeAll(async () => {
    const endpoint = stack.use(await startScriptedEndpoint());
    const policy = policyOf(endpoint.url, "accounts: { adopt: auto }\n");
    const system = stack.use(await startTestSystem({ policy, secretEnv: { FOREIGN_TOKEN: "token" } }));
    const github = createGithubRepository(system.post, repository);
    context.endpoint = endpoint;
    context.story = { system, github, inside: endpoint.inside };
    await endpoint.inside.createUser({ userName: "Alice", active: true });
    await system.people.addUsers("alice", "bob");
    await system.people.addGroup("engineering", ["alice", "bob"]);
    await said().push("kept");
  });
  afterEach(() => context.endpoint.setMood("honest"));
  afterAll(() => stack.disposeAsync());

  it("are adopted by their name where that is said, and take the user's id", async () => {
    await vi.waitFor(async () => expect(await said().holders("kept")).toEqual(["alice", "bob"]), waiting);
    expect(await said().account("alice")).toMatchObject({ externalId: (await said().user("alice")).id });
    expect(await said().links()).toMatchObject({ alice: { state: "linked", createdByUs: false } });
  });

  it("that are not closed in truth stand as a critical finding until they are", async () => {
    context.endpoint.setMood("deaf");
    const bob = await said().user("bob");
    await context.story.system.scim.patchUser(bob.id, [{ op: "replace", path: "active", value: false }]);
    await vi.waitFor(async () => expect(await said().findings()).toContain("account-diverged foreign/bob"), waiting);
    expect(await said().account("bob")).toMatchObject({ active: true });
    context.endpoint.setMood("honest");
    await vi.waitFor(async () => expect(await said().account("bob")).toMatchObject({ active: false }), waiting);
    await vi.waitFor(
      async () => expect(await said().findings()).not.toContain("account-diverged foreign/bob"),
      waiting,
    );
  });

  it("of which several bear the name are a finding, and nobody's", async () => {
    const { system, inside } = context.story;
    for (let twin = 0; twin < 2; twin += 1) await inside.createUser({ userName: "frank", active: true });
    await system.people.addUsers("frank");
    await system.people.join("engineering", "frank");
    await vi.waitFor(async () => expect(await said().findings()).toContain("account-ambiguous foreign/frank"), waiting);
    expect(await said().holders("kept")).not.toContain("frank");
  });
});

describe("accounts of too many users who are deactivated at once", () => {
  it("stay open until that is approved, while the revocation stands as outstanding (rule C2)", async () => {
    await using endpoint = await startScriptedEndpoint();
    const policy = policyOf(endpoint.url, "guards: { maxDeactivations: 1, maxDeactivationShare: 0 }\n");
    await using system = await startTestSystem({ policy, secretEnv: { FOREIGN_TOKEN: "token" } });
    const github = createGithubRepository(system.post, repository);
    const story = tell({ system, github, inside: endpoint.inside });
    await system.people.addUsers("alice", "bob");
    await system.people.addGroup("engineering", ["alice", "bob"]);
    await story.push("mass");
    await vi.waitFor(async () => expect(await story.holders("mass")).toEqual(["alice", "bob"]), waiting);
    await system.people.setActive("alice", false);
    await vi.waitFor(async () => expect(await story.account("alice")).toMatchObject({ active: false }), waiting);
    await system.people.setActive("bob", false);
    const subject = `revocation-outstanding user ${(await story.user("bob")).id}`;
    await vi.waitFor(async () => expect(await story.findings()).toContain(subject), waiting);
    await vi.waitFor(async () => {
      const { rows } = await system.database.pool.query("select 1 from account_links where requested > reconciled");
      expect(rows).toEqual([]);
    }, waiting);
    expect(await story.account("bob")).toMatchObject({ active: true });
    expect(await story.holders("mass")).toEqual(["bob"]);
  });
});

describe("accounts at another Branchward", () => {
  it("are made, renamed, closed and opened again; its own rules keep entitlement groups out", async () => {
    await using other = await startTestSystem({ policy: "policy: []" });
    const policy = policyOf(`${other.url}/scim/v2`);
    await using system = await startTestSystem({ policy, secretEnv: { FOREIGN_TOKEN: other.adminToken } });
    const github = createGithubRepository(system.post, repository);
    const story = tell({ system, github, inside: other.scim });
    await system.people.addUsers("alice");
    await system.people.addGroup("engineering", ["alice"]);
    await story.push("made");
    const { id } = await story.user("alice");
    await vi.waitFor(async () => expect(await story.account("alice")).toMatchObject({ externalId: id }), waiting);
    await system.scim.patchUser(id, [{ op: "replace", path: "userName", value: "alicia" }]);
    await vi.waitFor(async () => expect(await story.account("alicia")).toMatchObject({ externalId: id }), waiting);
    for (const active of [false, true]) {
      await system.people.setActive("alicia", active);
      await vi.waitFor(async () => expect(await story.account("alicia")).toMatchObject({ active }), waiting);
    }
    expect(await story.account("alice")).toBeUndefined();
  });
});

describe("accounts at an endpoint that cuts its answers off", () => {
  it("are made once, since an unknown outcome is looked up and not tried again", async () => {
    await using endpoint = await startHostileScim();
    await using system = await startTestSystem({
      policy: policyOf(endpoint.url),
      secretEnv: { FOREIGN_TOKEN: "token" },
    });
    const inside = createScimClient({ url: endpoint.url, token: () => "", deadlineMs: 5_000, maxBytes: 1 << 20 });
    const github = createGithubRepository(system.post, repository);
    const story = tell({ system, github, inside });
    const names = ["alice", "bob", "erin"];
    await system.people.addUsers(...names);
    await system.people.addGroup("engineering", names);
    endpoint.behave({ cutsAnswers: true });
    await story.push("cut");
    await vi.waitFor(
      async () =>
        expect(Object.values(await story.links()).map(({ state }) => state)).toEqual(["linked", "linked", "linked"]),
      waiting,
    );
    endpoint.behave({});
    await vi.waitFor(async () => expect(await story.holders("cut")).toEqual(names), waiting);
    expect(endpoint.requests.filter((request) => request === "POST /Users")).toHaveLength(3);
    expect(await inside.findUsers(undefined)).toHaveLength(3);
  });
});

describe("accounts at an endpoint that keeps to its own idea of an attribute", () => {
  it("are used all the same, and stand as a finding until it says what it is told", async () => {
    await using stack = new AsyncDisposableStack();
    const ownAttributes = ["displayName"];
    const { url, inside } = stack.use(await startScriptedEndpoint({ ownAttributes }));
    const system = stack.use(await startTestSystem({ policy: policyOf(url), secretEnv: { FOREIGN_TOKEN: "token" } }));
    const said = tell({ system, github: createGithubRepository(system.post, repository), inside });
    await system.people.addUsers("alice");
    await system.people.addGroup("engineering", ["alice"]);
    await said.push("own");
    await vi.waitFor(async () => expect(await said.holders("own")).toEqual(["alice"]), waiting);
    expect(await said.findings()).toContain("account-differs foreign/alice");
    ownAttributes.length = 0;
    const { id } = await said.user("alice");
    await system.scim.patchUser(id, [{ op: "replace", path: "displayName", value: "Alice" }]);
    await vi.waitFor(async () => expect((await said.account("alice"))?.resource["displayName"]).toBe("Alice"), waiting);
    await vi.waitFor(async () => expect(await said.findings()).not.toContain("account-differs foreign/alice"), waiting);
  });
});
