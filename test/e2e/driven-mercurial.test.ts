/** A Mercurial host whose hooks tell Branchward what was pushed, and whose bridge Branchward tells who may push next. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type BridgeUnderTest, ENTITLEMENT, SSH_KEYS, startTestBridge } from "../support/bridge.ts";
import { type HgHost, startHgHost } from "../support/hg-host.ts";
import { openWorkshop, type Workshop } from "../support/repositories.ts";
import { startTestSystem, type TestSystem } from "../support/system.ts";

const repository = "acme/web";
const waiting = { timeout: 30_000, interval: 100 };
const policyOf = (url: string): string => `
policy:
  - repositories: ["**"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["group:release-managers"] }
endpoints:
  - { name: directory, type: builtin }
  - { name: hg, url: "${url}/scim/v2", token: { env: HG_TOKEN }, accounts: true }
`;

describe("a Mercurial host with Branchward's hooks and bridge", { timeout: 300_000 }, () => {
  const stack = new AsyncDisposableStack();
  let host: HgHost;
  let scim: BridgeUnderTest;
  let system: TestSystem;
  let workshop: Workshop;
  const keys = new Map<string, string>();

  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), "branchward-driven-hg-"));
    stack.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
    host = stack.use(await startHgHost(directory));
    await host.addRepository(repository);
    const section = `mercurial:\n  repositories: [{ name: ${repository}, path: ${host.pathOf(repository)} }]\n  authorizedKeys: ${host.authorizedKeys}\n`;
    scim = stack.use(await startTestBridge({ directory, section }));
    const secretEnv = { HG_TOKEN: scim.token };
    system = stack.use(await startTestSystem({ policy: policyOf(scim.bridge.url), secretEnv }));
    workshop = stack.use(await openWorkshop({ directory, url: system.url }));
    await workshop.installHooks(host.pathOf(repository), "server");
    await system.people.addUsers("alice", "bob");
    for (const person of ["alice", "bob"]) {
      const key = await host.makeKey(person);
      keys.set(person, key);
      const value = [{ value: (await readFile(`${key}.pub`, "utf8")).trim() }];
      const id = await system.people.getUserId(person);
      await system.scim.patchUser(id, [{ op: "add", path: `${SSH_KEYS}:keys`, value }]);
      // Nothing grants bob anything, so that nothing makes him an account: the host's administration does.
      if (person === "bob") await scim.addUser(person, { [SSH_KEYS]: { keys: value } });
    }
    await system.people.addGroup("release-managers", ["alice"]);
  }, 300_000);
  afterAll(() => stack.disposeAsync());

  const hg = (cwd: string, ...args: readonly string[]) => workshop.run(cwd, "hg", ...args);

  async function push(person: string, clone: string): Promise<string> {
    return (await host.pushBySsh(clone, repository, keys.get(person) ?? "")).split("\n", 1)[0] ?? "";
  }

  /** A clone with one more changeset on the branch. */
  async function work(branch: string): Promise<string> {
    return host.prepare(repository, { branch });
  }

  async function expectMembers(branch: string, people: readonly string[]): Promise<void> {
    const filter = encodeURIComponent(`${ENTITLEMENT}:branch eq "${branch}"`);
    const members = people.map((display) => expect.objectContaining({ display }));
    await vi.waitFor(async () => {
      const { json } = await scim.request("GET", `/Groups?filter=${filter}`);
      expect(json).toMatchObject({ Resources: [members.length === 0 ? {} : { members }] });
      expect(members.length === 0 && JSON.stringify(json).includes('"members":[{')).toBe(false);
    }, waiting);
  }

  it("is told of a branch by the push that makes it, and denies the next push of who may not", async () => {
    const clone = await work("default");
    await hg(clone, "branch", "release/9");
    await hg(clone, "commit", "--message", "begin");
    expect(await push("bob", clone)).toBe("accepted");
    await expectMembers("release/9", ["alice"]);
    expect(await push("bob", await work("release/9"))).toMatch(/^refused/u);
    expect(await push("alice", await work("release/9"))).toBe("accepted");
    expect(await push("bob", await work("default"))).toBe("accepted");
  });

  it("keeps hooks and rules apart in one hgrc, and finds nothing to mend", async () => {
    expect(await scim.bridge.audit()).toEqual([]);
    const text = await readFile(join(host.pathOf(repository), ".hg", "hgrc"), "utf8");
    expect(text).toMatch(/%include branchward\/hgrc[^]*# >>> branchward bridge/u);
  });

  it("lets nobody push to a closed branch, until the repository shows it open again (rule A7)", async () => {
    const clone = await work("release/9");
    await hg(clone, "commit", "--close-branch", "--message", "done");
    expect(await push("alice", clone)).toBe("accepted");
    await expectMembers("release/9", []);
    const again = await work("release/9");
    expect(await push("alice", again)).toMatch(/^refused/u);
    // At the server nobody asks acl, and the hooks tell what came.
    await hg(host.pathOf(repository), "pull", "--quiet", again);
    await expectMembers("release/9", ["alice"]);
    expect(await push("alice", await work("release/9"))).toBe("accepted");
    expect(await push("bob", await work("release/9"))).toMatch(/^refused/u);
  });
});
