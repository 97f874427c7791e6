/** A bridge on a host that people use already: their lines in htpasswd, authorized_keys and keydir. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type BridgeUnderTest, SSH_KEYS, startTestBridge } from "../support/bridge.ts";
import { makeRevision, signAgent, toDeliveryId, toReceiveBody } from "../support/deliveries.ts";
import { startGitoliteHost } from "../support/gitolite-host.ts";
import { type HgHost, startHgHost } from "../support/hg-host.ts";
import { startTestSystem } from "../support/system.ts";

const run = promisify(execFile);
const NATIVE = "urn:branchward:scim:schemas:extension:1.0:NativeAccount";
const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
const found = { [NATIVE]: { state: "found" } };
const waiting = { timeout: 30_000, interval: 100 };

async function makeDirectory(stack: AsyncDisposableStack): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "branchward-found-"));
  stack.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

async function findUser(scim: BridgeUnderTest, userName: string): Promise<Readonly<Record<string, unknown>>> {
  const filter = encodeURIComponent(`userName eq "${userName}"`);
  const { json } = await scim.request("GET", `/Users?filter=${filter}`);
  const [user = {}] = Array.isArray(json["Resources"]) ? json["Resources"] : [];
  return user;
}

const idOf = async (scim: BridgeUnderTest, userName: string): Promise<string> =>
  String((await findUser(scim, userName))["id"]);

describe("accounts that a Mercurial host had before the bridge", { timeout: 300_000 }, () => {
  const stack = new AsyncDisposableStack();
  let host: HgHost;
  let scim: BridgeUnderTest;
  const keys = new Map<string, string>();
  const repository = "acme/web";
  const section = (more = ""): string =>
    `mercurial:\n  repositories: [{ name: ${repository}, path: ${host.pathOf(repository)} }]\n  htpasswd: ${host.htpasswd}\n  authorizedKeys: ${host.authorizedKeys}\n${more}`;
  const passwordOf = (account: string): string => `old-password-of-${account}`;

  async function toPasswordLine(account: string): Promise<string> {
    const { stdout } = await run("openssl", ["passwd", "-apr1", passwordOf(account)]);
    return `${account}:${stdout.trim()}\n`;
  }

  async function toKeyLine(account: string, options = ""): Promise<string> {
    const key = await host.makeKey(account);
    keys.set(account, key);
    const command = `cd ${join(host.directory, "srv")} && LOGNAME=${account} exec hg-ssh ${repository}`;
    return `${options}command="${command}" ${(await readFile(`${key}.pub`, "utf8")).trim()}\n`;
  }

  const pushByHttp = async (account: string, branch = "default", password = passwordOf(account)) => {
    const said = await host.pushByHttp(await host.prepare(repository, { branch }), repository, { account, password });
    return said.split(":", 1)[0];
  };
  const pushBySsh = async (account: string, branch = "default") =>
    (await host.pushBySsh(await host.prepare(repository, { branch }), repository, keys.get(account) ?? "")).split(
      ":",
      1,
    )[0];

  beforeAll(async () => {
    const directory = await makeDirectory(stack);
    host = stack.use(await startHgHost(directory));
    await host.addRepository(repository);
    const lines = await Promise.all(["alice", "bob", "carol", "dora", "eve", "frank"].map(toPasswordLine));
    await writeFile(host.htpasswd, `# by hand\n${lines.join("")}no line at all\n`);
    const bound = await toKeyLine("eve", 'from="127.0.0.1",');
    await writeFile(host.authorizedKeys, `# by hand\n${await toKeyLine("bob")}${bound}`);
    scim = stack.use(await startTestBridge({ directory, section: section() }));
  }, 300_000);
  afterAll(() => stack.disposeAsync());

  it("are users who are told from the bridge's own, and their lines stay as they are", async () => {
    expect(scim.bridge.problems()).toEqual([]);
    expect(await findUser(scim, "alice")).toMatchObject({ userName: "alice", active: true, ...found });
    const key = (await readFile(`${keys.get("bob")}.pub`, "utf8")).split(" ", 2).join(" ");
    expect(await findUser(scim, "BOB")).toMatchObject({ ...found, [SSH_KEYS]: { keys: [{ value: key }] } });
    expect((await scim.request("GET", "/Users")).json).toMatchObject({ totalResults: 6 });
    expect(await readFile(host.htpasswd, "utf8")).toMatch(
      /^# by hand\nalice:\$apr1\$[^\n]+\nbob:[^]*\nno line at all\n# >>>/u,
    );
    expect(await readFile(host.authorizedKeys, "utf8")).toMatch(/^# by hand\ncommand="cd [^"]+LOGNAME=bob/u);
  });

  it("push what is governed as members, and nothing else unless that is said", async () => {
    expect([await pushByHttp("alice"), await pushBySsh("bob")]).toEqual(["refused", "refused"]);
    const members = [await idOf(scim, "alice"), await idOf(scim, "bob")];
    const group = await scim.govern({ repository, branch: "stable" }, members);
    expect([await pushByHttp("alice", "stable"), await pushBySsh("bob", "stable")]).toEqual(["accepted", "accepted"]);
    expect([await pushByHttp("carol", "stable"), await pushByHttp("alice")]).toEqual(["refused", "refused"]);
    await scim.patch(`/Groups/${group}`, { op: "remove", path: `members[value eq "${members[0]}"]` });
    expect([await pushByHttp("alice", "stable"), await pushBySsh("bob", "stable")]).toEqual(["refused", "accepted"]);
    expect(await findUser(scim, "alice")).toMatchObject(found);
    await scim.request("DELETE", `/Groups/${group}`);
    expect(await scim.bridge.audit()).toEqual([]);
  });

  it("are neither made again nor removed", async () => {
    const id = await idOf(scim, "alice");
    const before = await readFile(host.htpasswd, "utf8");
    expect(await scim.request("POST", "/Users", { schemas: [USER], userName: "Alice" })).toMatchObject({
      status: 409,
      json: { scimType: "uniqueness", detail: expect.stringContaining(`/Users/${id}`) },
    });
    expect(await scim.request("DELETE", `/Users/${id}`)).toMatchObject({ status: 409 });
    expect(await readFile(host.htpasswd, "utf8")).toBe(before);
  });

  it("keep their id over a restart, and over the loss of the state", async () => {
    const ids = [await idOf(scim, "alice"), await idOf(scim, "bob")];
    for (const loss of ["none", "state"] as const) {
      await scim[Symbol.asyncDispose]();
      if (loss === "state") await rm(join(host.directory, "state", "state.jsonl"));
      scim = stack.use(await startTestBridge({ directory: host.directory, section: section("  found: allow\n") }));
      expect([await idOf(scim, "alice"), await idOf(scim, "bob")]).toEqual(ids);
      expect(await findUser(scim, "bob")).toMatchObject({ ...found, [SSH_KEYS]: { keys: [{}] } });
    }
    expect([await pushByHttp("alice"), await pushBySsh("bob")]).toEqual(["accepted", "accepted"]);
  });

  it("are the bridge's once they are written, with the password that they had, and are cut off like its own", async () => {
    const id = await idOf(scim, "alice");
    // As identity providers write who they matched.
    const adopted = await scim.patch(
      `/Users/${id}`,
      { op: "replace", path: "active", value: true },
      { op: "add", path: "externalId", value: "okta-1" },
    );
    expect(adopted).toMatchObject({ status: 200, json: { id, externalId: "okta-1", userName: "alice" } });
    expect(adopted.json).not.toHaveProperty([NATIVE]);
    expect(await readFile(host.htpasswd, "utf8")).toMatch(/^# by hand\nbob:[^]*# >>>[^]*\nalice:\$apr1\$/u);
    expect(await pushByHttp("alice")).toBe("accepted");
    const active = (value: boolean) => scim.patch(`/Users/${id}`, { op: "replace", path: "active", value });
    expect(await active(false)).toMatchObject({ status: 200 });
    expect(await pushByHttp("alice")).toBe("refused");
    expect(await active(true)).toMatchObject({ status: 200 });
    expect(await pushByHttp("alice")).toBe("accepted");
  });

  it("keep their keys when they are replaced without a word of them", async () => {
    const id = await idOf(scim, "bob");
    const put = await scim.request("PUT", `/Users/${id}`, { schemas: [USER], userName: "bob", externalId: "okta-2" });
    expect(put).toMatchObject({ status: 200, json: { [SSH_KEYS]: { keys: [{}] } } });
    expect(await readFile(host.authorizedKeys, "utf8")).toMatch(
      /^# by hand\nfrom=[^\n]*LOGNAME=eve[^\n]*\n# >>>[^]*LOGNAME=bob/u,
    );
    expect([await pushBySsh("bob"), await pushByHttp("bob")]).toEqual(["accepted", "accepted"]);
    await scim.patch(`/Users/${id}`, { op: "replace", path: "active", value: false });
    expect([await pushBySsh("bob"), await pushByHttp("bob")]).toEqual(["refused", "refused"]);
  });

  it("may be cut off by the write that adopts them", async () => {
    const id = await idOf(scim, "dora");
    expect(await pushByHttp("dora")).toBe("accepted");
    expect(await scim.patch(`/Users/${id}`, { op: "replace", path: "active", value: false })).toMatchObject({
      status: 200,
    });
    expect(await pushByHttp("dora")).toBe("refused");
  });

  it("of whom a line is not understood are not adopted, since the bridge could not cut them off", async () => {
    const id = await idOf(scim, "eve");
    const before = await readFile(host.htpasswd, "utf8");
    expect(await scim.patch(`/Users/${id}`, { op: "replace", path: "active", value: false })).toMatchObject({
      status: 409,
      json: { detail: expect.stringContaining("a line for eve that is not the bridge's") },
    });
    expect(await readFile(host.htpasswd, "utf8")).toBe(before);
    expect(await findUser(scim, "eve")).toMatchObject({ active: true, ...found });
    expect([await pushByHttp("eve"), await pushBySsh("eve")]).toEqual(["accepted", "accepted"]);
  });

  it("are gone, from groups too, with their line", async () => {
    const group = await scim.govern({ repository, branch: "stable" }, [await idOf(scim, "frank")]);
    const text = await readFile(host.htpasswd, "utf8");
    await writeFile(host.htpasswd, text.replace(/^frank:.*\n/mu, ""));
    expect(await scim.bridge.audit()).toEqual([]);
    expect(await findUser(scim, "frank")).toEqual({});
    expect((await scim.request("GET", `/Groups/${group}`)).json["members"] ?? []).toEqual([]);
    await scim.request("DELETE", `/Groups/${group}`);
  });

  it("whose name the bridge has are told as a way in that it cannot close", async () => {
    await writeFile(host.htpasswd, `${await toPasswordLine("bob")}${await readFile(host.htpasswd, "utf8")}`);
    expect(await scim.bridge.audit()).toEqual([expect.stringContaining("a line for bob")]);
    // He is let in, and may not push: no rule names who is not active.
    expect(await pushByHttp("bob")).toBe("refused");
    await writeFile(host.htpasswd, (await readFile(host.htpasswd, "utf8")).replace(/^bob:.*\n/u, ""));
    expect(await scim.bridge.audit()).toEqual([]);
  });

  it("are adopted by Branchward's worker once that is approved (rule C5)", async () => {
    const policy = `
policy:
  - repositories: ["**"]
    branches: ["**"]
    grants:
      - { entitlement: push, to: ["group:engineering"] }
endpoints:
  - { name: directory, type: builtin }
  - { name: native, url: "${scim.bridge.url}/scim/v2", token: { env: NATIVE_TOKEN }, accounts: true }
`;
    await using system = await startTestSystem({ policy, secretEnv: { NATIVE_TOKEN: scim.token } });
    await system.people.addUsers("carol");
    await system.people.addGroup("engineering", ["carol"]);
    const born = { kind: "create", name: "stable", before: null, after: makeRevision() } as const;
    const delivery = toReceiveBody({ repository, vcs: "hg", changes: [born] });
    toDeliveryId(await system.post("agents", signAgent({ body: delivery }), delivery));
    await vi.waitFor(async () => {
      const findings = (await system.api.listFindings()).map(({ kind, subject }) => `${kind} ${subject}`);
      expect(findings).toContain("accounts-waiting native");
    }, waiting);
    expect(await findUser(scim, "carol")).toMatchObject(found);
    const body = { user: "carol", decision: "approve" };
    await system.api.request("/v1/endpoints/native/accounts", { method: "POST", body });
    const externalId = await system.people.getUserId("carol");
    await vi.waitFor(async () => expect(await findUser(scim, "carol")).toMatchObject({ externalId }), waiting);
    expect(await findUser(scim, "carol")).not.toHaveProperty([NATIVE]);
    await vi.waitFor(async () => {
      const { status } = await system.api.status({ repository, branch: "stable", wait: "10s" });
      expect(status.state).toBe("in_sync");
      expect((await scim.request("GET", "/Groups")).json).toMatchObject({
        Resources: [{ members: [{ display: "carol" }] }],
      });
    }, waiting);
    expect(await pushByHttp("carol", "stable")).toBe("accepted");
    expect(await pushByHttp("alice", "stable")).toBe("refused");
  });
});

describe("keys that a gitolite host had before the bridge", { timeout: 300_000 }, () => {
  it("make users who can be members, and whom the bridge does not take over", async () => {
    await using stack = new AsyncDisposableStack();
    const directory = await makeDirectory(stack);
    const host = stack.use(await startGitoliteHost(directory));
    const fileOf = (name: string): string => join(directory, "state", "gitolite", name);
    const key = await host.makeKey("alice");
    await writeFile(join(host.home, ".gitolite", "keydir", "alice@laptop.pub"), await readFile(`${key}.pub`, "utf8"));
    await host.connect("", fileOf("list-groups"), "");
    await host.gitolite("trigger", "POST_COMPILE");
    const section = `gitolite:\n  home: ${host.home}\n  repositories: [{ name: acme/web, repo: web }]\n`;
    const scim = stack.use(await startTestBridge({ directory, section }));
    await host.connect(fileOf("branchward.conf"), fileOf("list-groups"), "repo web\n    RW+ = @all\n");
    expect(await scim.bridge.audit()).toEqual([]);
    const id = await idOf(scim, "alice");
    expect(await findUser(scim, "alice")).toMatchObject({ active: true, ...found, [SSH_KEYS]: { keys: [{}] } });
    const push = async (branch: string) => (await host.push("web", branch, key)).split(":", 1)[0];
    expect(await push("feature")).toBe("accepted");
    const governed = { repository: "acme/web", branch: "main", vcs: "git" } as const;
    const group = await scim.govern(governed, []);
    expect(await push("main")).toBe("refused");
    await scim.patch(`/Groups/${group}`, { op: "add", path: "members", value: [{ value: id }] });
    expect(await push("main")).toBe("accepted");
    for (const answer of [
      await scim.patch(`/Users/${id}`, { op: "replace", path: "active", value: false }),
      await scim.request("DELETE", `/Users/${id}`),
      await scim.request("POST", "/Users", { schemas: [USER], userName: "alice" }),
    ])
      expect(answer).toMatchObject({ status: 409 });
    expect(await push("feature")).toBe("accepted");
  });
});
