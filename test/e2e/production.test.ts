/** The shape of docker-compose.yml as processes of this machine: PostgreSQL, Redis, receiver, api and worker. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createStage,
  loadExampleDirectory,
  type Narrator,
  type Stage,
  tellGitStory,
  tellHgStory,
} from "@branchward/cli/demo";
import { findFreePort } from "@branchward/runtime/postgres";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDebianPostgres } from "../support/debian-postgres.ts";
import { startRedis } from "../support/redis.ts";

const root = join(import.meta.dirname, "..", "..");
const example = join(root, "apps", "cli", "example", "branchward.yaml");
const adminToken = "production-admin-token";
const silent: Narrator = {
  title: () => undefined,
  command: () => undefined,
  fact: () => undefined,
  gained: () => undefined,
  lost: () => undefined,
  proven: () => undefined,
};

interface Part extends AsyncDisposable {
  readonly url: string;
}

/** Runs one part as its container does. */
async function startPart(role: string, port: number, env: Readonly<Record<string, string>>): Promise<Part> {
  const main = join(root, "apps", "cli", "src", "main.ts");
  const child = spawn(process.execPath, [main, "start", "--only", role], {
    env: { PATH: process.env["PATH"], ...env, BRANCHWARD_PORT: String(port) },
    cwd: tmpdir(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes("is ready")) resolve();
    });
    child.once("exit", (code) => reject(new Error(`${role} ended with ${String(code)}: ${said.join("")}`)));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

describe("receiver, api and worker as processes of their own, on Debian's PostgreSQL and Redis", () => {
  const stack = new AsyncDisposableStack();
  const context: { stage: Stage; databaseUrl: string; apiUrl: string } = {} as never;

  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), "branchward-production-"));
    await chmod(directory, 0o755);
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    const postgres = stack.use(await startDebianPostgres(directory));
    const redis = stack.use(await startRedis(join(directory, "redis")));
    const [receiverPort, apiPort, workerPort] = [await findFreePort(), await findFreePort(), await findFreePort()];
    const configuration = join(directory, "branchward.yaml");
    const builtin = `url: "http://127.0.0.1:${apiPort}/scim/v2", token: { env: BRANCHWARD_INTERNAL_TOKEN }`;
    const text = (await readFile(example, "utf8")).replace("type: builtin }", `type: builtin, ${builtin} }`);
    await writeFile(configuration, text);
    const secretFile = join(directory, "agent-secret");
    const agentSecret = `whsec_${randomBytes(32).toString("base64")}`;
    await writeFile(secretFile, agentSecret);
    const env = {
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      BRANCHWARD_CONFIG: configuration,
      BRANCHWARD_DATA_DIR: join(directory, "data"),
      BRANCHWARD_ADMIN_TOKEN: adminToken,
      BRANCHWARD_INTERNAL_TOKEN: randomBytes(32).toString("hex"),
      BRANCHWARD_AGENT_SECRET: agentSecret,
      GITHUB_WEBHOOK_SECRET: randomBytes(32).toString("hex"),
    };
    const [receiver, api] = await Promise.all([
      startPart("receiver", receiverPort, env),
      startPart("api", apiPort, env),
      startPart("worker", workerPort, env),
    ]).then((parts) => parts.map((part) => stack.use(part)));
    if (receiver === undefined || api === undefined) throw new Error("three parts were started");
    await loadExampleDirectory(api.url, adminToken);
    context.databaseUrl = postgres.url;
    context.apiUrl = api.url;
    context.stage = await createStage({
      context: {
        env: process.env,
        cwd: directory,
        checkoutDir: root,
        stdin: process.stdin,
        stdout: process.stdout,
        stderr: process.stderr,
      },
      directory,
      narrator: silent,
      receiverUrl: receiver.url,
      apiUrl: api.url,
      adminToken,
      secretFile,
    });
  }, 120_000);
  afterAll(() => stack.disposeAsync());

  it("pass the demo's checks on Git", async () => {
    await expect(tellGitStory(context.stage)).resolves.toBeUndefined();
  });

  it("pass the demo's checks on Mercurial", async () => {
    await expect(tellHgStory(context.stage)).resolves.toBeUndefined();
  });

  it("keep the queue on Redis: BullMQ has no tables in PostgreSQL", async () => {
    const client = new pg.Client({ connectionString: context.databaseUrl });
    await client.connect();
    const { rows } = await client.query("select 1 from pg_namespace where nspname = 'bullmq'");
    await client.end();
    expect(rows).toEqual([]);
  });

  it("answer their health without a token, and only the api answers more", async () => {
    expect((await fetch(`${context.apiUrl}/readyz`)).status).toBe(200);
    expect((await fetch(`${context.apiUrl}/v1/syncs`)).status).toBe(401);
  });
});
