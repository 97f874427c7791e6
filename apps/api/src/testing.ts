/** An api of its own on a fresh database, for tests: real HTTP, real PostgreSQL, BullMQ beside the record. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NotFoundError, parseConfiguration } from "@branchward/core";
import { createQueues, migrateQueue, openQueueBackend } from "@branchward/queue";
import { createAuthenticator, createLogger, listen } from "@branchward/runtime";
import { createActivePolicy, findLiveSession, findLiveToken, openNotifications } from "@branchward/store";
import { openTestDatabase, type TestDatabase } from "@branchward/store/testing";
import { type ApiDeps, createApp } from "./app.ts";
import type { ReplayDelivery } from "./routes/deliveries.ts";

export const ADMIN_TOKEN = "admin-token-of-the-tests";

const CONFIGURATION = `
sources:
  - { name: github, type: github, secret: { env: SECRET } }
  - { name: agents, type: agent, secret: { env: SECRET } }
  - { name: staff, type: agent, secret: { env: SECRET }, identity: { attribute: externalId } }
endpoints:
  - { name: directory, type: builtin }
  - { name: hg, url: "https://hg.example.com/scim/v2", token: { env: TOKEN }, concurrency: 2, ci: advisory }
policy:
  - repositories: ["**"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["group:release-managers"] }
      - { entitlement: read, to: ["group:release-managers"], when: checkout, for: 8h }
`;

export interface TestApi extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly deps: ApiDeps;
  readonly url: string;
  /** Empty until a test writes to it. */
  readonly dashboardDir: string;
  /** As the admin unless `headers` say otherwise. */
  call(path: string, init?: RequestInit): Promise<Response>;
  /** Ends waits and streams, as a shutdown does first. */
  close(): void;
}

export async function openTestApi(replay: ReplayDelivery = neverReplay): Promise<TestApi> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await openTestDatabase());
  const log = createLogger({ level: "silent" });
  const fail = (error: Error): void => log.warn({ err: error }, "connection");
  const notifications = stack.use(await openNotifications(database.url, fail));
  const target = { kind: "postgres", url: database.url } as const;
  await migrateQueue(target);
  const backend = stack.use(openQueueBackend(target, fail));
  const queues = stack.use(createQueues(backend, ["directory", "hg"]));
  const directory = await mkdtemp(join(tmpdir(), "branchward-dashboard-"));
  const dashboardDir = join(directory, "dist");
  await mkdir(dashboardDir);
  stack.defer(() => rm(directory, { recursive: true }));
  const parsed = parseConfiguration(CONFIGURATION, "branchward.yaml");
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  const { db } = database;
  const closing = new AbortController();
  const deps: ApiDeps = {
    db,
    queues,
    notifications,
    log,
    replay,
    dashboardDir,
    closing: closing.signal,
    activePolicy: createActivePolicy(),
    configuration: parsed.configuration,
    baseUrl: () => "",
    authenticator: createAuthenticator({
      staticTokens: [
        { secret: ADMIN_TOKEN, principal: { client: "admin", scope: "admin", tokenId: null, internal: false } },
        { secret: "internal", principal: { client: "branchward", scope: "admin", tokenId: null, internal: true } },
      ],
      findToken: (secret) => findLiveToken(db, secret),
      findSession: (secret) => findLiveSession(db, secret),
      onUse: () => undefined,
      now: Date.now,
    }),
  };
  const listener = stack.use(await listen(createApp(deps).callback(), "127.0.0.1", 0));
  stack.defer(() => closing.abort());
  const held = stack.move();
  return {
    database,
    deps,
    url: listener.url,
    dashboardDir,
    call: (path, init = {}) =>
      fetch(`${listener.url}${path}`, { ...init, headers: init.headers ?? { authorization: `Bearer ${ADMIN_TOKEN}` } }),
    close: () => closing.abort(),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** As for a delivery that is not there. */
async function neverReplay(): Promise<never> {
  throw new NotFoundError("no such delivery");
}
