/** A policy comes into force: by its file, by the api, by the command line; and waits where it would take too much. */
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  page,
  type PolicyPlanDocument,
  policyPlanDocument,
  policyVersionDetails,
  policyVersionItem,
  proposedVersion,
} from "@branchward/core/api";
import { insertToken } from "@branchward/store";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { runCommand } from "../support/command-line.ts";
import { createGithubRepository, makeRevision } from "../support/deliveries.ts";
import { startTestSystem, type TestSystem } from "../support/system.ts";

const rule = (branches: string, ...grants: readonly string[]) =>
  `  - repositories: ["**"]\n    branches: ["${branches}"]\n    grants:\n${grants.map((grant) => `      - { ${grant} }\n`).join("")}`;
const policyOf = (...rules: readonly string[]) => `\npolicy:\n${rules.join("")}`;
const PUSH = 'entitlement: push, to: ["group:engineering"]';
const FIRST = policyOf(rule("**", PUSH));
const WIDER = policyOf(rule("**", PUSH, 'entitlement: read, to: ["user:carol"]'));
const EMPTYING = policyOf(rule("**", 'entitlement: push, to: ["group:nobody"]'));
const REPOSITORY = "acme/web";
const PATIENCE = { timeout: 20_000, interval: 50 };

describe("a policy", () => {
  let system: TestSystem;
  let main: string;

  beforeAll(async () => {
    system = await startTestSystem({ policy: FIRST });
    await system.people.addUsers("alice", "bob", "carol");
    await system.people.addGroup("engineering", ["alice", "bob"]);
    await createGithubRepository(system.post, REPOSITORY).push({ branch: "main", after: makeRevision() });
    main = (await system.branches.find({ repository: REPOSITORY, branch: "main" })).id;
    await system.branches.expectHolders(main, { push: ["alice", "bob"] });
  });
  afterAll(() => system[Symbol.asyncDispose]());

  const post = (path: string, body: unknown, token?: string) =>
    system.api.request(path, { method: "POST", body, ...(token === undefined ? {} : { token }) });
  const propose = async (text: string) => {
    const { status, body } = await post("/v1/policy/versions", { text: withSources(text) });
    return { status, ...proposedVersion.parse(body) };
  };
  const listVersions = async () =>
    page(policyVersionItem).parse((await system.api.request("/v1/policy/versions")).body).items;
  const activeText = async () => ((await system.api.request("/v1/policy")).body as { text: string }).text;
  const listFindings = async () => (await system.api.listFindings()).map(({ kind }) => kind);
  const file = () => join(system.directory, "branchward.yaml");

  /** The whole file, as the system was started with but for its policy. */
  function withSources(policy: string): string {
    return `sources:\n  - { name: agents, type: agent, secret: { env: AGENT_SECRET }, may: [checkout, refs] }\n${policy}`;
  }

  const waitForActive = (part: string) => vi.waitFor(async () => expect(await activeText()).toContain(part), PATIENCE);

  describe("planned", () => {
    const plan = async (text: string): Promise<PolicyPlanDocument> =>
      policyPlanDocument.parse((await post("/v1/policy/plan", { text: withSources(text) })).body);

    it("tells by name who gains and who loses what by which rule, and changes nothing", async () => {
      const told = await plan(policyOf(rule("**", 'entitlement: push, to: ["user:alice", "group:unheard"]')));
      expect(told).toMatchObject({
        changed: true,
        summary: { branches: 1, scopes: 1, losses: 1 },
        bindings: [{ reference: "group:unheard", state: "unbound" }],
        changes: [
          {
            entitlements: [
              {
                entitlement: "push",
                group: "stays",
                losses: [{ users: ["bob"], was: { reference: "group:engineering" } }],
              },
            ],
            scopes: [{ repository: REPOSITORY, branch: "main", endpoint: "directory", except: [] }],
          },
        ],
      });
      expect(await listVersions()).toHaveLength(1);
    });

    it("names every problem of a broken policy", async () => {
      const { status, body } = await post("/v1/policy/plan", { text: "policy: [{ branches: [] }]\nnonsense: 1" });
      expect([status, body]).toMatchObject([
        400,
        { code: "invalid_policy", errors: [{ line: 1 }, {}, {}, { line: 2 }] },
      ]);
    });

    it("on the command line exits 0 for nothing, 1 for changes and 78 for a broken file, and says so in words or JSON", async () => {
      const run = async (name: string, text: string, ...args: string[]) => {
        await writeFile(join(system.directory, name), withSources(text));
        const env = { BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: system.adminToken };
        return runCommand(["plan", name, ...args], { cwd: system.directory, env });
      };
      expect(await run("same.yaml", FIRST)).toMatchObject({
        code: 0,
        stdout: "nothing would change on 1 live branch\n",
      });
      const emptying = await run("emptying.yaml", EMPTYING);
      expect(emptying).toMatchObject({ code: 1, stderr: "" });
      expect(emptying.stdout).toContain("acme/web:main at directory");
      expect(emptying.stdout).toMatch(/- alice, bob: no rule grants it any more.*needs approval/u);
      expect(emptying.stdout).toContain("group:nobody is bound to no group");
      const json = await run("emptying.yaml", EMPTYING, "--json");
      expect(policyPlanDocument.parse(JSON.parse(json.stdout))).toMatchObject({ held: true, changed: true });
      const braced = await run("braced.yaml", policyOf(rule("**", PUSH), rule("{a,b}", PUSH)));
      expect(braced.code).toBe(0);
      expect(braced.stdout).toMatch(
        /^Warnings:\n {2}braced\.yaml:\d+:\d+ warning: policy\[1\]\.branches\[0\]: .*"a", "b"/mu,
      );
      const broken = await run("broken.yaml", "policy: 7");
      expect(broken).toMatchObject({ code: 78, stdout: "" });
      expect(broken.stderr).toMatch(/broken\.yaml:\d+:\d+ policy: must be a list/u);
    });
  });

  it("of the file comes into force when the file is written, and when it is replaced", async () => {
    await writeFile(file(), withSources(WIDER));
    await waitForActive("user:carol");
    await system.branches.expectHolders(main, { push: ["alice", "bob"], read: ["carol"] });
    await writeFile(
      `${file()}.new`,
      withSources(WIDER.replace('"group:engineering"', '"group:engineering", "user:carol"')),
    );
    await rename(`${file()}.new`, file());
    await waitForActive('"group:engineering", "user:carol"');
    await system.branches.expectHolders(main, { push: ["alice", "bob", "carol"] });
    expect((await listVersions()).map(({ state, origin }) => [state, origin])).toEqual([
      ["active", "file"],
      ["superseded", "file"],
      ["superseded", "file"],
    ]);
  });

  it("that is broken leaves the one in force, with a finding until the file is mended", async () => {
    const before = await activeText();
    await writeFile(file(), "policy: [");
    await vi.waitFor(async () => expect(await listFindings()).toContain("policy-broken"), PATIENCE);
    expect(await activeText()).toBe(before);
    await rm(file());
    await writeFile(file(), before);
    await vi.waitFor(async () => expect(await listFindings()).not.toContain("policy-broken"), PATIENCE);
    expect(await activeText()).toBe(before);
  });

  it("that would empty a group waits, and takes nobody's access before another approves its plan", async () => {
    const held = await propose(EMPTYING);
    expect(held).toMatchObject({ status: 202, state: "held", version: { state: "held", author: "admin" } });
    expect(await listFindings()).toContain("policy-held");
    const path = `/v1/policy/versions/${held.version.id}`;
    const shown = policyVersionDetails.parse((await system.api.request(path)).body);
    expect(shown.plan?.holds.map(({ kind }) => kind)).toContain("entitlement-group");
    await system.branches.expectHolders(main, { push: ["alice", "bob", "carol"] });
    const digest = { digest: shown.planDigest };
    expect(await post(`${path}/approve`, digest)).toMatchObject({ status: 403, body: { code: "own_proposal" } });
    const { secret } = await insertToken(system.database.db, { client: "security", scope: "admin", expiresAt: null });
    expect(await post(`${path}/approve`, { digest: "x" }, secret)).toMatchObject({
      status: 409,
      body: { code: "plan_changed" },
    });
    expect(await post(`${path}/approve`, digest, secret)).toMatchObject({ status: 200, body: { state: "active" } });
    await system.branches.expectHolders(main, { push: [] });
    expect(await listFindings()).not.toContain("policy-held");
    expect(await post(`${path}/approve`, digest, secret)).toMatchObject({ status: 409, body: { code: "not_held" } });
  });

  it("is activated from the command line, and refused where it waits", async () => {
    const activate = async (text: string) => {
      await writeFile(join(system.directory, "next.yaml"), withSources(text));
      const env = { BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: system.adminToken };
      return runCommand(["plan", "next.yaml", "--activate", "--json"], { cwd: system.directory, env });
    };
    const active = await activate(FIRST);
    expect([active.code, proposedVersion.parse(JSON.parse(active.stdout)).state]).toEqual([0, "active"]);
    await system.branches.expectHolders(main, { push: ["alice", "bob"] });
    const warned = await activate(policyOf(rule("**", PUSH), rule("refs/heads/x", PUSH)));
    expect(proposedVersion.parse(JSON.parse(warned.stdout))).toMatchObject({
      state: "active",
      warnings: [{ path: "policy[1].branches[0]" }],
    });
    expect((await activate(FIRST)).code).toBe(0);
    const held = await activate(EMPTYING);
    const { state, version } = proposedVersion.parse(JSON.parse(held.stdout));
    expect([held.code, state]).toEqual([1, "held"]);
    const again = await runCommand(["plan", "next.yaml", "--activate"], {
      cwd: system.directory,
      env: { BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: system.adminToken },
    });
    const [, id = "", digest = ""] = /plan approve (\S+) --digest (\S+)/u.exec(again.stdout) ?? [];
    expect([again.code, id, digest]).toEqual([1, expect.not.stringMatching(version.id), version.planDigest]);
    const refused = await post(`/v1/policy/versions/${id}/reject`, { reason: "a slip" });
    expect(refused).toMatchObject({ status: 200, body: { state: "rejected", reason: "a slip", decidedBy: "admin" } });
    expect(await listFindings()).not.toContain("policy-held");
  });

  it("that waits is shown, refused and approved from the command line, by another than its author", async () => {
    const run = async (token: string, ...args: string[]) => {
      const surroundings = { cwd: system.directory, env: { BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: token } };
      return runCommand(["plan", ...args], surroundings);
    };
    const made = await Promise.all(
      (["admin", "read"] as const).map((scope) =>
        insertToken(system.database.db, { client: `cli-${scope}`, scope, expiresAt: null }),
      ),
    );
    const [approver = "", reader = ""] = made.map(({ secret }) => secret);
    expect(await run(reader, "show")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no policy version waits"),
    });
    const first = (await propose(EMPTYING)).version.id;
    const shown = await run(reader, "show");
    expect(shown.code).toBe(1);
    expect(shown.stdout).toMatch(/- alice, bob: no rule grants it any more.*needs approval/u);
    const [, digest = ""] =
      new RegExp(`branchward plan approve ${first} --digest (\\S+)`, "u").exec(shown.stdout) ?? [];
    expect((await run(reader, "reject", first)).code).toBe(3);
    expect(await run(approver, "reject", first, "--reason", "not today")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/rejected .*refused by cli-admin .*\n {2}not today\n/u),
    });
    expect(await run(approver, "approve", first)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("waits for no approval: it is rejected"),
    });
    const second = (await propose(EMPTYING)).version.id;
    const own = await run(system.adminToken, "approve", second);
    expect([own.code, own.stderr]).toEqual([3, expect.stringContaining("not approved by its author")]);
    const changed = await run(approver, "approve", second, "--digest", "another");
    expect([changed.code, changed.stderr]).toEqual([1, expect.stringContaining("look at it again")]);
    const approved = await run(approver, "approve", second, "--digest", digest, "--json");
    expect([approved.code, proposedVersion.parse(JSON.parse(approved.stdout)).state]).toEqual([0, "active"]);
    await system.branches.expectHolders(main, { push: [] });
    const versions = await run(reader, "versions", "--limit", "1");
    expect(versions.stdout).toMatch(new RegExp(`^${second} {2}active .*approved by cli-admin`, "u"));
    expect(versions.stdout).not.toContain(first);
    const all = await run(reader, "versions", "--json");
    expect(JSON.parse(all.stdout)).toContainEqual(expect.objectContaining({ id: first, state: "rejected" }));
  });

  it("that names a branch no more has its groups emptied and gone, verified, and the branch is governed no longer (rule B8)", async () => {
    const kept = rule("main", 'entitlement: push, to: ["group:nobody"]');
    await propose(policyOf(kept, rule("solo/**", 'entitlement: push, to: ["user:carol"]')));
    const question = { repository: REPOSITORY, branch: "solo/x" };
    await createGithubRepository(system.post, REPOSITORY).push({ branch: "solo/x", after: makeRevision() });
    const solo = (await system.branches.find(question)).id;
    await system.branches.expectHolders(solo, { push: ["carol"] });
    const listGroups = () => system.scim.findGroups('displayName sw "acme/web:solo/x:"');
    expect(await listGroups()).toHaveLength(1);
    expect(await propose(policyOf(kept))).toMatchObject({ state: "active" });
    await expect.poll(listGroups, { timeout: 20_000 }).toEqual([]);
    await system.branches.settle(solo);
    const { http, status } = await system.api.status(question);
    expect([http, status.state, status.governed, status.endpoints]).toEqual([200, "in_sync", false, []]);
    const [sync] = await system.api.listSyncs(solo);
    expect(sync).toMatchObject({ verdict: "verified", removed: 1 });
  });
});
