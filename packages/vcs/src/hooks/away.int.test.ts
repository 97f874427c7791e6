/** What holds while Branchward is away: the same for git, whose agent is JavaScript, and for Mercurial, whose is Python. */
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Decider, enforce, openDecider } from "./decider.ts";
import { type CommandResult, type Lab, openLab } from "./testing.ts";

interface Repository {
  readonly home: string;
  /** Makes a commit and pushes it to the branch. */
  push(branch: string, options?: { readonly user?: string; readonly isNew?: boolean }): Promise<CommandResult>;
}

async function openGit(lab: Lab): Promise<Repository & { readonly path: string }> {
  const bare = path.join(lab.dir, "acme/web.git");
  const work = path.join(lab.dir, "clone");
  await mkdir(path.dirname(bare));
  await lab.run(lab.dir, "git", "init", "-q", "--bare", bare);
  await lab.run(lab.dir, "git", "clone", "-q", bare, work);
  await lab.run(work, "git", "commit", "-q", "--allow-empty", "-m", "first");
  await lab.run(work, "git", "push", "-q", "origin", "HEAD:refs/heads/main", "HEAD:refs/heads/other");
  return {
    path: bare,
    home: path.join(bare, "branchward"),
    async push(branch, { user = "alice", isNew = false } = {}) {
      if (!isNew) await lab.run(work, "git", "commit", "-q", "--allow-empty", "-m", "more");
      return await lab.tryRun(
        work,
        { env: { LOGNAME: user } },
        "git",
        "push",
        "-q",
        "origin",
        `HEAD:refs/heads/${branch}`,
      );
    },
  };
}

async function openHg(lab: Lab): Promise<Repository & { readonly path: string }> {
  const server = path.join(lab.dir, "srv/acme/web");
  const work = path.join(lab.dir, "clone");
  await mkdir(path.dirname(server), { recursive: true });
  await lab.run(lab.dir, "hg", "init", server);
  await lab.run(lab.dir, "hg", "clone", "-q", server, work);
  let count = 0;
  const commit = async () => {
    await writeFile(path.join(work, "file"), `${(count += 1)}`);
    await lab.run(work, "hg", "commit", "-q", "-A", "-m", "more");
  };
  for (const branch of ["main", "other"]) {
    await lab.run(work, "hg", "branch", "-q", branch);
    await commit();
  }
  await lab.run(work, "hg", "push", "-q", "--new-branch");
  return {
    path: server,
    home: path.join(server, ".hg/branchward"),
    async push(branch, { user = "alice", isNew = false } = {}) {
      if (isNew) await lab.run(work, "hg", "branch", "-q", "-f", branch);
      else await lab.run(work, "hg", "update", "-q", "-C", branch);
      await commit();
      const result = await lab.tryRun(work, { env: { LOGNAME: user } }, "hg", "push", "--new-branch", "-r", ".");
      if (result.code !== 0)
        await lab.run(work, "hg", "--config", "extensions.strip=", "strip", "-q", "--no-backup", ".");
      return result;
    },
  };
}

/** What `branchward:` lines the pusher sees. */
const told = ({ stdout, stderr }: CommandResult): readonly string[] =>
  [...`${stdout}${stderr}`.matchAll(/^(?:remote: )?branchward: (.*?) *$/gm)].map(([, text = ""]) => text);

