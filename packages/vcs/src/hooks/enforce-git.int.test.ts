import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Decider, enforce, openDecider, token } from "./decider.ts";
import { hooksStatus } from "./status.ts";
import { type CommandResult, type Lab, openLab } from "./testing.ts";
import { uninstallHooks } from "./uninstall.ts";

let lab: Lab;
let decider: Decider;
let bare: string;
let work: string;

beforeEach(async () => {
  lab = await openLab();
  decider = await openDecider();
  bare = path.join(lab.dir, "acme/web.git");
  work = path.join(lab.dir, "clone");
  await mkdir(path.dirname(bare));
  await lab.run(lab.dir, "git", "init", "-q", "--bare", bare);
  await lab.run(lab.dir, "git", "clone", "-q", bare, work);
  await commit("first");
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  await decider[Symbol.asyncDispose]();
});

const git = async (...args: readonly string[]): Promise<string> => await lab.run(work, "git", ...args);
const commit = async (message: string): Promise<string> => {
  await git("commit", "-q", "--allow-empty", "-m", message);
  return (await git("rev-parse", "HEAD")).trim();
};

async function push(...args: readonly string[]): Promise<CommandResult> {
  return await lab.tryRun(work, { env: { LOGNAME: "alice" } }, "git", "push", "-q", "origin", ...args);
}

/** What `branchward:` lines the pusher sees. */
const told = ({ stderr }: CommandResult): readonly string[] =>
  [...stderr.matchAll(/^remote: branchward: (.*?) *$/gm)].map(([, text = ""]) => text);

const install = async (over: Partial<typeof enforce> = {}, url = decider.url) =>
  await lab.install({ path: bare, role: "server", url, enforce: { ...enforce, ...over } });

const listHeads = async (): Promise<string> => await lab.run(bare, "git", "for-each-ref", "--format=%(refname)");

