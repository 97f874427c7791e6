import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Arrival,
  getArrival,
  type Lab,
  listFilesWith,
  openLab,
  openReceiver,
  type TestReceiver,
  waitFor,
} from "./testing.ts";

let lab: Lab;
let receiver: TestReceiver;
let server: string;
let work: string;

beforeEach(async () => {
  lab = await openLab();
  receiver = await openReceiver();
  server = path.join(lab.dir, "srv/acme/web");
  work = path.join(lab.dir, "clone");
  await lab.run(lab.dir, "hg", "init", work);
  await commit("first");
  await lab.run(lab.dir, "mkdir", "-p", path.dirname(server));
  await lab.run(lab.dir, "hg", "clone", "-q", "-U", work, server);
  await writeFile(path.join(work, ".hg/hgrc"), `[paths]\ndefault = ${server}\n`);
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

const hg = async (...args: readonly string[]): Promise<string> => await lab.run(work, "hg", ...args);
const node = async (rev: string): Promise<string> => await hg("log", "-r", rev, "-T", "{node}");

async function commit(text: string): Promise<string> {
  await writeFile(path.join(work, "file"), text);
  await hg("commit", "-q", "-A", "-m", text, "-d", "1700000000 0");
  return await node(".");
}

async function push(...args: readonly string[]): Promise<Arrival> {
  const before = receiver.arrivals.length;
  // A push that moves bookmarks alone exits 1 though it worked.
  await lab.tryRun(work, {}, "hg", "push", "-q", ...args);
  return getArrival(await receiver.wait(before + 1), before);
}

describe("hg server hooks", () => {
  beforeEach(async () => {
    await lab.install({ path: server, role: "server", url: receiver.url });
  });

  it("tell of a named branch that is created, grows, is closed and opened again", async () => {
    await hg("branch", "-q", "release/1.0 next");
    const first = await commit("one");
    expect(await push("--new-branch")).toMatchObject({
      site: "server",
      event: "changegroup",
      repository: { name: "acme/web", vcs: "hg" },
      changes: [{ kind: "create", refType: "branch", name: "release/1.0 next", after: first, closed: false }],
      sightings: [{ refType: "branch", name: "release/1.0 next", head: first }],
      ignored: null,
    });
    const second = await commit("two");
    expect((await push()).changes).toMatchObject([{ kind: "push", before: first, after: second, closed: false }]);
    await hg("commit", "-q", "--close-branch", "-m", "close", "-d", "1700000000 0");
    const closing = await node(".");
    expect((await push()).changes).toMatchObject([{ kind: "push", before: second, after: closing, closed: true }]);
    const reopened = await commit("three");
    expect((await push()).changes).toMatchObject([{ kind: "push", before: closing, after: reopened, closed: false }]);
  });

  it("call a branch with one closed and one open head open (rule A7)", async () => {
    const base = await node(".");
    await commit("one");
    await hg("commit", "-q", "--close-branch", "-m", "close", "-d", "1700000000 0");
    await hg("update", "-q", base);
    const open = await commit("other head");
    expect((await push("-f")).changes).toMatchObject([{ kind: "push", name: "default", after: open, closed: false }]);
  });

  it("tell of every branch that one push touches, in one delivery", async () => {
    await commit("on default");
    await hg("branch", "-q", "grün");
    await commit("on another");
    const { changes } = await push("--new-branch");
    expect(changes.map(({ kind, name }) => `${kind} ${name}`).toSorted()).toEqual(["create grün", "push default"]);
  });

  it("know a branch again that was merged away and taken up once more", async () => {
    await hg("branch", "-q", "x");
    const old = await commit("x one");
    await hg("branch", "-q", "y");
    await commit("y");
    await push("--new-branch");
    await hg("branch", "-q", "-f", "x");
    await commit("x two");
    expect((await push("-f")).changes).toMatchObject([{ kind: "push", name: "x" }]);
    expect(old).toMatch(/^[0-9a-f]{40}$/);
  });

  it("tell of a bookmark that is created, moved and deleted", async () => {
    const first = await node(".");
    await hg("bookmark", 'it\'s "new"');
    expect(await push("-B", 'it\'s "new"')).toMatchObject({
      event: "txnclose-bookmark",
      changes: [{ kind: "create", refType: "bookmark", name: 'it\'s "new"', before: null, after: first }],
      sightings: [{ refType: "bookmark", head: first }],
    });
    const second = await commit("one");
    const moved = await push("-B", ".");
    expect(moved.changes).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: "push", refType: "bookmark", before: first, after: second }),
        expect.objectContaining({ kind: "push", refType: "branch", name: "default", after: second }),
      ]),
    );
    await hg("bookmark", "-d", 'it\'s "new"');
    const gone = await push("-B", 'it\'s "new"');
    expect(gone.changes).toMatchObject([{ kind: "delete", before: second, after: null }]);
    expect(gone.sightings).toMatchObject([{ refType: "bookmark", head: null }]);
    expect(receiver.arrivals).toHaveLength(3);
  });

  it.each([
    ["aa-old", "zz-new"],
    ["zz-old", "aa-new"],
  ])("tell both halves of a renamed bookmark (%s to %s) in one delivery", async (from, to) => {
    await hg("bookmark", from);
    await push("-B", from);
    await hg("bookmark", "-m", from, to);
    const { changes, groupKey } = await push("-B", to, "-B", from);
    expect(changes.map(({ kind, name }) => `${kind} ${name}`).toSorted()).toEqual(
      [`create ${to}`, `delete ${from}`].toSorted(),
    );
    expect(groupKey).toMatch(/TXN:[0-9a-f]{40}$/);
  });

  it("tell of what is done in the server's repository itself, and of a pull into it, but not of a push from it", async () => {
    await lab.run(server, "hg", "bookmark", "-r", "tip", "local");
    expect(getArrival(await receiver.wait(1), 0).changes).toMatchObject([{ kind: "create", name: "local" }]);
    await lab.run(lab.dir, "hg", "init", "mirror");
    await lab.run(server, "hg", "push", "-q", path.join(lab.dir, "mirror"));
    const head = await commit("one");
    await lab.run(server, "hg", "pull", "-q", work);
    expect(getArrival(await receiver.wait(2), 1).changes).toMatchObject([
      { kind: "push", name: "default", after: head },
    ]);
    expect(receiver.arrivals).toHaveLength(2);
  });

  it("name nobody for an anonymous push over http, and tell the same over http as by path", async () => {
    const serving = await serve();
    try {
      await hg("branch", "-q", "over-http");
      const head = await commit("one");
      await hg("bookmark", "-q", "mark");
      const { changes, actor } = await push("--new-branch", "-B", "mark", serving.url.replace("//", "//alice:s3cret@"));
      expect(actor).toBeNull();
      expect(changes.map(({ kind, refType, name, after }) => ({ kind, refType, name, after }))).toEqual([
        { kind: "create", refType: "bookmark", name: "mark", after: head },
        { kind: "create", refType: "branch", name: "over-http", after: head },
      ]);
      expect(await listFilesWith(path.join(server, ".hg/branchward"), "s3cret")).toEqual([]);
    } finally {
      serving.process.kill();
      await once(serving.process, "exit");
    }
  });

  it("leave other hooks of the same name alone", async () => {
    await appendFile(path.join(server, ".hg/hgrc"), `\n[hooks]\nchangegroup = echo $HG_SOURCE >${lab.dir}/ran\n`);
    await commit("one");
    await push();
    expect(await readFile(path.join(lab.dir, "ran"), "utf8")).toBe("push\n");
  });
});