describe.each([
  ["git", openGit],
  ["hg", openHg],
] as const)("with Branchward away, %s", (_, open) => {
  let lab: Lab;
  let decider: Decider;
  let repository: Awaited<ReturnType<typeof openGit>>;

  beforeEach(async () => {
    lab = await openLab();
    decider = await openDecider();
    repository = await open(lab);
  });
  afterEach(async () => {
    await lab[Symbol.asyncDispose]();
    await decider[Symbol.asyncDispose]();
  });

  const install = async (over: Partial<typeof enforce> = {}, url = decider.url) =>
    await lab.install({ path: repository.path, role: "server", url, enforce: { ...enforce, ...over } });
  const leave = () => {
    decider.fault = (response) => Boolean(response.writeHead(503).end(JSON.stringify({ detail: "closing" })));
  };
  const listAnswers = async () => {
    const folder = path.join(repository.home, "answers");
    return (await readdir(folder)).map((name) => path.join(folder, name));
  };
  const edit = async (change: (text: string) => string) => {
    for (const file of await listAnswers()) await writeFile(file, change(await readFile(file, "utf8")));
  };

  it("a push goes by the last known answer, and says so", async () => {
    await install();
    expect((await repository.push("main")).code).toBe(0);
    leave();
    const result = await repository.push("main");
    expect(result.code).toBe(0);
    expect(told(result)).toEqual([
      expect.stringMatching(
        /^Branchward could not be reached \(HTTP 503: closing\); push main decided by last known answer of \d+ s ago$/,
      ),
    ]);
  });

  it("a denial that is known denies on, with its reasons", async () => {
    decider.denied = ["push main"];
    await install();
    await repository.push("main");
    leave();
    const result = await repository.push("main");
    expect(result.code).not.toBe(0);
    expect(told(result).slice(1)).toEqual(["alice may not push main of acme/web", "  ask: group:release-managers"]);
  });

  it("nothing is known of another branch or another user, nor of a verb that is to be denied", async () => {
    await install();
    await repository.push("main");
    leave();
    const why = "no last answer is known, and without one it is decided so while Branchward is away";
    const ask = `  ask: whoever runs Branchward at ${decider.url}, or try again later`;
    expect(told(await repository.push("other")).slice(1)).toEqual([`push other is denied: ${why}`, ask]);
    expect(told(await repository.push("main", { user: "bob" })).slice(1)).toEqual([`push main is denied: ${why}`, ask]);
    const created = await repository.push("new", { isNew: true });
    expect(created.code).not.toBe(0);
    expect(told(created)).toEqual([
      "Branchward could not be reached (HTTP 503: closing)",
      "create new is denied: so it is decided while Branchward is away",
      ask,
    ]);
  });

  it("each verb does what the installation says of it", async () => {
    await install({ onUnavailable: "push=deny" });
    expect((await repository.push("main")).code).toBe(0);
    expect(await listAnswers()).toEqual([]);
    leave();
    const result = await repository.push("main");
    expect(told(result)[1]).toBe("push main is denied: so it is decided while Branchward is away");
  });

  it("an answer that was altered, signed with another key, or of another user is not believed", async () => {
    decider.denied = ["push main"];
    await install();
    await repository.push("main");
    leave();
    const [file = ""] = await listAnswers();
    const original = await readFile(file, "utf8");
    expect(original).toContain("false");
    const altered = "push main is denied: the last known answer was altered and is not believed";
    await edit((text) => text.replace(/"allowed":( ?)false/, '"allowed":$1true'));
    expect(told(await repository.push("main"))[1]).toContain(altered);
    for (const text of ["", "nonsense", "\n{}", `${"0".repeat(64)}\n${original.split("\n")[1]}\n`]) {
      await writeFile(file, text);
      const result = await repository.push("main");
      expect(result.code).not.toBe(0);
      expect(told(result)[1]).toContain(altered);
    }
    decider.fault = null;
    await repository.push("main", { user: "bob" });
    leave();
    const bobs = (await listAnswers()).find((each) => each !== file) ?? "";
    await writeFile(file, await readFile(bobs, "utf8"));
    expect(told(await repository.push("main"))[1]).toContain(altered);
  });

  it("an answer that is too old is not believed", async () => {
    await install({ onUnavailable: "push=last-known:1ms" });
    await repository.push("main");
    leave();
    const [file = ""] = await listAnswers();
    await utimes(file, 0, 0);
    const result = await repository.push("main");
    expect(result.code).not.toBe(0);
    expect(told(result)[1]).toContain("the last known answer is too old");
  });

  it("an answer that cannot be kept changes nothing but for a word about it", async () => {
    await install();
    const key = path.join(repository.home, "answers.key");
    const text = await readFile(key, "utf8");
    await lab.run(repository.home, "rm", key);
    const result = await repository.push("main");
    expect(result.code).toBe(0);
    expect(told(result)[0]).toMatch(/^this answer could not be kept for when Branchward is away: .*answers\.key/);
    await writeFile(key, text);
  });

  it("the pusher is told what was wrong, and waits no longer than the time limit for it", async () => {
    const causes: [(url: string) => Promise<string>, RegExp][] = [
      [async () => "http://127.0.0.1:1", /refused|ECONNREFUSED/],
      [async () => "http://branchward.invalid", /ENOTFOUND|EAI_AGAIN|not known|resolution/],
      [async (url) => `${url}/elsewhere`, /HTTP 401: the token is not valid/],
    ];
    for (const [toUrl, cause] of causes) {
      await install({}, await toUrl(decider.url));
      const result = await repository.push("main");
      expect(result.code).not.toBe(0);
      expect(told(result)[0]).toMatch(cause);
    }
    decider.fault = () => true;
    await install({ timeout: "300ms" });
    expect(told(await repository.push("main"))[0]).toBe("Branchward could not be reached (no answer within 300 ms)");
  });

  it("an answer that is none, or another question's, allows nothing", async () => {
    await install({ onUnavailable: "push=deny" });
    const decision = { branch: "main", entitlement: "push", allowed: true, message: [] };
    const wrong = [
      { ...decision, branch: "other" },
      { ...decision, allowed: "yes" },
      { ...decision, message: "x" },
      null,
    ];
    const answers = [
      "<html>",
      "null",
      "{}",
      '{"decisions":[]}',
      ...wrong.map((each) => JSON.stringify({ decisions: [each] })),
    ];
    for (const answer of answers) {
      decider.fault = (response) => Boolean(response.end(answer));
      const result = await repository.push("main");
      expect([answer, result.code]).not.toEqual([answer, 0]);
      expect(told(result)[0]).toMatch(/^Branchward could not be reached \(/);
    }
  });

  it("no name steers the pusher's terminal", async () => {
    decider.fault = (response) =>
      Boolean(
        response.end(
          JSON.stringify({
            decisions: [{ branch: "main", entitlement: "push", allowed: false, message: ["a\u001b[2J\u0007b"] }],
          }),
        ),
      );
    await install();
    expect(told(await repository.push("main"))).toEqual(["a\ufffd[2J\ufffdb"]);
  });
});