describe("the pre-receive hook", () => {
  beforeEach(async () => {
    await install();
  });

  it("asks once for a push, with one verb for each branch", async () => {
    const first = await commit("base");
    expect((await push("HEAD:refs/heads/a", "HEAD:refs/heads/b", "HEAD:refs/heads/c")).code).toBe(0);
    await commit("more");
    await push("HEAD:refs/heads/a");
    await git("commit", "-q", "--amend", "--allow-empty", "-m", "rewritten");
    await push(
      "+HEAD:refs/heads/a",
      `+${first}:refs/heads/b`,
      ":refs/heads/c",
      "HEAD:refs/heads/größe 日本".replace(" ", "-"),
    );
    const asked = decider.questions.map(({ changes }) =>
      changes.map(({ entitlement, branch }) => `${entitlement} ${branch}`),
    );
    expect(asked.map((each) => each.toSorted())).toEqual([
      ["create a", "create b", "create c"],
      ["push a"],
      ["create größe-日本", "delete c", "force a"],
    ]);
    expect(decider.questions[0]).toMatchObject({ user: "alice", source: "agents", repository: "acme/web" });
    expect(decider.questions[0]?.changes[0]?.refType).toBe("branch");
  });

  it("refuses a push that is denied, and says what the rules say", async () => {
    decider.denied = ["create release/1.0"];
    const result = await push("HEAD:refs/heads/release/1.0");
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("pre-receive hook declined");
    expect(told(result)).toEqual(["alice may not create release/1.0 of acme/web", "  ask: group:release-managers"]);
    expect(await listHeads()).toBe("");
  });

  it.each(["push", "force", "delete"])("refuses a denied %s alone, and the branch stays", async (verb) => {
    await commit("base");
    await push("HEAD:refs/heads/x");
    const before = await lab.run(bare, "git", "rev-parse", "x");
    decider.denied = [`${verb} x`];
    const change = { push: "HEAD:refs/heads/x", force: "+HEAD:refs/heads/x", delete: ":refs/heads/x" }[verb] ?? "";
    if (verb === "force") await git("commit", "-q", "--amend", "--allow-empty", "-m", "rewritten");
    if (verb === "push") await commit("more");
    expect((await push(change)).code).toBe(1);
    expect(await lab.run(bare, "git", "rev-parse", "x")).toBe(before);
    decider.denied = [];
    expect((await push(change)).code).toBe(0);
  });

  it("refuses a push as a whole where one of its changes is denied, and says so", async () => {
    decider.denied = ["create release/1.0"];
    const result = await push("HEAD:refs/heads/feature/x", "HEAD:refs/heads/release/1.0");
    expect(result.code).toBe(1);
    expect(told(result).at(-1)).toBe("nothing of this push was taken: 1 of its 2 changes are denied");
    expect(await listHeads()).toBe("");
  });

  it("has nothing to ask about tags and notes, with Branchward away, too", async () => {
    decider.fault = (response) => Boolean(response.writeHead(500).end());
    await git("tag", "v1");
    expect((await push("v1", "HEAD:refs/notes/x")).code).toBe(0);
    expect((await push(":refs/tags/v1")).code).toBe(0);
    expect(decider.questions).toEqual([]);
  });

  it("asks about the branch that a symbolic ref stands for", async () => {
    await push("HEAD:refs/heads/real");
    await lab.run(bare, "git", "symbolic-ref", "refs/heads/alias", "refs/heads/real");
    await lab.run(bare, "git", "symbolic-ref", "refs/other/alias", "refs/heads/real");
    await commit("more");
    decider.denied = ["push real"];
    expect((await push("HEAD:refs/heads/alias")).code).toBe(1);
    await lab.run(bare, "git", "pack-refs", "--all");
    expect((await push("HEAD:refs/heads/alias")).code).toBe(1);
    expect((await push("HEAD:refs/other/alias")).code).toBe(1);
  });

  it("asks about the branch that a symbolic ref would make", async () => {
    await lab.run(bare, "git", "symbolic-ref", "refs/heads/latest", "refs/heads/release/9");
    decider.denied = ["create release/9"];
    expect((await push("HEAD:refs/heads/latest")).code).toBe(1);
    expect(await listHeads()).toBe("");
  });

  it("takes branches whose names a shell or a pattern could misread", async () => {
    await push("HEAD:refs/heads/a,refs/tags/b", "HEAD:refs/heads/%s", "HEAD:refs/heads/-n");
    await commit("more");
    await push("HEAD:refs/heads/a,refs/tags/b", "HEAD:refs/heads/%s", "HEAD:refs/heads/-n");
    const verbs = decider.questions.map(({ changes }) => changes.map(({ entitlement }) => entitlement));
    expect(verbs).toEqual([
      ["create", "create", "create"],
      ["push", "push", "push"],
    ]);
    expect(decider.questions[1]?.changes.map(({ branch }) => branch).toSorted()).toEqual(["%s", "-n", "a,refs/tags/b"]);
  });

  it("refuses a name that is no UTF-8, which no rule could mean", async () => {
    const script = `git push -q origin "HEAD:refs/heads/$(printf 'caf\\351')"`;
    const result = await lab.tryRun(work, {}, "sh", "-c", script);
    expect([result.code, told(result)]).toEqual([
      1,
      ["this push could not be decided, and is refused: the name of a ref is not UTF-8"],
    ]);
  });

  it("runs the hook that was there before after ours, with the same input, and never after a denial", async () => {
    await uninstallHooks({ path: bare, role: "server", env: lab.env });
    const theirs = '#!/bin/sh\ncat >"$PWD/seen"\necho theirs >&2\n[ ! -e "$PWD/refuse" ]\n';
    await writeFile(path.join(bare, "hooks/pre-receive"), theirs, { mode: 0o755 });
    const { hooks } = await install();
    expect(hooks.map(({ name, condition }) => [name, condition])).toEqual([
      ["post-receive", "installed"],
      ["pre-receive", "chained"],
    ]);
    decider.denied = ["create no"];
    expect((await push("HEAD:refs/heads/no")).stderr).not.toContain("theirs");
    const head = (await git("rev-parse", "HEAD")).trim();
    expect((await push("HEAD:refs/heads/yes")).stderr).toContain("theirs");
    expect(await readFile(path.join(bare, "seen"), "utf8")).toBe(`${"0".repeat(40)} ${head} refs/heads/yes\n`);
    await writeFile(path.join(bare, "refuse"), "");
    expect((await push("HEAD:refs/heads/other")).code).toBe(1);
    await uninstallHooks({ path: bare, role: "server", env: lab.env });
    expect(await readFile(path.join(bare, "hooks/pre-receive"), "utf8")).toBe(theirs);
  });

  it("refuses what it cannot decide: without its Node, its agent, or its configuration", async () => {
    const agent = path.join(bare, "branchward/agent/decide.js");
    const hidden = path.join(bare, "hidden");
    for (const file of [agent, path.join(bare, "branchward/config.json"), path.join(bare, "branchward/agent/ask.js")]) {
      await rename(file, hidden);
      expect((await push("HEAD:refs/heads/x")).code).toBe(1);
      await rename(hidden, file);
    }
    const hook = path.join(bare, "hooks/pre-receive");
    await writeFile(hook, (await readFile(hook, "utf8")).replace(process.execPath, "/nowhere/node"));
    const result = await push("HEAD:refs/heads/x");
    expect(result.code).toBe(1);
    expect(told(result)[0]).toContain("no Node at /nowhere/node");
  });

  it("keeps deciding when hooks are installed again without a word of it, and stops when told to", async () => {
    await lab.install({ path: bare, role: "server", url: decider.url });
    decider.denied = ["create x"];
    expect((await push("HEAD:refs/heads/x")).code).toBe(1);
    await uninstallHooks({ path: bare, role: "server", env: lab.env, enforce: true });
    const { hooks, enforce: left } = await hooksStatus({ path: bare, role: "server", env: lab.env });
    expect([hooks.map(({ name }) => name), left]).toEqual([["post-receive"], null]);
    expect((await readdir(path.join(bare, "branchward"))).filter((name) => /token|answers/.test(name))).toEqual([
      "answers",
    ]);
    expect((await push("HEAD:refs/heads/x")).code).toBe(0);
    const again = { path: bare, role: "server", env: lab.env, enforce: true } as const;
    await expect(uninstallHooks(again)).rejects.toThrow("that decide");
  });
});

