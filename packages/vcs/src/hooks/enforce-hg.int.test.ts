import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Decider, enforce, openDecider } from "./decider.ts";
import { hooksStatus } from "./status.ts";
import { type CommandResult, type Lab, openLab } from "./testing.ts";
import { uninstallHooks } from "./uninstall.ts";

let lab: Lab;
let decider: Decider;
let server: string;
let work: string;
let ssh: string;

/** What sshd runs for alice's key (hg-ssh): the account is shared, LOGNAME says who it is. */
const SSH = '#!/bin/sh\nshift\nLOGNAME=alice exec sh -c "$*"\n';

beforeEach(async () => {
  lab = await openLab();
  decider = await openDecider();
  server = path.join(lab.dir, "srv/acme/web");
  work = path.join(lab.dir, "clone");
  ssh = path.join(lab.dir, "ssh");
  await writeFile(ssh, SSH);
  await chmod(ssh, 0o755);
  await mkdir(path.dirname(server), { recursive: true });
  await lab.run(lab.dir, "hg", "init", server);
  await lab.run(lab.dir, "hg", "clone", "-q", server, work);
  await commit("first");
  await lab.run(work, "hg", "push", "-q");
  await install();
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  await decider[Symbol.asyncDispose]();
});

const install = async (over: Partial<typeof enforce> = {}) =>
  await lab.install({ path: server, role: "server", url: decider.url, enforce: { ...enforce, ...over } });

const hg = async (...args: readonly string[]): Promise<string> => await lab.run(work, "hg", ...args);

async function commit(text: string, ...args: readonly string[]): Promise<void> {
  await writeFile(path.join(work, "file"), text);
  await hg("commit", "-q", "-A", "-m", text, ...args);
}

async function push(...args: readonly string[]): Promise<CommandResult> {
  const remote = ["--ssh", ssh, `ssh://server/${server}`];
  return await lab.tryRun(work, {}, "hg", "push", "--new-branch", "--force", ...args, ...remote);
}

/** What was asked since the last time: `user: verb type name, …` for each question. */
let seen = 0;
function asked(): readonly string[] {
  const questions = decider.questions.slice(seen);
  seen = decider.questions.length;
  return questions.map(
    ({ user, changes }) =>
      `${user}: ${changes.map(({ entitlement, refType, branch }) => `${entitlement} ${refType} ${branch}`).join(", ")}`,
  );
}
beforeEach(() => {
  seen = 0;
});

/** What `branchward:` lines the pusher sees. */
const told = ({ stdout, stderr }: CommandResult): readonly string[] =>
  [...`${stdout}${stderr}`.matchAll(/^remote: branchward: (.*?) *$/gm)].map(([, text = ""]) => text);

const countRevisions = async () => (await lab.run(server, "hg", "log", "-T", "x")).length;

