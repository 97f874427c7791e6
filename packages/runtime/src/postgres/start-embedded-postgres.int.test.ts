import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "./index.ts";
import { findProcessIdentity } from "./process-identity.ts";

const isRoot = process.getuid?.() === 0;
const log = { info: () => undefined, warn: () => undefined };
const nobody = 65534;

/** A program that starts PostgreSQL, prints what it got or why not, and holds on until SIGTERM. */
const holderProgram = `
  const [dataDir, uid] = process.argv.slice(1);
  const { startEmbeddedPostgres } = await import(${JSON.stringify(new URL("./index.ts", import.meta.url).href)});
  if (uid) { process.setgroups([]); process.setgid(Number(uid)); process.setuid(Number(uid)); }
  const log = { info() {}, warn() {} };
  try {
    const postgres = await startEmbeddedPostgres({ dataDir, log });
    process.once("SIGTERM", () => postgres[Symbol.asyncDispose]().then(() => process.exit(0)));
    console.log(JSON.stringify(postgres));
    setInterval(() => {}, 60_000);
  } catch (error) {
    console.log(JSON.stringify({ code: error.code, message: error.message }));
  }
`;

interface Answer extends Partial<Pick<EmbeddedPostgres, "url" | "pid" | "clusterDir">> {
  readonly code?: string;
  readonly message?: string;
}

let parent = "";
let dataDir = "";
const cleanups: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "branchward-postgres-"));
  await chmod(parent, 0o755);
  dataDir = join(parent, "data");
  cleanups.push(() => rm(parent, { recursive: true, force: true }));
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function spawnHolder(directory: string, uid?: number): ChildProcess {
  const args = ["--input-type=module", "--eval", holderProgram, directory, ...(uid === undefined ? [] : [String(uid)])];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  cleanups.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  });
  return child;
}

async function readAnswer(child: ChildProcess): Promise<Answer> {
  if (child.stdout === null) throw new TypeError("the holder's output is a pipe");
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const answer: Answer = JSON.parse(String(line));
  return answer;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

async function waitFor(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error("the awaited condition did not come about");
    await delay(20);
  }
}

async function query(url: string | undefined, statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(statement);
    return rows;
  } finally {
    await client.end();
  }
}

/** A cluster that was served once and is at rest. */
async function makeCluster(): Promise<string> {
  await using postgres = await startEmbeddedPostgres({ dataDir, log });
  return postgres.clusterDir;
}

