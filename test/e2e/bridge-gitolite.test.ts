import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type BridgeUnderTest, entitlementBody, SSH_KEYS, startTestBridge } from "../support/bridge.ts";
import { type GitoliteHost, startGitoliteHost } from "../support/gitolite-host.ts";

describe("a gitolite host behind SCIM", { timeout: 300_000 }, () => {
  const stack = new AsyncDisposableStack();
  let host: GitoliteHost;
  let scim: BridgeUnderTest;
  let directory = "";
  const ids = new Map<string, string>();
  const keys = new Map<string, string>();
  const idOf = (account: string): string => ids.get(account) ?? "";
  const fileOf = (name: string): string => join(directory, "state", "gitolite", name);
  const section = (): string => `gitolite:\n  home: ${host.home}\n  repositories: [{ name: acme/web, repo: web }]\n`;
  // The first rule lets everybody do everything: only what comes before it can stand in the way.
  const conf = "repo web\n    RW+ = @devs\n    RW+CD = @all\n";

  const push = (account: string, branch: string) => host.push("web", branch, keys.get(account) ?? "");

  async function govern(branch: string, members: readonly string[]): Promise<string> {
    const id = await scim.govern({ repository: "acme/web", branch, vcs: "git" }, members.map(idOf));
    onTestFinished(async () => void (await scim.request("DELETE", `/Groups/${id}`)));
    return id;
  }

  const setActive = (account: string, value: boolean) =>
    scim.patch(`/Users/${idOf(account)}`, { op: "replace", path: "active", value });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "branchward-gitolite-"));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    host = stack.use(await startGitoliteHost(directory));
    await host.connect("", fileOf("list-groups"), conf);
    scim = stack.use(await startTestBridge({ directory, section: section() }));
  }, 300_000);

  afterAll(() => stack.disposeAsync());

  it("says word for word what is to be set up, and takes no rule before", async () => {
    expect(await scim.bridge.audit()).toEqual([expect.stringContaining(`include "${fileOf("branchward.conf")}"`)]);
    const body = entitlementBody({ repository: "acme/web", branch: "main", vcs: "git" }, []);
    expect(await scim.request("POST", "/Groups", body)).toMatchObject({ status: 503 });
    await host.connect(fileOf("branchward.conf"), fileOf("list-groups"), conf);
    expect(await scim.bridge.audit()).toEqual([]);
    for (const account of ["alice", "bob"]) {
      const key = await host.makeKey(account);
      const value = (await readFile(`${key}.pub`, "utf8")).trim();
      ids.set(account, await scim.addUser(account, { [SSH_KEYS]: { keys: [{ value }] } }));
      keys.set(account, key);
    }
    expect(await push("alice", "main")).toBe("accepted");
  });

  it("lets a governed branch be pushed by the members of its group alone, whatever rules come after", async () => {
    await govern("main", ["alice"]);
    expect(await push("alice", "main")).toBe("accepted");
    expect(await push("bob", "main")).toMatch(/^refused[^]*DENIED/u);
    expect(await push("bob", "feature")).toBe("accepted");
  });

  it("governs the branch itself, and none whose name begins with it or looks like it", async () => {
    await govern("v1.0", ["alice"]);
    expect(await push("bob", "v1.0")).toMatch(/^refused/u);
    expect(await push("bob", "v1.0-maintenance")).toBe("accepted");
    expect(await push("bob", "v1x0")).toBe("accepted");
  });

  it.each([
    ["use C and D", "repo web\n    RW+CD = @all\n"],
    ["do not", "repo web\n    RW+ = @all\n"],
  ])("lets members create the branch, and everybody others, where the rules of others %s", async (_, rules) => {
    await host.connect(fileOf("branchward.conf"), fileOf("list-groups"), rules);
    onTestFinished(() => host.connect(fileOf("branchward.conf"), fileOf("list-groups"), conf));
    expect(await scim.bridge.audit()).toEqual([]);
    const name = `new-${rules.length}`;
    await govern(name, ["alice"]);
    expect(await push("bob", name)).toMatch(/^refused/u);
    expect(await push("alice", name)).toBe("accepted");
    expect(await push("bob", `${name}-too`)).toBe("accepted");
  });

  it("has a change of members in force at the next push, without a compilation", async () => {
    const group = await govern("main", ["alice"]);
    const rules = await readFile(fileOf("branchward.conf"), "utf8");
    const value = [{ value: idOf("bob") }];
    expect(await scim.patch(`/Groups/${group}`, { op: "add", path: "members", value })).toMatchObject({ status: 200 });
    expect(await push("bob", "main")).toBe("accepted");
    await scim.patch(`/Groups/${group}`, { op: "remove", path: `members[value eq "${idOf("bob")}"]` });
    expect(await push("bob", "main")).toMatch(/^refused/u);
    expect(await readFile(fileOf("branchward.conf"), "utf8")).toBe(rules);
  });

  it("lets nobody push where the group is empty, or where the list of groups is gone", async () => {
    const group = await govern("main", []);
    expect(await push("alice", "main")).toMatch(/^refused/u);
    await scim.patch(`/Groups/${group}`, { op: "add", path: "members", value: [{ value: idOf("alice") }] });
    await rm(fileOf("groups"));
    expect(await push("alice", "main")).toMatch(/^refused/u);
    expect(await scim.bridge.audit()).toEqual([]);
    expect(await push("alice", "main")).toBe("accepted");
  });

  it("has groups of people for the rules of others", async () => {
    const closed = "repo web\n    RW+C refs/heads/dev$ = @devs\n    - refs/heads/dev$ = @all\n    RW+CD = @all\n";
    await host.connect(fileOf("branchward.conf"), fileOf("list-groups"), closed);
    onTestFinished(() => host.connect(fileOf("branchward.conf"), fileOf("list-groups"), conf));
    await scim.addGroup("devs", [idOf("bob")]);
    expect(await push("bob", "dev")).toBe("accepted");
    expect(await push("alice", "dev")).toMatch(/^refused/u);
  });

  it("takes a warning of the compiler as a failure, and brings the former rules back", async () => {
    await govern("main", ["alice"]);
    const main = join(host.home, ".gitolite", "conf", "gitolite.conf");
    const text = await readFile(main, "utf8");
    await writeFile(main, `${text}this is no rule\n`);
    onTestFinished(() => writeFile(main, text));
    const before = await readFile(fileOf("branchward.conf"), "utf8");
    const body = entitlementBody({ repository: "acme/web", branch: "release", vcs: "git" }, [idOf("alice")]);
    expect(await scim.request("POST", "/Groups", body)).toMatchObject({
      status: 503,
      json: { detail: expect.stringContaining("WARNING") },
    });
    expect(await readFile(fileOf("branchward.conf"), "utf8")).toBe(before);
    expect(await push("bob", "main")).toMatch(/^refused/u);
  });

  it("cuts a deactivated user's key, and restores it with the user", async () => {
    await govern("main", ["alice"]);
    expect(await setActive("alice", false)).toMatchObject({ status: 200 });
    expect(await push("alice", "main")).toMatch(/^refused[^]*Permission denied/u);
    expect(await setActive("alice", true)).toMatchObject({ status: 200 });
    expect(await push("alice", "main")).toBe("accepted");
  });

  it.each([
    ["a bracket", { branch: "[a]" }],
    ["an asterisk", { branch: "a*" }],
    ["a space", { branch: "a b" }],
    ["a line break", { branch: "a\n- = @all" }],
    ["a group's mark", { branch: "@all" }],
    ["a letter beyond ASCII", { branch: "größe" }],
    ["a bookmark", { branch: "a", refType: "bookmark" }],
    ["a verb that is not push", { branch: "a", entitlement: "force" }],
    ["a repository of Mercurial", { branch: "a", vcs: "hg" }],
  ])("refuses an entitlement group of %s, which gitolite cannot enforce", async (_, more) => {
    const target = { repository: "acme/web", vcs: "git", ...more } as Parameters<typeof entitlementBody>[0];
    expect(await scim.request("POST", "/Groups", entitlementBody(target, []))).toMatchObject({
      status: 400,
      json: { scimType: "invalidValue" },
    });
  });

  it("comes back without its state, from the list of groups, with the same ids", async () => {
    const group = await scim.govern({ repository: "acme/web", branch: "main", vcs: "git" }, [
      idOf("alice"),
      idOf("bob"),
    ]);
    await setActive("bob", false);
    await scim[Symbol.asyncDispose]();
    await rm(join(directory, "state", "state.jsonl"));
    scim = stack.use(await startTestBridge({ directory, section: section() }));
    expect(scim.bridge.problems()).toEqual([]);
    expect((await scim.request("GET", `/Users/${idOf("bob")}`)).json).toMatchObject({ userName: "bob", active: false });
    expect((await scim.request("GET", `/Groups/${group}`)).json["members"]).toHaveLength(2);
    expect(await push("bob", "feature")).toMatch(/^refused/u);
    await setActive("bob", true);
    expect(await push("bob", "main")).toBe("accepted");
    await scim.request("DELETE", `/Groups/${group}`);
  });
});
