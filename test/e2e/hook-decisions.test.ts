import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installHooks } from "@branchward/vcs/hooks";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AGENT_SECRET } from "../support/deliveries.ts";
import {
  type GitRepository,
  type HgRepository,
  openGitRepository,
  openHgRepository,
  openWorkshop,
  type Workshop,
} from "../support/repositories.ts";
import { addExamplePeople, startTestSystem, type TestSystem } from "../support/system.ts";

const POLICY = `
policy:
  - repositories: ["**"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["group:release-managers"] }
    deny:
      - { entitlement: push, to: ["group:contractors"] }
  - repositories: ["**"]
    branches: ["stable/**"]
    grants:
      - { entitlement: push, to: ["group:release-managers"] }
      - { entitlement: force, to: ["user:bob"] }
`;

interface Outcome {
  readonly ok: boolean;
  /** What `branchward:` lines say. */
  readonly told: readonly string[];
}

describe("with hooks that decide in a Git and a Mercurial server", () => {
  let system: TestSystem;
  let workshop: Workshop;
  let git: GitRepository;
  let hg: HgRepository;
  let agentToken: string;

  beforeAll(async () => {
    system = await startTestSystem({ policy: POLICY });
    workshop = await openWorkshop(system);
    await addExamplePeople(system.people);
    const response = await fetch(`${system.url}/v1/tokens`, {
      method: "POST",
      headers: { authorization: `Bearer ${system.adminToken}` },
      body: JSON.stringify({ client: "git-server", scope: "agent", expiresInDays: 1 }),
    });
    agentToken = String(Object(await response.json())["secret"]);
    git = await openGitRepository(workshop, "deciding");
    hg = await openHgRepository(workshop, "deciding-hg");
    for (const { server } of [git, hg]) {
      const enforce = { userFrom: null, onUnavailable: null, timeout: "20s", tokenFile: null, token: agentToken };
      const source = { source: "agents", secretFile: null, secret: AGENT_SECRET, repository: null };
      const hooks = { path: server, role: "server", env: workshop.env, url: system.url, ...source } as const;
      await installHooks({ ...hooks, nodePath: process.execPath, enforce });
    }
  });
  afterAll(async () => {
    await workshop[Symbol.asyncDispose]();
    await system[Symbol.asyncDispose]();
  });

  async function run(cwd: string, user: string, program: string, args: readonly string[]): Promise<Outcome> {
    return await new Promise((resolve) => {
      const env = { ...workshop.env, LOGNAME: user };
      execFile(program, args, { cwd, env, timeout: 60_000 }, (error, stdout, stderr) => {
        const lines = `${stdout}${stderr}`.matchAll(/^(?:remote: )?branchward: (.*?) *$/gmu);
        resolve({ ok: error === null, told: [...lines].map(([, text = ""]) => text) });
      });
    });
  }
  const pushGit = (user: string, ...refs: readonly string[]) =>
    run(git.clone, user, "git", ["push", "--quiet", "origin", ...refs]);

  it("whoever may push a release makes it, moves it on, and deletes it, since the ungoverned follow push", async () => {
    expect(await pushGit("alice", "HEAD:refs/heads/release/1.0")).toEqual({ ok: true, told: [] });
    await system.branches.find({ repository: git.name, branch: "release/1.0" });
    await git.commit("fix");
    expect((await pushGit("alice", "HEAD:refs/heads/release/1.0")).ok).toBe(true);
    expect((await pushGit("bob", ":refs/heads/release/1.0")).ok).toBe(false);
    expect((await pushGit("alice", ":refs/heads/release/1.0")).ok).toBe(true);
  });

  it("whoever may not is told which rule stands there, and whom to ask", async () => {
    expect(await pushGit("bob", "HEAD:refs/heads/release/2.0", "HEAD:refs/heads/feature/b")).toEqual({
      ok: false,
      told: [
        "bob may not create release/2.0 in acme/deciding",
        "  create follows push",
        "  no rule grants push to bob",
        expect.stringMatching(/^ {2}policy\[0\]\.grants\[0\] \(.*:\d+\) gives push to group:release-managers$/u),
        "  ask: group:release-managers",
        "nothing of this push was taken: 1 of its 2 changes are denied",
      ],
    });
    const denied = await pushGit("carol", "HEAD:refs/heads/release/2.0");
    expect(denied.told[2]).toMatch(/policy\[0\]\.deny\[0\] \(.*:\d+\) denies push \(group:contractors\)/u);
  });

  it("a push that loses commits is a verb of its own where policy governs it, and gives no other", async () => {
    // At the revision of the release that was just deleted it would be that release, renamed (rule A5).
    await git.commit("stable");
    expect((await pushGit("alice", "HEAD:refs/heads/stable/1")).ok).toBe(true);
    await git.git("commit", "--quiet", "--amend", "--allow-empty", "--message", "rewritten stable");
    const denied = await pushGit("alice", "+HEAD:refs/heads/stable/1");
    expect([denied.ok, denied.told[0]]).toEqual([false, "alice may not force-push to stable/1 of acme/deciding"]);
    expect(denied.told.at(-1)).toBe("  ask: user:bob");
    expect(await pushGit("bob", "+HEAD:refs/heads/stable/1")).toEqual({ ok: true, told: [] });
    await git.commit("next");
    expect((await pushGit("bob", "HEAD:refs/heads/stable/1")).ok).toBe(false);
  });

  it("feature branches are nobody's business, not even an unknown user's", async () => {
    await git.commit("feature");
    expect(await pushGit("stranger", "HEAD:refs/heads/feature/x")).toEqual({ ok: true, told: [] });
    await git.git("commit", "--quiet", "--amend", "--allow-empty", "--message", "rewritten");
    expect((await pushGit("stranger", "+HEAD:refs/heads/feature/x")).ok).toBe(true);
    expect((await pushGit("stranger", "HEAD:refs/heads/release/3.0")).told[0]).toBe(
      "stranger may not create release/3.0 in acme/deciding",
    );
  });

  it("named branches of Mercurial are decided by the same policy", async () => {
    const push = async (user: string) => await run(hg.clone, user, "hg", ["push", "--new-branch"]);
    await hg.hg("branch", "--quiet", "release/1.0");
    await writeFile(join(hg.clone, "notes"), "release");
    await hg.hg("commit", "--quiet", "--message", "release");
    const refused = await push("bob");
    expect([refused.ok, refused.told[0]]).toEqual([false, "bob may not create release/1.0 in acme/deciding-hg"]);
    expect(await push("alice")).toEqual({ ok: true, told: [] });
    await system.branches.find({ repository: hg.name, branch: "release/1.0" });
  });

  it("bookmarks of Mercurial are decided when they are made, moved on and deleted", async () => {
    const push = async (user: string) => await run(hg.clone, user, "hg", ["push", "--bookmark", "release/mark"]);
    // hg exits 1 where a push has bookmarks alone, so that the server has to say what was taken.
    const findMark = async () =>
      await hg.hg("--repository", hg.server, "log", "--rev", "bookmark()", "--template", "{bookmarks} {desc}");
    await hg.hg("bookmark", "release/mark");
    const refused = await push("bob");
    expect([refused.ok, refused.told[0]]).toEqual([
      false,
      "bob may not create the bookmark release/mark in acme/deciding-hg",
    ]);
    expect(await findMark()).toBe("");
    expect((await push("alice")).told).toEqual([]);
    expect(await findMark()).toBe("release/mark release");
    await writeFile(join(hg.clone, "notes"), "marked");
    await hg.hg("commit", "--quiet", "--message", "marked");
    expect((await push("bob")).ok).toBe(false);
    expect(await findMark()).toBe("release/mark release");
    expect(await push("alice")).toEqual({ ok: true, told: [] });
    expect(await findMark()).toBe("release/mark marked");
    await hg.hg("bookmark", "--delete", "release/mark");
    expect((await push("bob")).told[0]).toBe("bob may not delete the bookmark release/mark of acme/deciding-hg");
    expect(await findMark()).toBe("release/mark marked");
    expect((await push("alice")).told).toEqual([]);
    expect(await findMark()).toBe("");
  });

  it("the deactivated may push nothing any more, from that moment on", async () => {
    await git.commit("last");
    await system.people.setActive("alice", false);
    expect(await pushGit("alice", "HEAD:refs/heads/feature/x")).toEqual({
      ok: false,
      told: [
        "alice may not push to feature/x of acme/deciding",
        "  alice is deactivated",
        expect.stringMatching(/^ {2}ask: whoever keeps the directory, or /u),
      ],
    });
  });
});
