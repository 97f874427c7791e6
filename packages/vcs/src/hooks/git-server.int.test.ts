import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Arrival, getArrival, type Lab, openLab, openReceiver, type TestReceiver } from "./testing.ts";

let lab: Lab;
let receiver: TestReceiver;
let bare: string;
let clone: string;

beforeEach(async () => {
  lab = await openLab();
  receiver = await openReceiver();
  bare = path.join(lab.dir, "srv/acme/web.git");
  clone = path.join(lab.dir, "clone");
  await lab.run(lab.dir, "git", "init", "-q", "--bare", bare);
  await lab.run(bare, "git", "config", "receive.advertisePushOptions", "true");
  await lab.run(lab.dir, "git", "clone", "-q", bare, clone);
  await commit("first");
  await lab.run(clone, "git", "push", "-q", "origin", "main");
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

const install = async (): Promise<unknown> => await lab.install({ path: bare, role: "server", url: receiver.url });

async function push(...args: readonly string[]): Promise<Arrival> {
  const before = receiver.arrivals.length;
  await lab.run(clone, "git", "push", "-q", "origin", ...args);
  return getArrival(await receiver.wait(before + 1), before);
}

async function commit(message: string): Promise<string> {
  await lab.run(clone, "git", "commit", "-q", "--allow-empty", "-m", message);
  return (await lab.run(clone, "git", "rev-parse", "HEAD")).trim();
}

describe("git post-receive", () => {
  it("tells of a branch that is created, moved, forced and deleted", async () => {
    await install();
    const first = await commit("one");
    expect(await push("HEAD:refs/heads/topic")).toMatchObject({
      site: "server",
      event: "post-receive",
      repository: { nativeId: null, name: "acme/web", vcs: "git" },
      changes: [{ kind: "create", refType: "branch", name: "topic", before: null, after: first, forced: null }],
      sightings: [{ refType: "branch", name: "topic", head: first }],
      renames: [],
      checkout: null,
      ignored: null,
    });
    const second = await commit("two");
    expect((await push("HEAD:topic")).changes).toEqual([
      { kind: "push", refType: "branch", name: "topic", before: first, after: second, forced: false, closed: false },
    ]);
    expect((await push("-f", "HEAD~1:topic")).changes).toMatchObject([{ before: second, after: first, forced: true }]);
    const gone = await push(":topic");
    expect(gone.changes).toMatchObject([{ kind: "delete", before: first, after: null, forced: null }]);
    expect(gone.sightings).toEqual([{ refType: "branch", name: "topic", head: null }]);
  });

  it.each([
    ["aa-old", "zz-new"],
    ["zz-old", "aa-new"],
  ])("tells both halves of a rename in one push (%s to %s) in one delivery", async (from, to) => {
    const head = await commit("one");
    await lab.run(clone, "git", "push", "-q", "origin", `HEAD:refs/heads/${from}`);
    await install();
    const { changes, groupKey } = await push("--atomic", `HEAD:refs/heads/${to}`, `:${from}`);
    expect(groupKey).toMatch(/./);
    expect(changes).toHaveLength(2);
    expect(changes).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: "delete", name: from, before: head }),
        expect.objectContaining({ kind: "create", name: to, after: head }),
      ]),
    );
  });

  it("passes on what the pusher says about a rename", async () => {
    await lab.run(clone, "git", "push", "-q", "origin", "HEAD:refs/heads/old");
    await install();
    await commit("and more");
    const { renames } = await push("-o", "ci.skip", "-o", "rename-from=old", "HEAD:refs/heads/new", ":old");
    expect(renames).toEqual([{ refType: "branch", from: "old", to: "new" }]);
  });

  it("says nothing of tags and other refs, not even an empty delivery", async () => {
    await install();
    await lab.run(clone, "git", "tag", "v1");
    await lab.run(clone, "git", "push", "-q", "origin", "v1", "HEAD:refs/notes/x");
    const { changes } = await push("HEAD:refs/heads/marker");
    expect(changes.map(({ name }) => name)).toEqual(["marker"]);
    expect(receiver.arrivals).toHaveLength(1);
  });

  it("keeps names exactly as they are", async () => {
    await install();
    const names = ["release/1.0", "it's", 'say-"hi"', "grün/日本", "a&b;c$(d)", "-dash", "e\u0301"];
    const { changes } = await push(...names.map((name) => `HEAD:refs/heads/${name}`));
    expect(changes.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  });

  it("leaves out a name that is not UTF-8, since no other name may stand for it, and says so in its log", async () => {
    await install();
    await lab.run(clone, "sh", "-c", "git push -q origin \"HEAD:refs/heads/$(printf 'a\\377')\" HEAD:refs/heads/good");
    const { changes } = getArrival(await receiver.wait(1), 0);
    expect(changes.map(({ name }) => name)).toEqual(["good"]);
    expect(await readFile(path.join(bare, "branchward/agent.log"), "utf8")).toContain("not UTF-8");
  });

  it("tells of thousands of branches in one push, in parts of one group", async () => {
    await install();
    const count = 4_500;
    const lines = Array.from({ length: count }, (_, index) => `create refs/heads/many/${index} HEAD\n`);
    await lab.tryRun(clone, { input: lines.join("") }, "git", "update-ref", "--stdin");
    await lab.run(clone, "git", "push", "-q", "origin", "refs/heads/many/*");
    await receiver.wait(3);
    const changes = receiver.arrivals.flatMap((arrival) => arrival.changes);
    expect(new Set(changes.map(({ name }) => name)).size).toBe(count);
    expect(receiver.arrivals.flatMap(({ sightings }) => sightings)).toHaveLength(count);
    expect(new Set(receiver.arrivals.map(({ groupKey }) => groupKey)).size).toBe(1);
    expect(new Set(receiver.arrivals.map(({ id }) => id)).size).toBe(3);
  });

  it("names whoever the transport or the hosting software authenticated", async () => {
    await install();
    const before = receiver.arrivals.length;
    await lab.tryRun(
      clone,
      { env: { REMOTE_USER: "bob", GL_USERNAME: "carol" } },
      "git",
      "push",
      "-q",
      "origin",
      "HEAD:refs/heads/x",
    );
    expect(getArrival(await receiver.wait(before + 1), before).actor).toEqual({
      key: "carol",
      email: null,
      trust: "claim",
    });
    await lab.tryRun(
      clone,
      { env: { GATEWAY_INTERFACE: "CGI/1.1" } },
      "git",
      "push",
      "-q",
      "origin",
      "HEAD:refs/heads/y",
    );
    expect(getArrival(await receiver.wait(before + 2), before + 1).actor).toBeNull();
  });

  it("understands repositories with SHA-256 object ids", async () => {
    const other = path.join(lab.dir, "srv/acme/sha256.git");
    await lab.run(lab.dir, "git", "init", "-q", "--bare", "--object-format=sha256", other);
    await lab.install({ path: other, role: "server", url: receiver.url });
    const work = path.join(lab.dir, "work256");
    await lab.run(lab.dir, "git", "init", "-q", "--object-format=sha256", work);
    await lab.run(work, "git", "commit", "-q", "--allow-empty", "-m", "x");
    await lab.run(work, "git", "push", "-q", other, "HEAD:refs/heads/main");
    expect(getArrival(await receiver.wait(1), 0).changes).toMatchObject([
      { kind: "create", before: null, after: (await lab.run(work, "git", "rev-parse", "HEAD")).trim() },
    ]);
  });
});