describe("hg hooks that decide, over ssh", () => {
  it("ask with one verb for each named branch: made, grown, with one head more, closed, opened again", async () => {
    await commit("second");
    expect((await push()).code).toBe(0);
    expect(asked()).toEqual(["alice: push branch default"]);
    await hg("branch", "-q", "release/1.0 größe");
    await commit("on release");
    await hg("update", "-q", "default");
    await commit("third");
    await push();
    expect(asked()).toEqual(["alice: push branch default, create branch release/1.0 größe"]);
    await hg("update", "-q", "-r", "0");
    await commit("a second head");
    await push();
    expect(asked()).toEqual(["alice: force branch default"]);
    await hg("merge", "-q", "--tool", ":local", "-r", "heads(branch(default)) - .");
    await commit("merged");
    await push();
    expect(asked()).toEqual(["alice: push branch default"]);
    await hg("update", "-q", "release/1.0 größe");
    await hg("commit", "-q", "--close-branch", "-m", "close");
    await push();
    expect(asked()).toEqual(["alice: push branch release/1.0 größe"]);
    await commit("reopened");
    await push();
    expect(asked()).toEqual(["alice: push branch release/1.0 größe"]);
  });

  it("see two heads in one push, a head that grows on, and a head grown on beside another", async () => {
    await commit("left");
    await hg("update", "-q", "-r", "0");
    await commit("right");
    await push();
    expect(asked()).toEqual(["alice: force branch default"]);
    await commit("right again");
    await push();
    expect(asked()).toEqual(["alice: push branch default"]);
    await hg("update", "-q", "-r", "1");
    await commit("left again");
    await push();
    expect(asked()).toEqual(["alice: push branch default"]);
  });

  it("refuse a denied push whole, and say what the rules say", async () => {
    await commit("on default");
    await hg("branch", "-q", "release/1.0");
    await commit("on release");
    decider.denied = ["create release/1.0"];
    const result = await push();
    expect(result.code).toBe(255);
    expect(told(result)).toEqual([
      "alice may not create release/1.0 of acme/web",
      "  ask: group:release-managers",
      "nothing of this push was taken: 1 of its 2 changes are denied",
    ]);
    expect(await countRevisions()).toBe(1);
    decider.denied = [];
    expect((await push()).code).toBe(0);
    expect(await countRevisions()).toBe(3);
  });

  it("ask with one verb for each bookmark: made, moved on, moved aside, deleted", async () => {
    await hg("bookmark", "-r", ".", "größe 日本", "b");
    await push("-B", "größe 日本", "-B", "b");
    expect(asked()).toEqual(["alice: create bookmark b, create bookmark größe 日本"]);
    await commit("more");
    await hg("bookmark", "-f", "-r", ".", "b");
    await push("-B", "b");
    expect(asked()).toEqual(["alice: push branch default", "alice: push bookmark b"]);
    await hg("update", "-q", "-r", "0");
    await commit("aside");
    await hg("bookmark", "-f", "-r", ".", "b");
    await push("-B", "b");
    expect(asked()).toEqual(["alice: force branch default", "alice: force bookmark b"]);
    await hg("bookmark", "-d", "b");
    await push("-B", "b");
    expect(asked()).toEqual(["alice: delete bookmark b"]);
  });

  it.each(["create", "push", "force", "delete"])(
    "refuse a denied %s of a bookmark, and what came with it",
    async (verb) => {
      const bookmarks = async () => await lab.run(server, "hg", "bookmarks", "-T", "{bookmark} {node}\n");
      await hg("bookmark", "-r", ".", "prod");
      if (verb !== "create") await push("-B", "prod");
      const before = await bookmarks();
      const revisions = await countRevisions();
      if (verb === "force") await hg("update", "-q", "null");
      if (verb === "push" || verb === "force") {
        await commit(verb);
        await hg("bookmark", "-f", "-r", ".", "prod");
      }
      if (verb === "delete") await hg("bookmark", "-d", "prod");
      decider.denied = [`${verb} prod`];
      const result = await push("-B", "prod");
      expect(told(result)[0]).toBe(`alice may not ${verb} prod of acme/web`);
      expect([await bookmarks(), await countRevisions()]).toEqual([before, revisions]);
      decider.denied = [];
      await push("-B", "prod");
      expect(await bookmarks()).not.toBe(before);
    },
  );

  it("decide a bookmark that an old client pushes by itself", async () => {
    await hg("bookmark", "-r", ".", "prod");
    decider.denied = ["create prod"];
    const old = ["--config", "devel.legacy.exchange=bundle1"];
    const result = await push("-B", "prod", ...old);
    expect(asked()).toEqual(["alice: create bookmark prod"]);
    expect(told(result)[0]).toBe("alice may not create prod of acme/web");
    expect(await lab.run(server, "hg", "bookmarks")).toContain("no bookmarks set");
    decider.denied = [];
    await push("-B", "prod", ...old);
    expect(await lab.run(server, "hg", "bookmarks")).toContain("prod");
  });

  it("leave to the server's keeper what is done at the server itself", async () => {
    decider.fault = (response) => Boolean(response.writeHead(500).end());
    await commit("pulled");
    await lab.run(server, "hg", "pull", "-q", work);
    await lab.run(server, "hg", "bookmark", "-r", "tip", "prod");
    await lab.run(server, "hg", "bookmark", "-d", "prod");
    await lab.run(server, "hg", "--config", "extensions.strip=", "strip", "-q", "tip");
    expect(asked()).toEqual([]);
  });

  it("refuse what they cannot decide: without their file, their lines' file, or their configuration", async () => {
    await commit("more");
    const hidden = path.join(server, "hidden");
    for (const file of ["agent/decide.py", "config.json"]) {
      await rename(path.join(server, ".hg/branchward", file), hidden);
      expect((await push()).code).toBe(255);
      await rename(hidden, path.join(server, ".hg/branchward", file));
    }
    await rename(path.join(server, ".hg/branchward"), hidden);
    expect((await push()).code).toBe(255);
    await rename(hidden, path.join(server, ".hg/branchward"));
    expect(await countRevisions()).toBe(1);
    expect((await push()).code).toBe(0);
  });

  it.runIf(process.getuid?.() === 0)(
    "refuse a push where Mercurial does not trust the owner of the hgrc (root alone can give it away)",
    async () => {
      await commit("more");
      await lab.run(server, "chown", "65534", path.join(server, ".hg/hgrc"));
      expect((await push()).code).toBe(255);
    },
  );

  it("stand in the hgrc beside other lines, which uninstalling leaves byte for byte", async () => {
    const hgrc = path.join(server, ".hg/hgrc");
    await uninstallHooks({ path: server, role: "server", env: lab.env });
    const theirs = "[hooks]\npretxnchangegroup.theirs = echo theirs >&2\n[web]\nallow-push = *";
    await writeFile(hgrc, theirs);
    await lab.install({ path: server, role: "server", url: decider.url });
    const { hooks } = await install();
    expect(hooks.map(({ name, condition }) => `${name} ${condition}`)).toEqual([
      "txnclose-bookmark installed",
      "changegroup installed",
      "pretxnchangegroup installed",
      "pretxnclose-bookmark installed",
      "prepushkey installed",
    ]);
    await commit("more");
    const { stdout, stderr } = await push();
    expect(`${stdout}${stderr}`).toContain("theirs");
    expect(asked()).toEqual(["alice: push branch default"]);
    await uninstallHooks({ path: server, role: "server", env: lab.env, enforce: true });
    expect((await hooksStatus({ path: server, role: "server", env: lab.env })).hooks).toHaveLength(2);
    await commit("again");
    await push();
    expect(asked()).toEqual([]);
    await uninstallHooks({ path: server, role: "server", env: lab.env });
    expect(await readFile(hgrc, "utf8")).toBe(theirs);
  });

  it("say in the status where a line of theirs is gone", async () => {
    const hgrc = path.join(server, ".hg/hgrc");
    await writeFile(hgrc, (await readFile(hgrc, "utf8")).replace(/^prepushkey.*\n/m, ""));
    const { hooks } = await hooksStatus({ path: server, role: "server", env: lab.env });
    expect(hooks.slice(2).map(({ condition }) => condition)).toEqual(["missing", "missing", "missing"]);
  });
});