async function toMode(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

const isGone = async (pid: number): Promise<boolean> => (await findProcessIdentity(pid)) === undefined;

describe("embedded PostgreSQL", () => {
  it("serves UTF-8 text that sorts and folds alike on every machine, with checksums, on loopback", async () => {
    await using postgres = await startEmbeddedPostgres({ dataDir, log });
    const [settings] = await query(
      postgres.url,
      `select current_setting('server_encoding') as encoding, current_setting('data_checksums') as checksums,
        current_setting('listen_addresses') as addresses, current_setting('unix_socket_directories') as sockets,
        current_setting('max_connections') as connections, current_setting('shared_buffers') as buffers, lower('ÄÉΩ') as folded`,
    );
    expect(settings).toEqual({
      encoding: "UTF8",
      checksums: "on",
      addresses: "127.0.0.1",
      sockets: "",
      connections: "200",
      buffers: "32MB",
      folded: "äéω",
    });
  });

  it("lets nobody in without the password", async () => {
    await using postgres = await startEmbeddedPostgres({ dataDir, log });
    const url = new URL(postgres.url);
    url.password = "guessed";
    await expect(query(url.href, "select 1")).rejects.toMatchObject({ code: "28P01" });
  });

  it("closes the data directory, the cluster and the password to others", async () => {
    await mkdir(dataDir, { mode: 0o755 });
    await using postgres = await startEmbeddedPostgres({ dataDir, log });
    expect([await toMode(dataDir), await toMode(postgres.clusterDir)]).toEqual(["700", "700"]);
    expect(await toMode(join(dataDir, "postgres-password"))).toBe("600");
    expect(postgres.clusterDir).toBe(join(dataDir, "postgres"));
  });

  it("keeps what was committed over a stop and a start", async () => {
    {
      await using first = await startEmbeddedPostgres({ dataDir, log });
      await query(first.url, "create table kept as select 42 as answer");
    }
    await using second = await startEmbeddedPostgres({ dataDir, log });
    expect(await query(second.url, "select answer from kept")).toEqual([{ answer: 42 }]);
    expect(await readdir(dataDir)).toEqual(["branchward.lock", "postgres", "postgres-password"]);
  });

  it("serves two data directories side by side", async () => {
    await using one = await startEmbeddedPostgres({ dataDir, log });
    await using two = await startEmbeddedPostgres({ dataDir: join(parent, "other"), log });
    await query(one.url, "create table only_here (n int)");
    expect(await query(two.url, "select to_regclass('only_here') as found")).toEqual([{ found: null }]);
  });

  it("sets a new password where the old one was lost", async () => {
    {
      await using first = await startEmbeddedPostgres({ dataDir, log });
      await query(first.url, "create table kept as select 42 as answer");
    }
    await rm(join(dataDir, "postgres-password"));
    await using second = await startEmbeddedPostgres({ dataDir, log });
    expect(await query(second.url, "select answer from kept")).toEqual([{ answer: 42 }]);
  });

  it("tells when the server has ended by itself", async () => {
    await using postgres = await startEmbeddedPostgres({ dataDir, log });
    process.kill(postgres.pid, "SIGKILL");
    expect(await postgres.ended).toBe("signal SIGKILL");
  });
});

describe("a data directory in use", () => {
  it("is refused by name of the holder's pid, and free again after it", async () => {
    const holder = spawnHolder(dataDir);
    await readAnswer(holder);
    await expect(startEmbeddedPostgres({ dataDir, log })).rejects.toMatchObject({
      code: "data_dir_in_use",
      message: expect.stringContaining(`pid ${holder.pid}`),
    });
    holder.kill("SIGTERM");
    await once(holder, "exit");
    await using postgres = await startEmbeddedPostgres({ dataDir, log });
    expect(await query(postgres.url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  it("goes to exactly one of several that start at once, also over a dead holder's lock", async () => {
    await mkdir(dataDir, { mode: 0o700 });
    await writeFile(join(dataDir, "branchward.lock"), "999999999\nnever\n\n");
    const answers = await Promise.all([1, 2, 3].map(() => readAnswer(spawnHolder(dataDir))));
    expect(answers.map(({ code }) => code ?? "started").toSorted()).toEqual([
      "data_dir_in_use",
      "data_dir_in_use",
      "started",
    ]);
  });

  it("is not taken for in use because another process now has the dead holder's pid", async () => {
    await mkdir(dataDir, { mode: 0o700 });
    await writeFile(join(dataDir, "branchward.lock"), `${process.ppid}\nan earlier process\n\n`);
    await using postgres = await startEmbeddedPostgres({ dataDir, log });
    expect(await query(postgres.url, "select 1 as one")).toEqual([{ one: 1 }]);
  });
});

describe("after kill -9 of its parent", () => {
  it("the server stops by itself", async () => {
    const holder = spawnHolder(dataDir);
    const { pid } = await readAnswer(holder);
    await kill(holder);
    await waitFor(() => isGone(pid ?? 0));
    expect(await readdir(join(dataDir, "postgres"))).not.toContain("postmaster.pid");
  });

  it("an immediate start waits for the old server and finds every committed row", async () => {
    const holder = spawnHolder(dataDir);
    const { url, pid } = await readAnswer(holder);
    await query(url, "create table kept as select n from generate_series(1, 1000) n");
    await kill(holder);
    await using postgres = await startEmbeddedPostgres({ dataDir, log });
    expect(postgres.pid).not.toBe(pid);
    expect(await query(postgres.url, "select count(*)::int from kept")).toEqual([{ count: 1000 }]);
  });

  it("and of the server too, the next start recovers every committed row", async () => {
    const holder = spawnHolder(dataDir);
    const { url, pid } = await readAnswer(holder);
    await query(url, "create table kept as select n from generate_series(1, 1000) n");
    holder.kill("SIGSTOP");
    process.kill(pid ?? 0, "SIGKILL");
    await kill(holder);
    await using postgres = await startEmbeddedPostgres({ dataDir, log });
    expect(await query(postgres.url, "select count(*)::int from kept")).toEqual([{ count: 1000 }]);
  });

  it("while the cluster was being made, the next start makes it again", async () => {
    const holder = spawnHolder(dataDir);
    await waitFor(async () =>
      (await readdir(dataDir).catch(() => [])).some((name) => name.startsWith("postgres.new-")),
    );
    await kill(holder);
    await using postgres = await startEmbeddedPostgres({ dataDir, log });
    expect(await query(postgres.url, "select 1 as one")).toEqual([{ one: 1 }]);
    expect(await readdir(dataDir)).toEqual(["branchward.lock", "postgres", "postgres-password"]);
  });

  it("a pid file whose pid now belongs to another process of the same user does not matter", async () => {
    const clusterDir = await makeCluster();
    const { uid, gid } = await stat(clusterDir);
    const stranger = spawn("sleep", ["600"], { stdio: "ignore", ...(isRoot ? { uid, gid } : {}) });
    cleanups.push(() => kill(stranger));
    const pidFile = join(clusterDir, "postmaster.pid");
    await writeFile(pidFile, `${stranger.pid}\n${clusterDir}\n1\n1\n\n127.0.0.1\n1 1\nready\n`, { mode: 0o600 });
    if (isRoot) await chown(pidFile, uid, gid);
    await using postgres = await startEmbeddedPostgres({ dataDir, log });
    expect(await query(postgres.url, "select 1 as one")).toEqual([{ one: 1 }]);
    expect(await isGone(stranger.pid ?? 0)).toBe(false);
  });
});

describe("what cannot be used is refused, and left as it is", () => {
  it("a directory shared with other users", async () => {
    await mkdir(dataDir);
    await chmod(dataDir, 0o1777);
    await expect(startEmbeddedPostgres({ dataDir, log })).rejects.toMatchObject({ code: "data_dir_unusable" });
    expect(await toMode(dataDir)).toBe("777");
  });

  it("a file in the place of the data directory", async () => {
    await writeFile(dataDir, "");
    await expect(startEmbeddedPostgres({ dataDir, log })).rejects.toMatchObject({ code: "data_dir_unusable" });
  });

  it("something else in the place of the cluster", async () => {
    const clusterDir = await makeCluster();
    await rm(join(clusterDir, "PG_VERSION"));
    await writeFile(join(clusterDir, "thesis.txt"), "ten years of work");
    await expect(startEmbeddedPostgres({ dataDir, log })).rejects.toMatchObject({ code: "postgres_cluster_unusable" });
    expect(await readFile(join(clusterDir, "thesis.txt"), "utf8")).toBe("ten years of work");
  });

  it("a cluster of another major version", async () => {
    const clusterDir = await makeCluster();
    await writeFile(join(clusterDir, "PG_VERSION"), "15\n");
    await expect(startEmbeddedPostgres({ dataDir, log })).rejects.toMatchObject({
      code: "postgres_cluster_unusable",
      message: expect.stringContaining("PostgreSQL 15"),
    });
  });

  it("settings that PostgreSQL does not take, with its own words", async () => {
    const settings = { shared_buffers: "a lot" };
    await expect(startEmbeddedPostgres({ dataDir, log, settings })).rejects.toMatchObject({
      code: "postgres_not_started",
      message: expect.stringContaining("shared_buffers"),
    });
  });
});

describe("users", () => {
  it.runIf(isRoot)(
    "as root, a data directory under a closed parent stays there, and its cluster goes where PostgreSQL can enter",
    async () => {
      await chmod(parent, 0o700);
      await using stack = new AsyncDisposableStack();
      const first = await startEmbeddedPostgres({ dataDir, log });
      stack.defer(() => rm(first.clusterDir, { recursive: true, force: true }));
      await query(first.url, "create table kept as select 42 as answer");
      await first[Symbol.asyncDispose]();
      expect(dirname(first.clusterDir)).toBe("/var/lib/branchward");
      expect(await readlink(join(dataDir, "postgres"))).toBe(first.clusterDir);
      expect(first.notes.join("\n")).toContain(first.clusterDir);
      expect([await toMode(dataDir), await toMode(first.clusterDir)]).toEqual(["700", "700"]);
      const second = stack.use(await startEmbeddedPostgres({ dataDir, log }));
      expect(await query(second.url, "select answer from kept")).toEqual([{ answer: 42 }]);
      await second[Symbol.asyncDispose]();
      await rm(first.clusterDir, { recursive: true });
      const third = stack.use(await startEmbeddedPostgres({ dataDir, log }));
      expect(third.notes.join("\n")).toContain("an empty one is made");
    },
  );

  it.runIf(isRoot)("as root, a data directory that holds other files keeps its owner", async () => {
    await mkdir(dataDir, { mode: 0o700 });
    await writeFile(join(dataDir, "admin-token"), "secret", { mode: 0o600 });
    await using stack = new AsyncDisposableStack();
    const postgres = await startEmbeddedPostgres({ dataDir, log });
    stack.defer(() => rm(postgres.clusterDir, { recursive: true, force: true }));
    stack.use(postgres);
    expect((await stat(dataDir)).uid).toBe(0);
    expect(dirname(postgres.clusterDir)).toBe("/var/lib/branchward");
  });

  it.runIf(isRoot)("as root, a cluster that an ordinary user made runs on as that user's", async () => {
    await mkdir(dataDir, { mode: 0o700 });
    await chown(dataDir, nobody, nobody);
    const holder = spawnHolder(dataDir, nobody);
    const { code, message, url } = await readAnswer(holder);
    expect({ code, message }).toEqual({});
    await query(url, "create table kept as select 42 as answer");
    holder.kill("SIGTERM");
    await once(holder, "exit");
    await using postgres = await startEmbeddedPostgres({ dataDir, log });
    expect(await query(postgres.url, "select answer from kept")).toEqual([{ answer: 42 }]);
    expect((await stat(join(dataDir, "postgres"))).uid).toBe(nobody);
  });

  it.runIf(isRoot)("an ordinary user is told of another user's data directory", async () => {
    await mkdir(dataDir, { mode: 0o755 });
    const answer = await readAnswer(spawnHolder(dataDir, nobody));
    expect(answer).toMatchObject({ code: "data_dir_unusable", message: expect.stringContaining("another user") });
  });
});