describe("who pushes", () => {
  const ask = async (env: Readonly<Record<string, string>>) => {
    await commit("more");
    await lab.tryRun(work, { env }, "git", "push", "-q", "origin", "HEAD:refs/heads/main");
    return decider.questions.at(-1)?.user;
  };

  it("is whom the hosting software, the web server, or else the account names", async () => {
    await install();
    expect(await ask({ LOGNAME: "unix", REMOTE_USER: "web", GL_USER: "hosted" })).toBe("hosted");
    expect(await ask({ LOGNAME: "unix", REMOTE_USER: "web" })).toBe("web");
    expect(await ask({ LOGNAME: "unix" })).toBe("unix");
  });

  it("is nobody over http without a user: the account is the server's own", async () => {
    await install();
    expect(await ask({ LOGNAME: "www-data", GATEWAY_INTERFACE: "CGI/1.1" })).toBeNull();
  });

  it("is named by what the installation says, and by nothing else", async () => {
    await install({ userFrom: "env:SSO_USER" });
    expect(await ask({ SSO_USER: "alice", REMOTE_USER: "mallory" })).toBe("alice");
    expect(await ask({ REMOTE_USER: "mallory", LOGNAME: "mallory" })).toBeNull();
  });
});

describe("an installation that decides", () => {
  it("keeps token and key for its owner alone, and tells how it decides", async () => {
    await install({ onUnavailable: "push=last-known:5m,delete=last-known:1h", timeout: "500ms" });
    const home = path.join(bare, "branchward");
    for (const name of ["token", "answers.key", "config.json"]) {
      expect((await stat(path.join(home, name))).mode & 0o777).toBe(0o600);
    }
    expect(await readFile(path.join(home, "token"), "utf8")).toBe(token);
    expect((await hooksStatus({ path: bare, role: "server", env: lab.env })).enforce).toEqual({
      userFrom: ["env:GL_USERNAME", "env:GL_USER", "env:PHABRICATOR_USER", "env:REMOTE_USER", "login"],
      lastKnownMs: { create: 0, push: 300_000, force: 0, delete: 3_600_000 },
      timeoutMs: 500,
      tokenFile: "token",
    });
  });

  it("keeps its key and what it is not told anew when it is installed again", async () => {
    await install({ onUnavailable: "force=last-known:1m" });
    const key = await readFile(path.join(bare, "branchward/answers.key"), "utf8");
    const { enforce: again } = await install({ token: null, timeout: "3s" });
    expect(again).toMatchObject({ timeoutMs: 3_000, tokenFile: "token", lastKnownMs: { force: 60_000 } });
    expect(await readFile(path.join(bare, "branchward/answers.key"), "utf8")).toBe(key);
  });

  it.each<[string, Partial<typeof enforce>, string]>([
    ["a verb that there is not", { onUnavailable: "merge=deny" }, '"merge=deny" does not begin with create='],
    ["a mode that there is not", { onUnavailable: "push=allow" }, "push is deny, or last-known"],
    ["an age without end", { onUnavailable: "push=last-known:90d" }, "at most 7d"],
    ["an age that is none", { onUnavailable: "push=last-known:soon" }, "not a duration"],
    ["a source of users that there is not", { userFrom: "env:A,header" }, '"header" is not env:NAME'],
    ["a time limit above a minute", { timeout: "5m" }, "--timeout"],
    ["no token", { token: null }, "No token"],
    ["a token of several lines", { token: "a\nb" }, "No token"],
    ["a token file that is not there", { tokenFile: "/nowhere/token" }, "No token file /nowhere/token"],
  ])("is refused with %s, and leaves nothing behind", async (_, over, message) => {
    await expect(install(over)).rejects.toThrow(message);
    expect(await readdir(bare)).not.toContain("branchward");
  });

  it("is for servers alone", async () => {
    await expect(lab.install({ path: work, role: "client", url: decider.url, enforce })).rejects.toThrow("--server");
  });

  it("is refused where two hooks already stand in its place, before anything is written", async () => {
    const hook = path.join(bare, "hooks/pre-receive");
    await writeFile(hook, "#!/bin/sh\n", { mode: 0o755 });
    await writeFile(`${hook}.branchward-previous`, "#!/bin/sh\n");
    await chmod(hook, 0o755);
    await expect(install()).rejects.toThrow("keep one of the two");
    expect(await readdir(bare)).not.toContain("branchward");
    await rm(`${hook}.branchward-previous`);
  });
});
