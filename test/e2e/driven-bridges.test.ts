/** The whole way: an identity provider fills the directory, deliveries move branches, and what counts is a real push. */
import { accountItem, page } from "@branchward/core/api";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { ENTITLEMENT, SSH_KEYS } from "../support/bridge.ts";
import { runCommand } from "../support/command-line.ts";
import { makeRevision, type ReceiveMessage, signAgent, toDeliveryId, toReceiveBody } from "../support/deliveries.ts";
import { type DrivenHost, listDrivenHosts } from "../support/driven-hosts.ts";
import { startTestSystem, type TestSystem } from "../support/system.ts";

const waiting = { timeout: 30_000, interval: 100 };

/** Deployments are the directory's alone: bridges enforce pushes. */
const policyOf = (url: string, more = ""): string => `
policy:
  - repositories: ["**"]
    branches: ["dev/**"]
    grants:
      - { entitlement: push, to: ["group:engineering"] }
      - { entitlement: deploy, to: ["group:engineering"], endpoints: [directory] }
${more}
  - repositories: ["**"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["group:release-managers"] }
endpoints:
  - { name: directory, type: builtin }
  - { name: native, url: "${url}", token: { env: NATIVE_TOKEN }, accounts: true, probeEvery: 1s }
`;

const userPage = z.object({
  Resources: z.array(
    z.object({
      id: z.string(),
      userName: z.string(),
      externalId: z.string().optional(),
      active: z.boolean(),
      [SSH_KEYS]: z.object({ keys: z.array(z.object({ value: z.string() })) }).optional(),
    }),
  ),
});
const groupPage = z.object({
  Resources: z.array(
    z.object({
      id: z.string(),
      members: z.array(z.object({ value: z.string() })).default([]),
      meta: z.object({ lastModified: z.coerce.date() }),
    }),
  ),
});

const kinds = listDrivenHosts(process.env);

