import type { ChildProcess } from "node:child_process";
import { access, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openTestDatabase } from "@branchward/store/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CommandResult, runCommand } from "../support/command-line.ts";
import { AGENT_SECRET, createGithubRepository, GITHUB_SECRET, makeRevision } from "../support/deliveries.ts";
import { addExamplePeople, startTestSystem, type TestSystem } from "../support/system.ts";

/** Branches under `broken/` are enforced at an endpoint where nobody listens. */
const POLICY = `
endpoints:
  - { name: directory, type: builtin }
  - { name: dead, url: "http://127.0.0.1:1/scim/v2", token: { env: AGENT_SECRET } }
policy:
  - repositories: ["**"]
    branches: ["broken/**"]
    grants:
      - { entitlement: push, to: ["group:engineering"], endpoints: [dead] }
  - repositories: ["**"]
    branches: ["*"]
    grants:
      - { entitlement: push, to: ["group:engineering"], endpoints: [directory] }
    deny:
      - { entitlement: push, to: ["group:contractors"] }
`;

const REPOSITORY = "acme/web";

describe("the command line", () => {
  let system: TestSystem;
  let head: string;

  beforeAll(async () => {
    system = await startTestSystem({ policy: POLICY });
    await addExamplePeople(system.people);
    const github = createGithubRepository(system.post, REPOSITORY);
    head = makeRevision();
    await github.push({ branch: "main", after: head });
    await github.push({ branch: "broken/1", after: makeRevision() });
    const { id } = await system.branches.find({ repository: REPOSITORY, branch: "main" });
    await system.branches.expectHolders(id, { push: ["alice", "bob"] });
  });
  afterAll(() => system[Symbol.asyncDispose]());

  /** Runs as somebody who has the admin's token in the environment, or another. */
  function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
    const connection = { BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: system.adminToken };
    return runCommand(args, { cwd: system.directory, env: { ...connection, ...env } });
  }

  async function runJson(...args: readonly string[]): Promise<unknown> {
    const { code, stdout, stderr } = await run([...args, "--json"]);
    expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: "" });
    return JSON.parse(stdout);
  }

  /** Names under "Commands:" of a help text. */
  function listCommands(help: string): readonly string[] {
    const [, listed = ""] = help.split("Commands:\n");
    return [...listed.matchAll(/^ {2}([a-z]+)/gmu)].map(([, name = ""]) => name).filter((name) => name !== "help");
  }

  it("ends where its reader does, without a word", async () => {
    const onStart = (child: ChildProcess) => child.stdout?.destroy();
    const ended = await runCommand(["--help"], { cwd: system.directory, onStart });
    expect(ended).toMatchObject({ code: 141, stderr: "" });
  });

  it("explains every command that it lists, and every command below those", async () => {
    const top = await run(["--help"]);
    const names = listCommands(top.stdout);
    expect(names).toEqual(
      expect.arrayContaining(
        "start demo migrate check doctor wait status explain recheck syncs deliveries replay token hooks".split(" "),
      ),
    );
    for (const name of names) {
      const help = await run([name, "--help"]);
      expect({ name, code: help.code, stderr: help.stderr }).toEqual({ name, code: 0, stderr: "" });
      expect(help.stdout).toMatch(new RegExp(`^Usage: branchward ${name}`, "u"));
      const below = await Promise.all(listCommands(help.stdout).map((sub) => run([name, sub, "--help"])));
      for (const { code, stdout } of below) {
        expect(code).toBe(0);
        expect(stdout).toMatch(new RegExp(`^Usage: branchward ${name} `, "u"));
      }
    }
  });

  it.each([
    ["in sync", 0, [REPOSITORY, "main"]],
    ["failed", 1, [REPOSITORY, "broken/1"]],
    ["not told of the branch in time", 4, [REPOSITORY, "nowhere", "--timeout", "200ms"]],
    ["not told of the revision in time", 4, [REPOSITORY, "main", "--revision", makeRevision(), "--timeout", "200ms"]],
  ])("wait, %s, exits %i and says the state on stdout", async (_, code, args) => {
    const result = await run(["wait", ...args]);
    expect(result).toMatchObject({ code, stdout: expect.stringMatching(/^acme\/web:\S+: \w/u), stderr: "" });
  });

  it.each([
    ["branch", ["nowhere"]],
    ["revision", ["main", "--revision", makeRevision()]],
  ])("wait says that nobody told of the %s, and nothing of what governs it", async (what, args) => {
    const { stdout } = await run(["wait", REPOSITORY, ...args, "--timeout", "200ms"]);
    expect(stdout).toMatch(new RegExp(`: unknown: nobody told of this ${what}\n$`, "u"));
  });

  it("wait and status name the next step where a branch is not in sync, and --json nothing beside the answer", async () => {
    for (const command of ["wait", "status"]) {
      const [answer, next = "", ...rest] = (await run([command, REPOSITORY, "broken/1"])).stdout.split("\n");
      expect([answer, rest]).toEqual([expect.stringMatching(/^acme\/web:broken\/1: failed/u), [""]]);
      const [, words = ""] = /^ {2}see what failed: branchward (.+?)(?:, then|;)/u.exec(next) ?? [];
      expect(await run(words.split(" "))).toMatchObject({ code: 0, stdout: expect.stringContaining("failed") });
    }
    const { stdout } = await run(["status", REPOSITORY, "broken/1", "--json"]);
    expect(JSON.parse(stdout)).not.toHaveProperty("next");
    expect((await run(["status", REPOSITORY, "main"])).stdout.split("\n")).toHaveLength(2);
  });

  it("wait for a revision that is the head exits 0", async () => {
    expect((await run(["wait", REPOSITORY, "main", "--revision", head])).code).toBe(0);
  });

  it.each([
    ["without a branch", [REPOSITORY]],
    ["with a timeout that is none", [REPOSITORY, "main", "--timeout", "soon"]],
    ["with an unknown option", [REPOSITORY, "main", "--patience"]],
    ["with a refType that is none", [REPOSITORY, "main", "--ref-type", "tag"]],
    ["with half a revision", [REPOSITORY, "main", "--revision", "abc"]],
  ])("wait, used %s, exits 2 and says why on stderr alone", async (_, args) => {
    expect(await run(["wait", ...args])).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(/\w/u) });
  });

  it("wait with a token that is not valid, or none, exits 3 and says what to do", async () => {
    const refused = await run(["wait", REPOSITORY, "main"], { BRANCHWARD_TOKEN: "bw_status_nonsense" });
    expect(refused).toMatchObject({ code: 3, stdout: "" });
    expect(refused.stderr).toMatch(/BRANCHWARD_TOKEN|--token-file/u);
    const without = await run(["wait", REPOSITORY, "main"], {
      BRANCHWARD_TOKEN: "",
      BRANCHWARD_DATA_DIR: join(system.directory, "nothing"),
    });
    expect(without).toMatchObject({ code: 3, stdout: "" });
  });

  it("wait where nobody listens exits 5", async () => {
    const result = await run(["wait", REPOSITORY, "main"], { BRANCHWARD_URL: "http://127.0.0.1:1" });
    expect(result).toMatchObject({ code: 5, stdout: "" });
    expect(result.stderr).toContain("http://127.0.0.1:1");
  });

  it("status answers at once what wait would answer now", async () => {
    expect((await run(["status", REPOSITORY, "main"])).code).toBe(0);
    expect((await run(["status", REPOSITORY, "nowhere"])).code).toBe(4);
  });

  it("explain tells who may and why, with file and line, and exits 0 either way", async () => {
    const may = await run(["explain", "alice", "push", REPOSITORY, "main"]);
    expect(may.code).toBe(0);
    expect(may.stdout).toMatch(/^alice may push acme\/web:main\n/u);
    expect(may.stdout).toMatch(/branchward\.yaml:\d+/u);
    const mayNot = await run(["explain", "carol", "push", REPOSITORY, "main"]);
    expect(mayNot.code).toBe(0);
    expect(mayNot.stdout).toMatch(/^carol may not push acme\/web:main\n/u);
    const free = await run(["explain", "carol", "deploy", REPOSITORY, "main"]);
    expect(free.stdout).toContain("not governed");
    expect((await run(["explain", "alice", "push", REPOSITORY, "nowhere"])).code).toBe(1);
  });

  it("replay applies a stored delivery again, and tells what came of it", async () => {
    const delivery = (await system.api.listDeliveries()).at(-1);
    const again = await run(["replay", delivery?.id ?? ""]);
    expect(again).toMatchObject({ code: 0, stderr: "" });
    expect(again.stdout).toMatch(/^create acme\/web:main \(repeated\)\napplied again: it changed nothing\n$/u);
    expect(await runJson("replay", delivery?.id ?? "")).toMatchObject({ duplicate: false, replay: { scopes: 0 } });
    const unknown = await run(["replay", "0198a000-0000-7000-8000-000000000001"]);
    expect(unknown).toMatchObject({ code: 1, stdout: "" });
  });

  it("gives JSON alone on stdout where it is asked for", async () => {
    expect(await runJson("status", REPOSITORY, "main")).toMatchObject({ state: "in_sync", revision: head });
    expect(await runJson("wait", REPOSITORY, "main")).toMatchObject({ state: "in_sync" });
    expect(await runJson("explain", "alice", "push", REPOSITORY, "main")).toMatchObject({ allowed: true });
    expect(await runJson("recheck", REPOSITORY, "main")).toEqual({ scopes: 1 });
    expect(await runJson("syncs", "--limit", "1")).toMatchObject([{ repository: REPOSITORY }]);
    const failed = ["--verdict", "failed", "--repository", REPOSITORY, "--branch", "broken/1", "--endpoint", "dead"];
    expect(await runJson("syncs", "--limit", "1", ...failed)).toMatchObject([{ verdict: "failed", endpoint: "dead" }]);
    expect(await runJson("syncs", "--verdict", "failed", "--endpoint", "directory")).toEqual([]);
    expect(await runJson("deliveries")).toMatchObject([{ source: "github" }, { source: "github" }]);
    expect(await runJson("token", "list")).toEqual(expect.any(Array));
  });

  it("prints the secret of a new token alone on stdout, good for its scope and no other", async () => {
    const made = await run(["token", "create", "ci", "--scope", "status"]);
    expect(made.code).toBe(0);
    expect(made.stdout).toMatch(/^bw_status_\S+\n$/u);
    const ci = { BRANCHWARD_TOKEN: made.stdout.trim() };
    expect((await run(["wait", REPOSITORY, "main"], ci)).code).toBe(0);
    expect((await run(["syncs"], ci)).code).toBe(3);
    expect((await run(["token", "list"], ci)).code).toBe(3);
    const file = join(system.directory, "token");
    await writeFile(file, made.stdout);
    expect((await run(["wait", REPOSITORY, "main", "--token-file", file], { BRANCHWARD_TOKEN: "" })).code).toBe(0);
  });

  it("rotates a token so that both work for the overlap, and ends the old one without one", async () => {
    const first = await runJson("token", "create", "rotated", "--scope", "read");
    const second = await runJson("token", "rotate", idOf(first));
    const works = async (made: unknown): Promise<boolean> =>
      (await system.api.request("/v1/syncs", { token: secretOf(made) })).status === 200;
    expect([await works(first), await works(second)]).toEqual([true, true]);
    const third = await runJson("token", "rotate", idOf(second), "--overlap", "0");
    await expect.poll(() => works(second), { timeout: 10_000 }).toBe(false);
    expect([await works(first), await works(third)]).toEqual([true, true]);
  });

  it("revokes a token, whose user is then refused, and knows it no more", async () => {
    const made = await runJson("token", "create", "revoked", "--scope", "read");
    const status = async (): Promise<number> =>
      (await system.api.request("/v1/syncs", { token: secretOf(made) })).status;
    expect(await status()).toBe(200);
    expect((await run(["token", "revoke", idOf(made)])).code).toBe(0);
    await expect.poll(status, { timeout: 10_000 }).toBe(401);
    expect((await run(["token", "revoke", idOf(made)])).code).toBe(1);
    const listed = JSON.stringify(await runJson("token", "list"));
    expect(listed).toContain(idOf(made));
    expect(listed).not.toContain(secretOf(made));
  });

  it("check finds every problem at once with file, line and path, and exits 78", async () => {
    const file = join(system.directory, "broken.yaml");
    await writeFile(
      file,
      [
        "sources:",
        "  - { name: Agents, type: agent, secret: plain-text }",
        "policy:",
        '  - repositories: ["**"]',
        "    branches: []",
        "    grants:",
        '      - { entitlement: push, to: ["grup:engineering"] }',
        '      - { entitlement: read, to: ["group:engineering"], when: checkout }',
        "guards: { maxRemovals: many }",
        "surprise: true",
      ].join("\n"),
    );
    const { code, stdout, stderr } = await run(["check", "--config", file]);
    expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
    const lines = stderr.trim().split("\n");
    for (const line of lines) expect(line).toMatch(/^broken\.yaml:\d+:\d+ /u);
    for (const [line, path] of [
      [2, "name"],
      [2, "secret"],
      [5, "branches"],
      [7, "to"],
      [8, "for"],
      [9, "maxRemovals"],
      [10, "surprise"],
    ] as const) {
      const found = lines.some((text) => text.startsWith(`broken.yaml:${line}:`) && text.includes(path));
      expect({ line, path, found, lines }).toMatchObject({ found: true });
    }
    const asJson = await run(["check", "--config", file, "--json"]);
    expect(asJson.code).toBe(78);
    expect(JSON.parse(asJson.stdout)).toMatchObject({ problems: expect.any(Array) });
  });

  it("check warns of what can have no effect, and exits 0", async () => {
    const file = join(system.directory, "doubtful.yaml");
    const rule =
      '{ repositories: ["**"], branches: ["refs/heads/main"], grants: [{ entitlement: push, to: ["user:a"] }] }';
    await writeFile(file, `policy:\n  - ${rule}\n`);
    const { code, stdout, stderr } = await run(["check", "doubtful.yaml"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${file} is valid\n` });
    expect(stderr).toMatch(/^doubtful\.yaml:2:\d+ warning: policy\[0\]\.branches\[0\]: .*write "main"\n$/u);
    const asJson = await run(["check", "doubtful.yaml", "--json"]);
    expect({ code: asJson.code, stderr: asJson.stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(asJson.stdout)).toMatchObject({
      problems: [],
      warnings: [{ file: "doubtful.yaml", line: 2, path: "policy[0].branches[0]" }],
    });
    expect((await run(["doctor", "--config", "doubtful.yaml"])).stdout).toMatch(
      /! configuration: doubtful\.yaml is valid, with warnings\n {4}doubtful\.yaml:2:/u,
    );
  });

  it("check is content with the file that is there, and with the bundled example where there is none", async () => {
    expect((await run(["check"])).stdout).toContain(join(system.directory, "branchward.yaml"));
    const elsewhere = await mkdtemp(join(system.directory, "empty-"));
    const bundled = await runCommand(["check"], { cwd: elsewhere });
    expect({ code: bundled.code, stdout: bundled.stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining(join("example", "branchward.yaml")),
    });
    expect((await run(["check", "--config", join(system.directory, "nowhere.yaml")])).code).toBe(78);
  });

  it("start with a broken configuration exits 78 with every problem and starts nothing", async () => {
    const file = join(system.directory, "unstartable.yaml");
    await writeFile(file, "sources: 12\npolicy: 13\n");
    const dataDir = join(system.directory, "unstarted");
    const result = await run(["start", "--config", file], { BRANCHWARD_DATA_DIR: dataDir });
    expect(result).toMatchObject({ code: 78, stdout: "" });
    expect(result.stderr).toMatch(/unstartable\.yaml:1:/u);
    expect(result.stderr).toMatch(/unstartable\.yaml:2:/u);
    await expect(access(dataDir)).rejects.toThrow("ENOENT");
  });

  it("start names every variable of the environment that is wrong and exits 78", async () => {
    const result = await run(["start"], { BRANCHWARD_PORT: "many", BRANCHWARD_ADMIN_TOKEN: "short" });
    expect(result).toMatchObject({ code: 78, stdout: "" });
    expect(result.stderr).toMatch(/BRANCHWARD_PORT/u);
    expect(result.stderr).toMatch(/BRANCHWARD_ADMIN_TOKEN/u);
  });

  it("start with a secret that is not in the environment exits 78 naming the variable", async () => {
    const file = join(system.directory, "secretless.yaml");
    await writeFile(file, "sources:\n  - { name: agents, type: agent, secret: { env: NOT_THERE } }\n");
    const database = await openTestDatabase();
    const result = await run(["start", "--config", file], {
      BRANCHWARD_DATA_DIR: join(system.directory, "secretless"),
      BRANCHWARD_PORT: "0",
      DATABASE_URL: database.url,
    });
    await database[Symbol.asyncDispose]();
    expect(result).toMatchObject({ code: 78, stdout: "" });
    expect(result.stderr).toContain("NOT_THERE");
  });

  it("start on a port that is taken exits 78 and says which variable helps", async () => {
    const database = await openTestDatabase();
    const result = await run(["start"], {
      BRANCHWARD_DATA_DIR: join(system.directory, "taken"),
      BRANCHWARD_PORT: new URL(system.url).port,
      DATABASE_URL: database.url,
      AGENT_SECRET,
      GITHUB_SECRET,
    });
    await database[Symbol.asyncDispose]();
    expect(result).toMatchObject({ code: 78, stdout: "" });
    expect(result.stderr).toContain("BRANCHWARD_PORT");
  });

  it("migrate brings an empty database up to date, and finds nothing to do the second time", async () => {
    const name = `migrated_${makeRevision()}`;
    await system.database.pool.query(`create database ${name}`);
    const env = { DATABASE_URL: Object.assign(new URL(system.database.url), { pathname: `/${name}` }).href };
    const first = await run(["migrate", "--json"], env);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(first.stdout)).toMatchObject({ applied: expect.arrayContaining([expect.any(String)]) });
    const second = await run(["migrate", "--json"], env);
    expect(JSON.parse(second.stdout)).toMatchObject({ applied: [], queueSchemaVersion: expect.any(Number) });
    const away = await run(["migrate"], { DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" });
    expect(away).toMatchObject({ code: 1, stdout: "" });
    expect(away.stderr).toMatch(/^branchward: the database of DATABASE_URL cannot be reached: [^\n]*\n$/u);
    await system.database.pool.query(`drop database ${name} with (force)`);
  });

  it("doctor says that all is well, and exits 1 naming what is not", async () => {
    const well = await run(["doctor", "--json"], { DATABASE_URL: system.database.url });
    expect({ code: well.code, stderr: well.stderr }).toEqual({ code: 0, stderr: "" });
    const checks: unknown = JSON.parse(well.stdout);
    expect(checks).toEqual(
      expect.arrayContaining(
        ["node", "git", "hg", "configuration", "database", "queue", "server"].map((code) =>
          expect.objectContaining({ code, state: "ok" }),
        ),
      ),
    );
    const ill = await run(["doctor"], {
      DATABASE_URL: "postgres://nobody@127.0.0.1:1/none",
      REDIS_URL: "redis://127.0.0.1:1",
      BRANCHWARD_URL: "http://127.0.0.1:1",
    });
    expect(ill.code).toBe(1);
    for (const code of ["database", "queue", "server"]) expect(ill.stdout).toMatch(new RegExp(`✘ ${code}:`, "u"));
    const broken = join(system.directory, "twice-broken.yaml");
    await writeFile(broken, "polcy: []\nbotz: []\n");
    const told = (await run(["doctor", "--config", broken])).stdout;
    expect(told).toMatch(/✘ configuration: \S*twice-broken.yaml:1:1 polcy: .*\n {4}\S*twice-broken.yaml:2:1 botz: /u);
    const away = await run(["plan", join(system.directory, "away.yaml")]);
    expect(away).toMatchObject({ code: 78, stderr: expect.stringContaining("away.yaml cannot be read: ENOENT") });
  });

  it("demo shows the main job on real repositories and exits 0", async () => {
    const { code, stdout } = await run(["demo"]);
    expect({ code, ending: stdout.trim().split("\n").at(-1) }).toEqual({
      code: 0,
      ending: expect.stringContaining("is true"),
    });
  }, 90_000);
});

function idOf(made: unknown): string {
  return /"id":"([^"]+)"/u.exec(JSON.stringify(made))?.[1] ?? "";
}

function secretOf(made: unknown): string {
  return /"secret":"([^"]+)"/u.exec(JSON.stringify(made))?.[1] ?? "";
}
