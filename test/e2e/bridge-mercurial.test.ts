import { chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type BridgeUnderTest, entitlementBody, SSH_KEYS, startTestBridge } from "../support/bridge.ts";
import { type HgHost, startHgHost } from "../support/hg-host.ts";

/** What became of a push by http and of one by ssh. */
const accepted = { http: "accepted", ssh: "accepted" };
const refused = { http: expect.stringMatching(/^refused/u), ssh: expect.stringMatching(/^refused/u) };
const password = (account: string): string => `password-of-${account}`;

describe("a Mercurial host behind SCIM", { timeout: 300_000 }, () => {
  const stack = new AsyncDisposableStack();
  let host: HgHost;
  let scim: BridgeUnderTest;
  const ids = new Map<string, string>();
  const keys = new Map<string, string>();

  const idOf = (account: string): string => ids.get(account) ?? "";
  const sectionOf = (repositories: readonly string[], more = ""): string =>
    `mercurial:\n  repositories:\n${repositories.join("\n")}\n  htpasswd: ${host.htpasswd}\n  authorizedKeys: ${host.authorizedKeys}\n${more}`;
  const repository = (name: string, more = ""): string => `    - { name: ${name}, path: ${host.pathOf(name)}${more} }`;
  const web = (): string =>
    sectionOf(
      [repository("acme/web"), repository("acme/lib"), repository("acme/closed", ", ungoverned: deny")],
      `  web: ${host.webUrl}\n`,
    );

  async function addPerson(account: string): Promise<void> {
    const key = await host.makeKey(account);
    const value = (await readFile(`${key}.pub`, "utf8")).trim();
    const id = await scim.addUser(account, { password: password(account), [SSH_KEYS]: { keys: [{ value }] } });
    ids.set(account, id);
    keys.set(account, key);
  }

  /** Pushes one new changeset on the branch, by http and by ssh: `accepted`, or `refused` with what was said. */
  async function push(account: string, name: string, work: { branch: string; bookmark?: string }) {
    const byHttp = async () =>
      host.pushByHttp(await host.prepare(name, work), name, { account, password: password(account) });
    const bySsh = async () => host.pushBySsh(await host.prepare(name, work), name, keys.get(account) ?? "");
    const [http, ssh] = await Promise.all([byHttp(), bySsh()]);
    return { http, ssh };
  }

  async function govern(branch: string, members: readonly string[], more = {}): Promise<string> {
    const id = await scim.govern({ repository: "acme/web", branch, ...more }, members.map(idOf));
    onTestFinished(async () => void (await scim.request("DELETE", `/Groups/${id}`)));
    return id;
  }

  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), "branchward-hg-"));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    host = stack.use(await startHgHost(directory));
    for (const name of ["acme/web", "acme/lib", "acme/closed"]) await host.addRepository(name);
    await writeFile(host.htpasswd, "# by hand\nrobot:$apr1$x$y\n");
    await writeFile(host.authorizedKeys, "# by hand\n");
    scim = stack.use(await startTestBridge({ directory, section: web() }));
    for (const account of ["alice", "bob", "carol"]) await addPerson(account);
  }, 300_000);

  afterAll(() => stack.disposeAsync());

  it("finds nothing to mend on a host that is well", async () => {
    expect(await scim.bridge.audit()).toEqual([]);
  });

  it("lets a governed branch be pushed by the members of its group alone, by http and by ssh", async () => {
    await govern("stable", ["alice"]);
    expect(await push("alice", "acme/web", { branch: "stable" })).toEqual(accepted);
    const { http, ssh } = await push("bob", "acme/web", { branch: "stable" });
    expect({ http, ssh }).toEqual(refused);
    expect(http).toContain('user "bob" denied on branch "stable"');
    expect(ssh).toContain('user "bob" denied on branch "stable"');
    expect(await push("bob", "acme/web", { branch: "default" })).toEqual(accepted);
  });

  it("has a change of members in force at the next push", async () => {
    const group = await govern("stable", ["alice"]);
    const member = [{ value: idOf("bob") }];
    expect(await scim.patch(`/Groups/${group}`, { op: "add", path: "members", value: member })).toMatchObject({
      status: 200,
    });
    expect(await push("bob", "acme/web", { branch: "stable" })).toEqual(accepted);
    await scim.patch(`/Groups/${group}`, { op: "remove", path: `members[value eq "${idOf("bob")}"]` });
    expect(await push("bob", "acme/web", { branch: "stable" })).toEqual(refused);
  });

  it("refuses a push that brings a governed branch among others", async () => {
    await govern("stable", ["alice"]);
    const clone = await host.prepare("acme/web", { branch: "default" });
    await host.commitOn(clone, "stable");
    const result = await host.pushByHttp(clone, "acme/web", { account: "bob", password: password("bob") });
    expect(result).toMatch(/^refused/u);
  });

  it("lets nobody push to a branch whose group is empty, and breaks no other branch", async () => {
    await govern("stable", []);
    expect(await push("alice", "acme/web", { branch: "stable" })).toEqual(refused);
    expect(await push("alice", "acme/web", { branch: "default" })).toEqual(accepted);
  });

  it("lets a governed bookmark be moved by the members of its group alone", async () => {
    await govern("main", ["alice"], { refType: "bookmark" });
    expect(await push("alice", "acme/web", { branch: "default", bookmark: "main" })).toEqual(accepted);
    const { http, ssh } = await push("bob", "acme/web", { branch: "default", bookmark: "main" });
    expect({ http, ssh }).toEqual(refused);
    expect(http).toContain("bookmark");
    expect(await push("bob", "acme/web", { branch: "default", bookmark: "topic" })).toEqual(accepted);
  });

  it("lets nobody push what is not governed where the repository says so", async () => {
    expect(await push("alice", "acme/closed", { branch: "default" })).toEqual(refused);
    const id = await scim.govern({ repository: "acme/closed", branch: "default" }, [idOf("alice")]);
    expect(await push("alice", "acme/closed", { branch: "default" })).toEqual(accepted);
    expect(await push("bob", "acme/closed", { branch: "default" })).toEqual(refused);
    await scim.request("DELETE", `/Groups/${id}`);
    expect(await push("alice", "acme/closed", { branch: "default" })).toEqual(refused);
  });

  it.each(["repositories/acme/web.rc", "accounts.rc"])(
    "is closed while the include %s is missing, and mends it",
    async (file) => {
      await govern("stable", ["alice"]);
      await rm(join(host.directory, "state", "rules", file));
      expect(await push("bob", "acme/web", { branch: "stable" })).toEqual(refused);
      expect(await push("alice", "acme/web", { branch: "default" })).toEqual(refused);
      expect(await scim.bridge.audit()).toEqual([]);
      expect(await push("alice", "acme/web", { branch: "stable" })).toEqual(accepted);
    },
  );

  it("takes an edit of its own lines back, and leaves those of others", async () => {
    const hgrc = join(host.pathOf("acme/web"), ".hg", "hgrc");
    await govern("stable", ["alice"]);
    await writeFile(hgrc, `${await readFile(hgrc, "utf8")}[hooks]\npretxnchangegroup.acl =\n`);
    await writeFile(host.htpasswd, `${await readFile(host.htpasswd, "utf8")}# a late line\n`);
    expect(await scim.bridge.audit()).toEqual([]);
    expect(await push("bob", "acme/web", { branch: "stable" })).toEqual(refused);
    expect(await readFile(hgrc, "utf8")).toMatch(/^\[web\]\npush_ssl = no\n/u);
    expect(await readFile(host.htpasswd, "utf8")).toMatch(/^# by hand\nrobot:\$apr1\$x\$y\n/u);
    expect(await readFile(host.htpasswd, "utf8")).toContain("# a late line\n");
    expect(await readFile(host.authorizedKeys, "utf8")).toMatch(/^# by hand\n/u);
  });

  it.runIf(process.getuid?.() === 0)(
    "refuses, with the reason, what a hgrc of another owner would keep from being in force (only root can make one)",
    async () => {
      const hgrc = join(host.pathOf("acme/lib"), ".hg", "hgrc");
      const group = await scim.govern({ repository: "acme/lib", branch: "stable" }, [idOf("alice")]);
      await chown(hgrc, 65_534, 65_534);
      expect(await scim.bridge.audit()).toEqual([expect.stringContaining(`${hgrc} belongs to user id 65534`)]);
      const add = { op: "add", path: "members", value: [{ value: idOf("bob") }] };
      const answer = await scim.patch(`/Groups/${group}`, add);
      expect(answer).toMatchObject({ status: 503, json: { detail: expect.stringContaining("does not trust") } });
      expect(await scim.request("GET", `/Groups/${group}`)).toMatchObject({ status: 503 });
      expect(await push("bob", "acme/lib", { branch: "stable" })).toEqual(refused);
      // Another repository goes on.
      await govern("stable", ["alice"]);
      await chown(hgrc, 0, 0);
      expect(await scim.patch(`/Groups/${group}`, add)).toMatchObject({ status: 200 });
      expect(await push("bob", "acme/lib", { branch: "stable" })).toEqual(accepted);
      await scim.request("DELETE", `/Groups/${group}`);
    },
  );

  it("cuts http and ssh when a user is deactivated, and restores both with the user", async () => {
    await govern("stable", ["carol"]);
    expect(await push("carol", "acme/web", { branch: "stable" })).toEqual(accepted);
    const active = (value: boolean) => scim.patch(`/Users/${idOf("carol")}`, { op: "replace", path: "active", value });
    expect(await active(false)).toMatchObject({ status: 200, json: { active: false } });
    const { http, ssh } = await push("carol", "acme/web", { branch: "default" });
    expect({ http, ssh }).toEqual(refused);
    expect(http).toContain("authorization failed");
    expect(ssh).toContain("Permission denied");
    expect(await active(true)).toMatchObject({ status: 200 });
    expect(await push("carol", "acme/web", { branch: "stable" })).toEqual(accepted);
  });

  it.runIf(process.getuid?.() === 0)(
    "cuts a deactivated user off although a repository cannot take its rules (only root can make it so)",
    async () => {
      const hgrc = join(host.pathOf("acme/lib"), ".hg", "hgrc");
      const group = await scim.govern({ repository: "acme/lib", branch: "stable" }, [idOf("carol")]);
      await chown(hgrc, 65_534, 65_534);
      const active = (value: boolean) =>
        scim.patch(`/Users/${idOf("carol")}`, { op: "replace", path: "active", value });
      expect(await active(false)).toMatchObject({ status: 200 });
      expect(await push("carol", "acme/web", { branch: "default" })).toEqual(refused);
      await chown(hgrc, 0, 0);
      expect(await active(true)).toMatchObject({ status: 200 });
      await scim.request("DELETE", `/Groups/${group}`);
    },
  );

  it("ends a user's access with its deletion, and with a change of the password the old one", async () => {
    await addPerson("dave");
    expect(await push("dave", "acme/web", { branch: "default" })).toEqual(accepted);
    await scim.patch(`/Users/${idOf("dave")}`, { op: "replace", path: "password", value: "another-password" });
    const clone = await host.prepare("acme/web", { branch: "default" });
    const old = await host.pushByHttp(clone, "acme/web", { account: "dave", password: password("dave") });
    const renewed = await host.pushByHttp(clone, "acme/web", { account: "dave", password: "another-password" });
    expect([old, renewed]).toEqual([expect.stringMatching(/^refused/u), "accepted"]);
    await scim.request("DELETE", `/Users/${idOf("dave")}`);
    expect(await push("dave", "acme/web", { branch: "default" })).toEqual(refused);
  });

  it("gives a key no other repository, and no other program", async () => {
    await host.addRepository("private");
    const clone = await host.prepare("private", { branch: "default" });
    const result = await host.pushBySsh(clone, "private", keys.get("alice") ?? "");
    expect(result).toMatch(/^refused[^]*Illegal repository/u);
  });

  it.each([
    ["a line break", "eve\n[hooks]\nupdate = touch /tmp/x"],
    ["a comma", "eve,alice"],
    ["a group's mark", "@devs"],
    ["an inversion", "!eve"],
    ["an equals sign", "eve = alice"],
    ["a comment's mark", "#eve"],
    ["a section's bracket", "[hooks]"],
    ["a colon", "eve:x"],
    ["a space", "eve mallory"],
    ["every user's mark", "*"],
    ["a look-alike of a letter", "аlice"],
    ["a name of the bridge's own", "branchward-nobody"],
  ])("refuses %s in the name of a user and of a group, and writes nothing", async (_, name) => {
    const before = await readFile(host.htpasswd, "utf8");
    const schemas = (kind: string) => ({ schemas: [`urn:ietf:params:scim:schemas:core:2.0:${kind}`] });
    const user = await scim.request("POST", "/Users", { ...schemas("User"), userName: name });
    const group = await scim.request("POST", "/Groups", { ...schemas("Group"), displayName: name });
    for (const answer of [user, group])
      expect(answer).toMatchObject({
        status: 400,
        json: { scimType: "invalidValue", detail: expect.stringMatching(/:/u) },
      });
    expect(await readFile(host.htpasswd, "utf8")).toBe(before);
  });

  it.each([
    ["an equals sign", { branch: "a=b" }],
    ["a comment's mark", { branch: "#a" }],
    ["a section's bracket", { branch: "[a" }],
    ["a line break", { branch: "a\nb" }],
    ["an include", { branch: "%include x" }],
    ["every branch's mark", { branch: "*" }],
    ["a letter beyond ASCII", { branch: "größe" }],
    ["a topic", { branch: "a", refType: "topic" }],
    ["a verb that acl does not know", { branch: "a", entitlement: "deploy" }],
    ["a repository that is elsewhere", { branch: "a", repository: "acme/other" }],
    ["a repository of Git", { branch: "a", vcs: "git" }],
  ])("refuses an entitlement group of %s, which Mercurial cannot enforce", async (_, more) => {
    const target = { repository: "acme/web", ...more } as Parameters<typeof entitlementBody>[0];
    const answer = await scim.request("POST", "/Groups", entitlementBody(target, []));
    expect(answer).toMatchObject({ status: 400, json: { scimType: "invalidValue" } });
  });

  it.each([
    ["options", `command="sh" ssh-ed25519 AAAA`],
    ["a line break", "ssh-ed25519 AAAA\nssh-ed25519 BBBB"],
    ["a key that is cut short", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"],
    ["a type that is not its own", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIPm7ZkFkGJ1rTzJ3VdCeXyYQ3qT5rZpqkq1Yx8rVwXyZ"],
  ])("refuses an SSH key with %s", async (_, value) => {
    const answer = await scim.patch(`/Users/${idOf("alice")}`, {
      op: "add",
      path: `${SSH_KEYS}:keys`,
      value: [{ value }],
    });
    expect(answer).toMatchObject({
      status: 400,
      json: { scimType: "invalidValue", detail: expect.stringContaining("SSH key") },
    });
  });

  it("refuses a name and a key that somebody has, in SCIM or in the files", async () => {
    const schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"];
    const value = (await readFile(`${keys.get("alice")}.pub`, "utf8")).trim();
    const twin = await scim.request("POST", "/Users", { schemas, userName: "erin", [SSH_KEYS]: { keys: [{ value }] } });
    const robot = await scim.request("POST", "/Users", { schemas, userName: "robot" });
    const upper = await scim.request("POST", "/Users", { schemas, userName: "ALICE" });
    expect([twin.status, robot.status, upper.status]).toEqual([409, 409, 409]);
    expect(robot.json["detail"]).toContain("was in the native system before the bridge");
  });

  it("keeps a group that somebody's rule names, which would else mean the operating system's", async () => {
    const hgrc = join(host.pathOf("acme/web"), ".hg", "hgrc");
    const before = await readFile(hgrc, "utf8");
    const group = await scim.addGroup("staff", [idOf("alice")]);
    await writeFile(hgrc, `[acl.deny.branches]\nstable = !@staff\n${before}`);
    expect(await scim.bridge.audit()).toEqual([]);
    expect(await push("alice", "acme/web", { branch: "stable" })).toEqual(accepted);
    expect(await push("bob", "acme/web", { branch: "stable" })).toEqual(refused);
    const gone = await scim.request("DELETE", `/Groups/${group}`);
    const renamed = await scim.patch(`/Groups/${group}`, { op: "replace", path: "displayName", value: "others" });
    for (const answer of [gone, renamed])
      expect(answer).toMatchObject({
        status: 409,
        json: { detail: expect.stringContaining("acme/web: [acl.deny.branches] stable names @staff") },
      });
    expect(await push("alice", "acme/web", { branch: "stable" })).toEqual(accepted);
    expect(await push("bob", "acme/web", { branch: "stable" })).toEqual(refused);
    await writeFile(hgrc, before);
    expect(await scim.request("DELETE", `/Groups/${group}`)).toMatchObject({ status: 204 });
    expect(await push("bob", "acme/web", { branch: "stable" })).toEqual(accepted);
  });

  it("refuses a write with an older fence than one that has written", async () => {
    const group = await govern("stable", ["alice"]);
    const operation = { op: "add", path: "members", value: [{ value: idOf("bob") }] };
    const body = { schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], Operations: [operation] };
    expect(await scim.request("PATCH", `/Groups/${group}`, body, { "branchward-fence": "6" })).toMatchObject({
      status: 200,
    });
    expect(await scim.request("PATCH", `/Groups/${group}`, body, { "branchward-fence": "5" })).toMatchObject({
      status: 412,
      json: { scimType: "staleFence" },
    });
  });

  it("finds out a single-repository hgweb, which would go on with rules that are gone", async () => {
    const directory = await mkdtemp(join(tmpdir(), "branchward-hg-single-"));
    const url = await host.serveSingle("private");
    await writeFile(join(directory, "ak"), "");
    const section = `mercurial:\n  repositories: [{ name: private, path: ${host.pathOf("private")} }]\n  htpasswd: ${host.htpasswd}\n  web: ${url}\n`;
    await using single = await startTestBridge({ directory, section });
    expect(single.bridge.problems()).toEqual([expect.stringContaining("serves a single repository")]);
    const body = entitlementBody({ repository: "private", branch: "stable" }, []);
    expect(await single.request("POST", "/Groups", body)).toMatchObject({
      status: 503,
      json: { detail: expect.stringContaining("keeps its configuration in memory") },
    });
  });

  it("comes back from its state, and without it from the native files, with the same ids", async () => {
    const group = await scim.govern({ repository: "acme/web", branch: "stable" }, [idOf("alice"), idOf("carol")]);
    const people = await scim.addGroup("devs", [idOf("bob")], { externalId: "okta-7" });
    await scim.patch(`/Users/${idOf("carol")}`, { op: "replace", path: "active", value: false });
    const state = join(host.directory, "state", "state.jsonl");
    for (const loss of ["none", "state"] as const) {
      await scim[Symbol.asyncDispose]();
      if (loss === "state") await rm(state);
      scim = stack.use(await startTestBridge({ directory: host.directory, section: web() }));
      expect(scim.bridge.problems()).toEqual([]);
      const read = await scim.request("GET", `/Groups/${group}`);
      const members = [{ value: idOf("alice") }, { value: idOf("carol") }];
      expect(read.json).toMatchObject({ externalId: expect.stringMatching(/^branchward:/u) });
      expect(read.json["members"]).toEqual(
        expect.arrayContaining(members.map((member) => expect.objectContaining(member))),
      );
      expect((await scim.request("GET", `/Groups/${people}`)).json).toMatchObject({
        displayName: "devs",
        externalId: "okta-7",
      });
      expect((await scim.request("GET", `/Users/${idOf("carol")}`)).json).toMatchObject({
        userName: "carol",
        active: false,
      });
      expect(await push("alice", "acme/web", { branch: "stable" })).toEqual(accepted);
      expect(await push("carol", "acme/web", { branch: "default" })).toEqual(refused);
    }
    await scim.patch(`/Users/${idOf("carol")}`, { op: "replace", path: "active", value: true });
    expect(await push("carol", "acme/web", { branch: "stable" })).toEqual(accepted);
  });
});
