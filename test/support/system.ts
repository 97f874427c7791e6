/** The whole system in this process on a fresh database, and everything a test says to it from outside. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { startSystem, type System } from "@branchward/cli/system";
import { createLogger, type Environment, loadConfiguration } from "@branchward/runtime";
import { createScimClient, type ScimClient } from "@branchward/scim";
import { openTestDatabase, type TestDatabase } from "@branchward/store/testing";
import { parseDuration } from "@branchward/core";
import { createTestApi, type TestApi } from "./api.ts";
import { type Branches, createBranches } from "./branches.ts";
import { AGENT_SECRET, createPost, GITHUB_SECRET, type Post } from "./deliveries.ts";
import { createPeople, type People } from "./people.ts";
import { openRedisDatabase, type RedisDatabase } from "./redis-database.ts";

export interface TestSystemOptions {
  /** The configuration but for `sources`: `policy`, `bots`, `ci`… */
  readonly policy?: string;
  /** The `sources` section in place of one agent (`agents`) and one GitHub (`github`). */
  readonly sources?: string;
  /** Variables that secrets of `sources` refer to. */
  readonly secretEnv?: Readonly<Record<string, string>>;
  readonly backend?: "postgres" | "redis";
  /** A duration; 30s unless given. */
  readonly pairingWindow?: string;
  /** `BRANCHWARD_PUBLIC_URL`. */
  readonly publicUrl?: string;
  /** Where the system finds its database and its Redis, given the direct address: through a gate that a test can shut. */
  readonly toDatabaseUrl?: (direct: string) => string;
  readonly toRedisUrl?: (direct: string) => string;
}

export interface TestSystem extends AsyncDisposable {
  readonly url: string;
  readonly adminToken: string;
  /** Temporary, with a home for repositories; removed at the end. */
  readonly directory: string;
  /** A way into the record beside the system, for faults and proofs. */
  readonly database: TestDatabase;
  /** Null on PostgreSQL. */
  readonly redis: RedisDatabase | null;
  readonly api: TestApi;
  /** SCIM as the admin. */
  readonly scim: ScimClient;
  readonly people: People;
  readonly branches: Branches;
  readonly post: Post;
  connectScim(token: string): ScimClient;
  stop(): Promise<void>;
  /** Starts again at the same address, with other text of the configuration where given. */
  start(policy?: string): Promise<void>;
}

const ADMIN_TOKEN = "admin-token-of-the-tests";

const DEFAULT_SOURCES = `
sources:
  - { name: agents, type: agent, secret: { env: AGENT_SECRET } }
  - { name: github, type: github, secret: { env: GITHUB_SECRET } }
`;

/** Few may push releases; everyday branches belong to engineering; who checks out may read for a working day. */
export const EXAMPLE_POLICY = `
policy:
  - repositories: ["**"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["group:release-managers"] }
      - { entitlement: read, to: ["group:engineering"], when: checkout, for: 8h }
    deny:
      - { entitlement: push, to: ["group:contractors"] }
  - repositories: ["**"]
    branches: ["*", "dev/**"]
    grants:
      - { entitlement: push, to: ["group:engineering"] }
      - { entitlement: read, to: ["group:engineering"], when: checkout, for: 8h }
`;

/** Users and groups that EXAMPLE_POLICY speaks of: carol manages releases but is a contractor, so that only alice may push one. */
export async function addExamplePeople(people: People): Promise<void> {
  await people.addUsers("alice", "bob", "carol");
  await people.addGroup("engineering", ["alice", "bob"]);
  // Who is denied is there before who is granted: a branch that comes meanwhile never has carol.
  await people.addGroup("contractors", ["carol"]);
  await people.addGroup("release-managers", ["alice", "carol"]);
  await people.settle();
}

/** Starts the system on a database of its own; everything ends with it. */
export async function startTestSystem(options: TestSystemOptions = {}): Promise<TestSystem> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "branchward-e2e-"));
  stack.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  const database = stack.use(await openTestDatabase());
  const redis = options.backend === "redis" ? stack.use(await openRedisDatabase()) : null;
  const environment: Environment = {
    databaseUrl: (options.toDatabaseUrl ?? String)(database.url),
    redisUrl: redis === null ? undefined : (options.toRedisUrl ?? String)(redis.url),
    host: "127.0.0.1",
    port: 0,
    publicUrl: options.publicUrl,
    dataDir: join(directory, "data"),
    adminToken: ADMIN_TOKEN,
    pairingWindowMs: parseDuration(options.pairingWindow ?? "30s"),
    configFile: undefined,
  };
  const running = stack.use(await createRunning(environment, directory, options));
  const url = running.url();
  const api = createTestApi(running.url, ADMIN_TOKEN);
  const connectScim = (token: string): ScimClient =>
    createScimClient({ url: `${url}/scim/v2`, token: () => token, deadlineMs: 10_000, maxBytes: 8 << 20 });
  const scim = connectScim(ADMIN_TOKEN);
  const people = createPeople(scim, () => settlePeople(database));
  const held = stack.move();
  return {
    url,
    adminToken: ADMIN_TOKEN,
    directory,
    database,
    redis,
    api,
    scim,
    people,
    branches: createBranches(api, scim, people),
    post: createPost(running.url),
    connectScim,
    stop: running.stop,
    start: running.start,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function settlePeople({ pool }: TestDatabase): Promise<void> {
  return vi.waitFor(
    async () => {
      const { rowCount } = await pool.query(
        `select from directory_changes
         where (xid, id) > coalesce((select row(xid, id) from cursors where name = 'directory'), row('0'::xid8, 0::bigint)) limit 1`,
      );
      expect(rowCount, "changes of the directory that no branch knows of").toBe(0);
    },
    { timeout: 20_000, interval: 10 },
  );
}

interface Running extends AsyncDisposable {
  readonly url: () => string;
  readonly stop: () => Promise<void>;
  readonly start: (policy?: string) => Promise<void>;
}

async function createRunning(
  environment: Environment,
  directory: string,
  { policy = EXAMPLE_POLICY, sources = DEFAULT_SOURCES, secretEnv }: TestSystemOptions,
): Promise<Running> {
  const file = join(directory, "branchward.yaml");
  const env = { AGENT_SECRET, GITHUB_SECRET, ...secretEnv };
  const log = createLogger({ level: process.env["BRANCHWARD_LOG_LEVEL"] ?? "fatal" });
  const state: { system: System | undefined; url: string } = { system: undefined, url: "" };

  async function start(text = policy): Promise<void> {
    await writeFile(file, `${sources}\n${text}`);
    const loaded = await loadConfiguration(file, "branchward.yaml");
    const port = state.url === "" ? environment.port : Number(new URL(state.url).port);
    state.system = await startSystem({
      environment: { ...environment, port },
      loaded,
      configurationPath: file,
      secretEnv: async () => env,
      log,
    });
    state.url = state.system.url;
  }

  async function stop(): Promise<void> {
    const { system } = state;
    state.system = undefined;
    await system?.[Symbol.asyncDispose]();
  }

  await start();
  return { url: () => state.url, start, stop, [Symbol.asyncDispose]: stop };
}