describe.each(kinds)("with $name behind its bridge", { timeout: 300_000 }, (kind) => {
  const stack = new AsyncDisposableStack();
  let host: DrivenHost;
  let system: TestSystem;
  const heads = new Map<string, string>();

  const nameOf = (name: string): string => host.nameOf(name);
  const policy = (more?: string): string => policyOf(`${host.bridge.bridge.url}/scim/v2`, more);

  beforeAll(async () => {
    host = stack.use(await kind.open());
    const secretEnv = { NATIVE_TOKEN: host.bridge.token };
    const sources =
      "sources:\n  - { name: agents, type: agent, secret: { env: AGENT_SECRET }, may: [checkout, refs] }\n";
    system = stack.use(await startTestSystem({ sources, policy: policy(), secretEnv }));
    await system.people.addUsers(...["alice", "bob", "carol"].map(nameOf));
    for (const person of ["alice", "bob", "carol"]) await addKey(person);
    await system.people.addGroup("engineering", ["alice", "bob"].map(nameOf));
    await system.people.addGroup("release-managers", [nameOf("carol")]);
    await system.people.addGroup("contractors", [nameOf("bob")]);
  }, 300_000);
  afterAll(() => stack.disposeAsync());

  /** As somebody gives a key to the identity provider, which sends it on. */
  async function addKey(person: string): Promise<void> {
    if (host.makeKey === undefined) return;
    const value = [{ value: await host.makeKey(nameOf(person)) }];
    const id = await system.people.getUserId(nameOf(person));
    await system.scim.patchUser(id, [{ op: "add", path: `${SSH_KEYS}:keys`, value }]);
  }

  async function deliver(...changes: ReceiveMessage["changes"]): Promise<void> {
    const { repository, vcs, refType } = host;
    const body = toReceiveBody({ repository, vcs, refType, changes });
    toDeliveryId(await system.post("agents", signAgent({ body }), body));
    for (const { name, after } of changes) {
      if (after === null) heads.delete(name);
      else heads.set(name, after);
    }
  }

  const bear = (branch: string) =>
    deliver({ kind: "create", name: nameOf(branch), before: null, after: makeRevision() });

  const headOf = (branch: string): string => heads.get(nameOf(branch)) ?? "";

  async function expectInSync(branch: string): Promise<void> {
    const { repository, refType } = host;
    const question = { repository, branch: nameOf(branch), refType, wait: "30s" };
    const { status } = await system.api.status(question);
    expect(status).toMatchObject({ state: "in_sync", degraded: false });
  }

  async function findAccount(person: string) {
    const filter = encodeURIComponent(`userName eq "${nameOf(person)}"`);
    const { json } = await host.bridge.request("GET", `/Users?filter=${filter}`);
    return userPage.parse(json).Resources[0];
  }

  async function findGroup(branch: string) {
    const filter = encodeURIComponent(`${ENTITLEMENT}:branch eq "${nameOf(branch)}"`);
    const { json } = await host.bridge.request("GET", `/Groups?filter=${filter}`);
    return groupPage.parse(json).Resources[0];
  }

  /** Waits until the group of the branch holds exactly these people, by what the bridge says. */
  async function expectMembers(branch: string, people: readonly string[]): Promise<void> {
    await vi.waitFor(async () => {
      const ids = await Promise.all(people.map(async (person) => (await findAccount(person))?.id));
      const group = await findGroup(branch);
      expect(new Set(group?.members.map(({ value }) => value))).toEqual(new Set(ids));
    }, waiting);
    await expectInSync(branch);
  }

  /** `accepted`, `refused`, or each way in by itself where they differ. */
  async function push(person: string, branch: string): Promise<string> {
    const said = Object.entries(await host.push(nameOf(person), nameOf(branch)));
    const outcomes = said.map(([way, what]) => [way, what.split(":", 1)[0] ?? ""] as const);
    const [[, first] = ["", ""]] = outcomes;
    const isOne = outcomes.every(([, outcome]) => outcome === first);
    return isOne ? first : outcomes.map((each) => each.join(" ")).join(", ");
  }

  /** As the host's own administration does: passwords never come through Branchward. */
  async function givePassword(person: string): Promise<void> {
    const value = host.passwordOf?.(nameOf(person));
    if (value === undefined) return;
    const account = await findAccount(person);
    const { status, json } = await host.bridge.patch(`/Users/${account?.id}`, {
      op: "replace",
      path: "password",
      value,
    });
    if (status !== 200) throw new Error(`${person}: ${status} ${JSON.stringify(json)}`);
  }

  it("accounts and the group are made for a branch that is born, and then members alone may push", async () => {
    await bear("dev/one");
    await bear("release/one");
    await expectMembers("dev/one", ["alice", "bob"]);
    await expectMembers("release/one", ["carol"]);
    for (const person of ["alice", "bob", "carol"]) {
      const externalId = await system.people.getUserId(nameOf(person));
      expect(await findAccount(person)).toMatchObject({ active: true, externalId });
      await givePassword(person);
    }
    expect(await push("alice", "dev/one")).toBe("accepted");
    expect(await push("carol", "dev/one")).toBe("refused");
    expect(await push("carol", "release/one")).toBe("accepted");
    expect(await push("alice", "release/one")).toBe("refused");
    expect(await push("carol", "feature")).toBe("accepted");
  });

  it("a change of a group of people holds at the next push once it is verified", async () => {
    await system.people.leave("engineering", nameOf("bob"));
    await expectMembers("dev/one", ["alice"]);
    expect(await push("bob", "dev/one")).toBe("refused");
    await system.people.join("engineering", nameOf("bob"));
    await expectMembers("dev/one", ["alice", "bob"]);
    expect(await push("bob", "dev/one")).toBe("accepted");
  });

  it("a renamed branch takes its group along, under the new name's policy (rule A5)", async () => {
    const before = await findGroup("dev/one");
    const after = headOf("dev/one");
    await deliver(
      { kind: "delete", name: nameOf("dev/one"), before: after, after: null },
      { kind: "create", name: nameOf("release/two"), before: null, after },
    );
    await expectMembers("release/two", ["carol"]);
    expect(await findGroup("release/two")).toMatchObject({ id: before?.id });
    expect(await push("alice", "release/two")).toBe("refused");
    expect(await push("carol", "release/two")).toBe("accepted");
    expect(await findGroup("dev/one")).toBeUndefined();
  });

  it("a deleted branch is nobody's at once (rule A6)", async () => {
    await deliver({ kind: "delete", name: nameOf("release/two"), before: headOf("release/two"), after: null });
    await expectMembers("release/two", []);
    expect(await push("carol", "release/two")).toBe("refused");
  });

  it("a changed policy is in force for a branch that is there", async () => {
    await bear("dev/three");
    await expectMembers("dev/three", ["alice", "bob"]);
    expect(await push("bob", "dev/three")).toBe("accepted");
    expect(await push("carol", "dev/three")).toBe("refused");
    await system.stop();
    const more = `      - { entitlement: push, to: ["group:release-managers"] }
    deny:
      - { entitlement: push, to: ["group:contractors"] }`;
    await system.start(policy(more));
    await expectMembers("dev/three", ["alice", "carol"]);
    expect(await push("bob", "dev/three")).toBe("refused");
    expect(await push("carol", "dev/three")).toBe("accepted");
  });

  it("a deactivated user has no way in and no membership; keys come back with the user (rule C3)", async () => {
    expect(await push("alice", "feature")).toBe("accepted");
    await system.people.setActive(nameOf("alice"), false);
    await expectMembers("dev/three", ["carol"]);
    await vi.waitFor(async () => {
      const account = await findAccount("alice");
      expect(account).toMatchObject({ active: false });
      expect(account?.[SSH_KEYS]?.keys ?? []).toEqual([]);
    }, waiting);
    expect(await push("alice", "feature")).toBe("refused");
    expect(await push("alice", "dev/three")).toBe("refused");
    await system.people.setActive(nameOf("alice"), true);
    await expectMembers("dev/three", ["alice", "carol"]);
    expect(await findAccount("alice")).toMatchObject({ active: true });
    // A password was replaced by one that nobody knows.
    expect(await push("alice", "dev/three")).toBe(host.afterReturn);
  });

  it("is tried out by the doctor, who leaves nothing there", async () => {
    const args = ["doctor", "--endpoint", "native", "--json", "--url", system.url];
    const env = { BRANCHWARD_TOKEN: system.adminToken };
    const { code, stdout, stderr } = await runCommand(args, { cwd: system.directory, env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({
      error: null,
      card: { takesExtension: true, keepsExtension: true, patches: true, addsMembers: true, honoursIfMatch: true },
    });
    const left = `/Groups?filter=${encodeURIComponent('displayName sw "bw-probe-"')}`;
    expect((await host.bridge.request("GET", left)).json).toMatchObject({ totalResults: 0 });
    await bear("dev/four");
    await expectMembers("dev/four", ["alice", "carol"]);
  });

  it("the empty group of a deleted branch is gone in the end, and its name is free", async () => {
    await vi.waitFor(async () => expect(await findGroup("release/two")).toBeUndefined(), {
      timeout: 90_000,
      interval: 250,
    });
    await bear("release/two");
    await expectMembers("release/two", ["carol"]);
    expect(await push("alice", "release/two")).toBe("refused");
    expect(await push("carol", "release/two")).toBe("accepted");
  });

  it("nothing is left that somebody would have to look at", async () => {
    const findings = await system.api.listFindings();
    // The unix account that runs the hooks is nobody.
    expect(findings.map(({ kind: finding, subject }) => `${finding} ${subject}`)).toEqual([
      "unknown-actor agents: git",
    ]);
    const { body } = await system.api.request("/v1/endpoints/native/accounts?limit=200");
    const states = page(accountItem)
      .parse(body)
      .items.map(({ state }) => state);
    expect(states).toEqual(["linked", "linked", "linked"]);
    expect(await host.bridge.bridge.audit()).toEqual([]);
  });
});