describe("hg client hooks", () => {
  beforeEach(async () => {
    await hg("branch", "-q", "other");
    await commit("on other");
    await hg("update", "-q", "default");
    await lab.install({ path: work, role: "client", url: receiver.url });
  });

  async function update(...args: readonly string[]): Promise<Arrival> {
    const before = receiver.arrivals.length;
    await hg("update", "-q", ...args);
    return getArrival(await receiver.wait(before + 1), before);
  }

  it("tell which named branch is checked out, once for each command", async () => {
    expect(await update("other")).toMatchObject({
      site: "client",
      repository: { name: "acme/web", vcs: "hg" },
      actor: { key: "alice@example.com", email: "alice@example.com" },
      changes: [],
      checkout: { refType: "branch", name: "other", revision: await node("other") },
    });
    await update("default");
    await update("other");
    expect(new Set(receiver.arrivals.map(({ id }) => id)).size).toBe(3);
    expect(receiver.arrivals.map(({ checkout }) => checkout?.name)).toEqual(["other", "default", "other"]);
  });

  it("tell the bookmark that becomes active, which is not yet so when the update hook runs", async () => {
    await hg("bookmark", "-r", "default", "-i", "it's mine");
    await hg("bookmark", "-r", "default", "grün");
    expect((await update("it's mine")).checkout).toMatchObject({ refType: "bookmark", name: "it's mine" });
    expect((await update("grün")).checkout).toMatchObject({ refType: "bookmark", name: "grün" });
    expect((await update("default")).checkout).toMatchObject({ refType: "branch", name: "default" });
  });

  it("tell of a pull that updates", async () => {
    const other = path.join(lab.dir, "second");
    await lab.run(lab.dir, "hg", "clone", "-q", work, other);
    await lab.install({ path: other, role: "client", url: receiver.url });
    const head = await commit("news");
    await lab.run(other, "hg", "pull", "-q", "-u");
    expect(getArrival(await receiver.wait(1), 0).checkout).toMatchObject({ name: "default", revision: head });
  });

  it("say nothing of a merge and of an update that failed", async () => {
    await commit("changed here");
    await hg("merge", "-q", "--tool", ":local", "other");
    await hg("update", "-q", "-C", ".");
    expect(getArrival(await receiver.wait(1), 0).checkout).toMatchObject({ name: "default" });
    await writeFile(path.join(work, "file"), "not committed");
    expect((await lab.tryRun(work, {}, "hg", "update", "-q", "--tool", ":fail", "-m", "other")).code).not.toBe(0);
    const { checkout } = await update("-C", "default");
    expect(checkout?.name).toBe("default");
    expect(receiver.arrivals.map((arrival) => arrival.checkout?.name)).toEqual(["default", "default"]);
  });

  it("tell that the working copy left every branch", async () => {
    expect((await update("null")).checkout).toMatchObject({ name: null, revision: null });
  });

  it("work for every repository of a user", async () => {
    const second = path.join(lab.dir, "second");
    await lab.run(lab.dir, "hg", "clone", "-q", "-U", work, second);
    await writeFile(
      path.join(second, ".hg/hgrc"),
      "[paths]\ndefault = https://alice:s3cret@hg.example.com/acme/site\n",
    );
    await lab.install({ path: lab.dir, role: "global", url: receiver.url });
    await lab.run(second, "hg", "update", "-q", "other");
    const arrival = getArrival(await receiver.wait(1), 0);
    expect(arrival.checkout?.name).toBe("other");
    expect(arrival.repository?.name).toBe("acme/site");
    expect(arrival.raw).not.toContain("s3cret");
  });
});

async function serve(): Promise<{ readonly url: string; readonly process: ChildProcess }> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  probe.close();
  await once(probe, "close");
  const options = [
    "--config",
    "web.push_ssl=false",
    "--config",
    "web.allow-push=*",
    "-a",
    "127.0.0.1",
    "-p",
    String(port),
  ];
  const child = spawn("hg", ["serve", ...options], { cwd: server, env: lab.env, stdio: "ignore" });
  const url = `http://127.0.0.1:${port}/`;
  await waitFor(
    async () =>
      await fetch(url).then(
        ({ ok }) => ok,
        () => false,
      ),
    () => "hg serve does not answer",
  );
  return { url, process: child };
}
