import { chmod, lstat, mkdir, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { uninstallHooks } from "./uninstall.ts";
import { hooksStatus } from "./status.ts";
import { getArrival, type Lab, openLab, openReceiver, type TestReceiver } from "./testing.ts";

let lab: Lab;
let receiver: TestReceiver;
let bare: string;
let url: string;

beforeEach(async () => {
  lab = await openLab();
  receiver = await openReceiver();
  url = receiver.url;
  bare = path.join(lab.dir, "acme/web.git");
  await lab.run(lab.dir, "git", "init", "-q", "--bare", bare);
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

/** Every file below the directory with its mode and content. */
async function snapshot(directory: string): Promise<Record<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory()).map((entry) => path.join(entry.parentPath, entry.name));
  const pairs = files.map(async (file) => {
    const link = (await lstat(file)).isSymbolicLink();
    const content = link ? await readlink(file) : await readFile(file, "latin1");
    return [file, `${(await lstat(file)).mode.toString(8)} ${content}`] as const;
  });
  return Object.fromEntries((await Promise.all(pairs)).toSorted(([a], [b]) => a.localeCompare(b)));
}

const conditions = async (where: string, role: "client" | "server" | "global"): Promise<Record<string, string>> => {
  const { hooks } = await hooksStatus({ path: where, role, env: lab.env });
  return Object.fromEntries(hooks.map(({ name, condition }) => [name, condition]));
};

describe("installing hooks", () => {
  it("says what it did: the name, the home, where the secret is", async () => {
    const report = await lab.install({ path: bare, role: "server", url });
    expect(report).toMatchObject({
      repository: "acme/web",
      home: path.join(bare, "branchward"),
      vcs: ["git"],
      hooks: [{ name: "post-receive", condition: "installed" }],
      connection: { url, source: "agents", secretFile: path.join(bare, "branchward/secret") },
      hasNode: true,
      pending: { count: 0, oldestAgeMs: null },
      lastSend: null,
    });
    expect(report.notes.join()).toContain("owner alone");
  });

  it("twice is the same as once", async () => {
    await lab.install({ path: bare, role: "server", url });
    const once = await snapshot(bare);
    await lab.install({ path: bare, role: "server", url });
    expect(await snapshot(bare)).toEqual(once);
  });

  it("uses a secret file where it is", async () => {
    const secretFile = path.join(lab.dir, "secret");
    await writeFile(secretFile, "a plain secret\n", { mode: 0o644 });
    const report = await lab.install({ path: bare, role: "server", url, secretFile });
    expect(report.connection?.secretFile).toBe(secretFile);
    expect(report.notes).toEqual([`${secretFile} can be read by others than its owner.`]);
  });

  it.each([
    ["no secret", { secret: null }, /No secret/],
    ["a secret file that is not there", { secretFile: "/nowhere/secret" }, /No secret file/],
    ["an address with credentials", { url: "http://a:b@127.0.0.1" }, /credentials/],
    ["an address of another scheme", { url: "ftp://127.0.0.1" }, /http/],
    ["a source name out of form", { source: "Agents" }, /source/],
    ["a Node that is not there", { nodePath: "/nowhere/node" }, /nowhere/],
  ])("refuses %s and leaves everything as it was", async (_, wrong, message) => {
    const before = await snapshot(bare);
    await expect(lab.install({ path: bare, role: "server", url, ...wrong })).rejects.toThrow(message);
    expect(await snapshot(bare)).toEqual(before);
  });

  it("refuses a place without a repository, and client hooks in a bare one", async () => {
    await expect(lab.install({ path: lab.dir, role: "server", url })).rejects.toMatchObject({ code: "not_found" });
    await expect(lab.install({ path: bare, role: "client", url })).rejects.toMatchObject({ code: "bare_repository" });
  });

  it("refuses a hooks directory that belongs to the project, saying what to do", async () => {
    const work = path.join(lab.dir, "work");
    await lab.run(lab.dir, "git", "init", "-q", work);
    await lab.run(work, "git", "config", "core.hooksPath", ".husky/_");
    await expect(lab.install({ path: work, role: "client", url })).rejects.toMatchObject({
      code: "hooks_path_in_working_copy",
      message: expect.stringContaining("git config --unset core.hooksPath"),
    });
    await lab.run(work, "git", "config", "--global", "core.hooksPath", "/srv/hooks");
    await lab.run(work, "git", "config", "--unset", "core.hooksPath");
    await expect(lab.install({ path: work, role: "client", url })).rejects.toMatchObject({ code: "hooks_path_global" });
  });

  it("works with a hooks directory outside of the working copy, which it finds from anywhere", async () => {
    const work = path.join(lab.dir, "work");
    const hooks = path.join(lab.dir, "it's hooks");
    await lab.run(lab.dir, "git", "init", "-q", work);
    await lab.run(work, "git", "config", "core.hooksPath", hooks);
    await lab.run(work, "git", "commit", "-q", "--allow-empty", "-m", "x");
    await lab.install({ path: work, role: "client", url });
    await lab.run(work, "git", "checkout", "-q", "-b", "x");
    expect(getArrival(await receiver.wait(1), 0).checkout?.name).toBe("x");
  });

  it("shares the home with the group of a shared repository", async () => {
    const shared = path.join(lab.dir, "acme/shared.git");
    await lab.run(lab.dir, "git", "init", "-q", "--bare", "--shared=group", shared);
    await lab.install({ path: shared, role: "server", url });
    const mode = async (name: string): Promise<string> =>
      ((await stat(path.join(shared, "branchward", name))).mode & 0o7777).toString(8);
    expect([await mode(""), await mode("spool"), await mode("secret")]).toEqual(["2770", "2770", "640"]);
  });
});

describe("uninstalling hooks", () => {
  it("puts back byte for byte what was there: a hook, a link, nothing", async () => {
    const file = path.join(bare, "hooks/post-receive");
    await mkdir(path.dirname(file), { recursive: true });
    const install = async (): Promise<unknown> => await lab.install({ path: bare, role: "server", url });
    for (const prepare of [
      async () => undefined,
      async () => {
        await writeFile(file, "#!/bin/sh\nexit 0");
        await chmod(file, 0o751);
      },
      async () => {
        await rm(file);
        await symlink("elsewhere.sh", file);
        await writeFile(path.join(bare, "hooks/elsewhere.sh"), "#!/bin/sh\n");
      },
    ]) {
      await prepare();
      const before = await snapshot(bare);
      await install();
      await install();
      await uninstallHooks({ path: bare, role: "server", env: lab.env });
      expect(await snapshot(bare)).toEqual(before);
    }
  });

  it.each([
    ["ends in a line break", "[ui]\nmerge = :local\n"],
    ["does not", "[ui]\nmerge = :local"],
    ["is empty", ""],
    ["is not there", null],
  ])("leaves an hgrc that %s as it was", async (_, text) => {
    const repository = path.join(lab.dir, "hg");
    await lab.run(lab.dir, "hg", "init", repository);
    if (text !== null) await writeFile(path.join(repository, ".hg/hgrc"), text);
    const before = await snapshot(repository);
    await lab.install({ path: repository, role: "client", url });
    await lab.install({ path: repository, role: "server", url });
    expect(await conditions(repository, "client")).toEqual({ update: "installed", "post-update": "installed" });
    expect(await conditions(repository, "server")).toEqual({
      "txnclose-bookmark": "installed",
      changegroup: "installed",
    });
    await uninstallHooks({ path: repository, role: "client", env: lab.env });
    expect(await conditions(repository, "client")).toEqual({ update: "missing", "post-update": "missing" });
    expect(await conditions(repository, "server")).toEqual({
      "txnclose-bookmark": "installed",
      changegroup: "installed",
    });
    await uninstallHooks({ path: repository, role: "server", env: lab.env });
    expect(await snapshot(repository)).toEqual(before);
  });

  it("gives the user's configuration back", async () => {
    await lab.run(lab.dir, "git", "config", "--global", "core.hooksPath", "/srv/hooks");
    const home = path.join(lab.dir, "home");
    const before = await snapshot(home);
    await lab.install({ path: lab.dir, role: "global", url });
    expect(await conditions(lab.dir, "global")).toEqual({
      "post-checkout": "installed",
      update: "installed",
      "post-update": "installed",
    });
    await lab.install({ path: lab.dir, role: "global", url });
    await uninstallHooks({ path: lab.dir, role: "global", env: lab.env });
    expect(await snapshot(home)).toEqual(before);
  });

  it("finds its hook after core.hooksPath was set to somewhere else", async () => {
    const work = path.join(lab.dir, "work");
    await lab.run(lab.dir, "git", "init", "-q", work);
    await lab.install({ path: work, role: "client", url });
    await lab.run(work, "git", "config", "core.hooksPath", ".husky/_");
    await uninstallHooks({ path: work, role: "client", env: lab.env });
    await expect(stat(path.join(work, ".git/hooks/post-checkout"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("keeps events that were never sent", async () => {
    const { home } = await lab.install({ path: bare, role: "server", url });
    const entry = path.join(home, "spool", `${"1".padStart(15, "0")}-0000-a.json`);
    await writeFile(entry, "{}");
    expect(await uninstallHooks({ path: bare, role: "server", env: lab.env })).toEqual({ home, pending: 1 });
    expect(await readFile(entry, "utf8")).toBe("{}");
  });

  it("refuses where nothing is installed", async () => {
    await expect(uninstallHooks({ path: bare, role: "server", env: lab.env })).rejects.toMatchObject({
      code: "not_found",
    });
  });
});

describe("the status of hooks", () => {
  it("tells missing, installed, chained, stale and foreign apart", async () => {
    const file = path.join(bare, "hooks/post-receive");
    expect(await conditions(bare, "server")).toEqual({ "post-receive": "missing" });
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, "#!/bin/sh\n");
    expect(await conditions(bare, "server")).toEqual({ "post-receive": "foreign" });
    await lab.install({ path: bare, role: "server", url });
    expect(await conditions(bare, "server")).toEqual({ "post-receive": "chained" });
    const ours = await readFile(file, "utf8");
    await writeFile(file, ours.replace(/branchward hook [0-9a-f]{12}/, "branchward hook 000000000000"));
    expect(await conditions(bare, "server")).toEqual({ "post-receive": "stale" });
    await writeFile(file, "#!/bin/sh\n# somebody else's\n");
    expect(await conditions(bare, "server")).toEqual({ "post-receive": "foreign" });
    await expect(lab.install({ path: bare, role: "server", url })).rejects.toMatchObject({ code: "hook_replaced" });
  });

  it("says when the Node of the hooks is gone, and the hook does no harm then", async () => {
    const node = path.join(lab.dir, "node");
    await symlink(process.execPath, node);
    await lab.install({ path: bare, role: "server", url, nodePath: node });
    await rm(node);
    expect(await hooksStatus({ path: bare, role: "server", env: lab.env })).toMatchObject({ hasNode: false });
    expect((await lab.tryRun(bare, {}, "hooks/post-receive")).code).toBe(0);
    expect(await readFile(path.join(bare, "branchward/agent.log"), "utf8")).toContain("branchward hooks install");
  });
});
