import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
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
let work: string;
let marker = 0;

beforeEach(async () => {
  lab = await openLab();
  receiver = await openReceiver();
  work = path.join(lab.dir, "clone");
  marker = 0;
  await lab.run(lab.dir, "git", "init", "-q", "--bare", "srv/acme/web.git");
  await lab.run(lab.dir, "git", "clone", "-q", "srv/acme/web.git", work);
  await writeFile(path.join(work, "file"), "1\n");
  await git("add", "file");
  await git("commit", "-q", "-m", "one");
  await git("push", "-q", "-u", "origin", "main");
  await git("branch", "-q", "other");
  await lab.install({ path: work, role: "client", url: receiver.url });
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

const git = async (...args: readonly string[]): Promise<string> => await lab.run(work, "git", ...args);

async function checkout(...args: readonly string[]): Promise<Arrival> {
  const before = receiver.arrivals.length;
  await git("checkout", "-q", ...args);
  return getArrival(await receiver.wait(before + 1), before);
}

/** What arrived for these commands: everything before the checkout of a new branch that follows them. */
async function listNames(commands: () => Promise<unknown>): Promise<readonly (string | null | undefined)[]> {
  const before = receiver.arrivals.length;
  await commands();
  const name = `marker-${(marker += 1)}`;
  await git("checkout", "-q", "-b", name);
  const told = (): (string | null | undefined)[] =>
    receiver.arrivals.slice(before).map((arrival) => arrival.checkout?.name);
  while (!told().includes(name)) await receiver.wait(receiver.arrivals.length + 1);
  return told().filter((one) => one !== name);
}

describe("git post-checkout", () => {
  it("tells which branch is checked out, by whom, where", async () => {
    const revision = (await git("rev-parse", "HEAD")).trim();
    const delivery = await checkout("other");
    expect(delivery).toMatchObject({
      site: "client",
      event: "post-checkout",
      repository: { name: "acme/web", vcs: "git" },
      actor: { key: "alice@example.com", email: "alice@example.com", trust: "claim" },
      changes: [],
      checkout: { refType: "branch", name: "other", revision },
    });
    expect((await checkout("main")).checkout?.workingCopy).toBe(delivery.checkout?.workingCopy);
  });

  it("names the branch that the remote knows, and the user that the configuration names for Branchward", async () => {
    await git("config", "branchward.user", "alice");
    const { checkout: claim, actor } = await checkout("-b", "mine", "--track", "origin/main");
    expect(claim?.name).toBe("main");
    expect(actor).toMatchObject({ key: "alice", email: "alice@example.com" });
    await git("branch", "--set-upstream-to", "other");
    expect((await checkout("mine")).checkout?.name).toBe("mine");
  });

  it("tells that the working copy left every branch", async () => {
    expect((await checkout("--detach")).checkout).toMatchObject({ name: null });
  });

  it.each(["it's", 'say-"hi"', "grün/日本", "a&b;c$(d)"])("keeps the name %s", async (name) => {
    expect((await checkout("-b", name)).checkout?.name).toBe(name);
  });

  it("tells of an orphan branch, which has no revision yet", async () => {
    await git("switch", "-q", "--orphan", "fresh");
    expect(getArrival(await receiver.wait(1), 0).checkout).toMatchObject({ name: "fresh", revision: null });
  });

  it("says nothing of files, resets, stashes, commits and branches made in passing", async () => {
    const names = await listNames(async () => {
      await git("checkout", "other", "--", "file");
      await git("restore", "file");
      await writeFile(path.join(work, "file"), "2\n");
      await git("stash", "-q");
      await git("reset", "-q", "--hard");
      await git("branch", "passing");
      await git("branch", "-m", "passing", "passed");
      await git("branch", "-D", "passed");
      await git("commit", "-q", "--allow-empty", "-m", "two");
      await git("tag", "v1");
    });
    expect(names).toEqual([]);
  });

  it("says nothing of the detours of rebase and bisect", async () => {
    await git("commit", "-q", "--allow-empty", "-m", "two");
    await git("checkout", "-q", "other");
    for (const message of ["three", "four", "five"]) await git("commit", "-q", "--allow-empty", "-m", message);
    await receiver.wait(1);
    const names = await listNames(async () => {
      await git("rebase", "-q", "main");
      await git("bisect", "start", "HEAD", "HEAD~3");
      await git("bisect", "reset");
    });
    expect(names).toEqual([]);
  });

  it("tells worktrees apart, and works in a submodule", async () => {
    const first = await checkout("other");
    await git("worktree", "add", "-q", "-b", "aside", path.join(lab.dir, "aside"));
    const { checkout: second } = getArrival(await receiver.wait(2), 1);
    expect(second?.name).toBe("aside");
    expect(second?.workingCopy).not.toBe(first.checkout?.workingCopy);
    await git("submodule", "--quiet", "add", path.join(lab.dir, "srv/acme/web.git"), "inner");
    const inner = path.join(work, "inner");
    const before = receiver.arrivals.length;
    await lab.install({ path: inner, role: "client", url: receiver.url });
    await lab.run(inner, "git", "checkout", "-q", "-b", "deep");
    expect(getArrival(await receiver.wait(before + 1), before).checkout?.name).toBe("deep");
  });

  it("keeps the credentials of the remote to itself", async () => {
    await git("remote", "set-url", "origin", "https://alice:s3cret@git.example.com/acme/site.git");
    receiver.fault = (response) => response.writeHead(503).end("https://alice:s3cret@here") !== undefined;
    await git("checkout", "-q", "other");
    const home = path.join(work, ".git/branchward");
    await waitFor(
      async () => (await listFilesWith(home, "503")).length >= 2,
      () => "a failure in the log and in the last answer",
    );
    expect(await listFilesWith(home, "acme/site")).toHaveLength(1);
    expect(await listFilesWith(home, "s3cret")).toEqual([]);
    receiver.fault = null;
    expect(getArrival(await receiver.wait(1), 0).repository?.name).toBe("acme/site");
    expect(receiver.arrivals.some(({ raw }) => raw.includes("s3cret"))).toBe(false);
  });

  it("runs the hook that was there before with its arguments and exit status", async () => {
    const file = path.join(lab.dir, "second/.git/hooks/post-checkout");
    await lab.run(lab.dir, "git", "clone", "-q", "srv/acme/web.git", "second");
    await writeFile(file, `#!/bin/sh\necho "$@" >${lab.dir}/arguments\nexit 7\n`);
    await chmod(file, 0o755);
    const second = path.join(lab.dir, "second");
    await lab.install({ path: second, role: "client", url: receiver.url });
    const { code } = await lab.tryRun(second, {}, "git", "checkout", "-q", "-b", "x");
    expect(code).toBe(1);
    expect((await lab.tryRun(second, {}, file, "a", "b", "1")).code).toBe(7);
    expect(await readFile(path.join(lab.dir, "arguments"), "utf8")).toBe("a b 1\n");
    await receiver.wait(2);
  });

  it("keeps working after the repository was moved", async () => {
    const moved = path.join(lab.dir, "moved");
    await lab.run(lab.dir, "mv", work, moved);
    await lab.run(moved, "git", "checkout", "-q", "other");
    expect(getArrival(await receiver.wait(1), 0).checkout?.name).toBe("other");
  });
});

describe("global hooks of git", () => {
  let second: string;

  beforeEach(async () => {
    second = path.join(lab.dir, "second");
    await lab.install({ path: lab.dir, role: "global", url: receiver.url });
  });

  it("tell of the very clone, and of a checkout in it", async () => {
    await lab.run(lab.dir, "git", "clone", "-q", "srv/acme/web.git", second);
    await lab.run(second, "git", "checkout", "-q", "-b", "x");
    const arrivals = await receiver.wait(2);
    expect(new Set(arrivals.map(({ checkout: claim }) => claim?.name))).toEqual(new Set(["main", "x"]));
    expect(getArrival(arrivals, 0).repository?.name).toBe("acme/web");
  });

  it("run the repository's own hooks, whatever they are, with their exit status", async () => {
    await lab.run(lab.dir, "git", "clone", "-q", "srv/acme/web.git", second);
    await mkdir(path.join(second, ".git/hooks"), { recursive: true });
    for (const name of ["pre-commit", "pre-push", "post-checkout"]) {
      await writeFile(
        path.join(second, ".git/hooks", name),
        `#!/bin/sh\ncat >>${lab.dir}/${name}\n[ ${name} != pre-push ]\n`,
      );
      await chmod(path.join(second, ".git/hooks", name), 0o755);
    }
    await lab.run(second, "git", "commit", "-q", "--allow-empty", "-m", "x");
    const pushed = await lab.tryRun(second, {}, "git", "push", "-q", "origin", "HEAD:refs/heads/x");
    expect(pushed.code).toBe(1);
    expect(await readFile(path.join(lab.dir, "pre-push"), "utf8")).toContain("refs/heads/x");
    await lab.run(lab.dir, "git", "-C", second, "worktree", "add", "-q", "-b", "y", path.join(lab.dir, "third"));
    expect(await readFile(path.join(lab.dir, "post-checkout"), "utf8")).toBe("");
  });

  it("tell a checkout once where the repository has hooks of its own", async () => {
    const names = await listNames(async () => await checkout("other"));
    expect(names).toEqual(["other"]);
  });
});