/** hgweb behind a web server that has authenticated the user of the address (`/as-alice/…`), or nobody. */
const WSGI = `
import sys
from wsgiref.simple_server import make_server, WSGIServer, WSGIRequestHandler
from mercurial.hgweb import hgweb
application = hgweb(sys.argv[1].encode())
def front(environ, respond):
    _, who, rest = environ["PATH_INFO"].split("/", 2)
    environ.update({"PATH_INFO": "/" + rest, "SCRIPT_NAME": "/" + who})
    if who != "nobody":
        environ["REMOTE_USER"] = who
    return application(environ, respond)
class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass
server = make_server("127.0.0.1", 0, front, handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
`;

describe("hg hooks that decide, over http", () => {
  let web: ChildProcess;
  let port: string;

  beforeEach(async () => {
    const script = path.join(lab.dir, "front.py");
    const config = path.join(lab.dir, "hgweb.config");
    await writeFile(script, WSGI);
    await writeFile(config, `[paths]\n/ = ${lab.dir}/srv/**\n[web]\nallow-push = *\npush_ssl = no\n`);
    const env = { ...lab.env, LOGNAME: "www-data" };
    // The one that Mercurial is installed for.
    const python = (await hg("debuginstall", "-T", "{pythonexe}")).trim();
    web = spawn(python, [script, config], { env, stdio: ["ignore", "pipe", "inherit"] });
    const [chunk] = (await once(web.stdout ?? web, "data")) as [Buffer];
    port = chunk.toString().trim();
  });
  afterEach(async () => {
    web.kill("SIGKILL");
    await once(web, "exit");
  });

  const pushAs = async (who: string, ...args: readonly string[]) =>
    await lab.tryRun(work, {}, "hg", "push", "-f", ...args, `http://127.0.0.1:${port}/${who}/acme/web`);

  it("know the user whom the web server authenticated, and take nobody else for one", async () => {
    await commit("more");
    await pushAs("bob%20smith");
    await hg("bookmark", "-r", ".", "prod");
    decider.denied = ["create prod"];
    const result = await pushAs("carol", "-B", "prod");
    await pushAs("nobody", "-B", "prod");
    await pushAs("dave", "-B", "prod", "--config", "devel.legacy.exchange=bundle1");
    expect(asked()).toEqual([
      "bob smith: push branch default",
      "carol: create bookmark prod",
      "null: create bookmark prod",
      "dave: create bookmark prod",
    ]);
    expect(told(result)[0]).toBe("carol may not create prod of acme/web");
    expect(await lab.run(server, "hg", "bookmarks")).toContain("no bookmarks set");
  });

  it("take the user from where the installation says", async () => {
    await install({ userFrom: "env:HTTP_USER_AGENT" });
    await commit("more");
    await pushAs("bob");
    expect(asked()[0]).toMatch(/^mercurial\/proto-1\.0 .*: push branch default$/);
  });
});