describe("a post-receive hook that was there before", () => {
  async function writeHook(body: string): Promise<void> {
    await mkdir(path.join(bare, "hooks"), { recursive: true });
    await writeFile(path.join(bare, "hooks/post-receive"), `#!/bin/sh\n${body}`);
    await chmod(path.join(bare, "hooks/post-receive"), 0o755);
  }

  it("still gets its input, environment and directory, and its output reaches the user", async () => {
    await writeHook(
      `cat >${lab.dir}/input; echo "$GIT_DIR $(pwd) $GIT_PUSH_OPTION_0" >${lab.dir}/context; echo said >&2\n`,
    );
    await install();
    const head = await commit("one");
    const { stderr } = await lab.tryRun(clone, {}, "git", "push", "-o", "hello", "origin", "HEAD:refs/heads/x");
    await receiver.wait(1);
    expect(stderr).toContain("said");
    expect(await readFile(path.join(lab.dir, "input"), "utf8")).toBe(`${"0".repeat(40)} ${head} refs/heads/x\n`);
    expect(await readFile(path.join(lab.dir, "context"), "utf8")).toBe(`. ${bare} hello\n`);
  });

  it("may leave its input unread and fail without harm to the push or the event", async () => {
    await writeHook("exit 3\n");
    await install();
    expect((await push("HEAD:refs/heads/x")).changes).toHaveLength(1);
    const { code } = await lab.tryRun(bare, { input: "" }, path.join(bare, "hooks/post-receive"));
    expect(code).toBe(3);
  });

  it("does not run where it is not executable, as git would have it", async () => {
    await writeHook(`touch ${lab.dir}/ran\n`);
    await chmod(path.join(bare, "hooks/post-receive"), 0o644);
    await install();
    await push("HEAD:refs/heads/x");
    await expect(readFile(path.join(lab.dir, "ran"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});
