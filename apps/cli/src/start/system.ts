/** Receiver, api and worker in one process, or one of them alone: what `start` runs, `demo` shows and the end-to-end tests use. */
import { randomBytes } from "node:crypto";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { createApp as createApi, createHealthApp } from "@branchward/api";
import { ConfigurationError } from "@branchward/core";
import {
  createApp as createReceiver,
  createBeginLook,
  createRecordDelivery,
  createReplayDelivery,
  type RecordDeps,
  type ReplayDelivery,
} from "@branchward/receiver";
import {
  type Authenticator,
  type Environment,
  listen,
  type Listener,
  type LoadedConfiguration,
  type Logger,
  resolveSecrets,
} from "@branchward/runtime";
import { type ActivePolicy, countGroupsByEndpoint, createActivePolicy, type Database } from "@branchward/store";
import { findReceiver } from "@branchward/vcs/receive";
import { createAgentCheck, createTokenCheck, keepAdminToken, type KeptToken } from "./access.ts";
import { openEndpoints, openHosts, startWorker } from "@branchward/worker";
import { openRecord, openWork, type OpenedRecord, type OpenedWork } from "./resources.ts";
import { createSources, type SecretEnv } from "./sources.ts";

/** What a process does; all three unless told otherwise. */
export type Role = "receiver" | "api" | "worker";
export const ROLES: readonly Role[] = ["receiver", "api", "worker"];

/**
 * Runs that end within this time of the signal to stop end as they would; the others make no further call. With the 10 s
 * of a call that is under way, a process is gone before the 30 s that supervisors give it.
 */
const LAST_CALLS_MS = 5_000;

/** Where `npm start` builds the dashboard. */
const DASHBOARD_DIR = join(import.meta.dirname, "..", "..", "..", "dashboard", "dist");

export interface SystemOptions {
  /** Left out: all. */
  readonly roles?: readonly Role[];
  readonly environment: Environment;
  readonly loaded: LoadedConfiguration;
  /** Where the file lies, to be followed by the worker; left out: it is read at start alone. */
  readonly configurationPath?: string;
  /** The variables that secrets refer to; asked for once the data directory is there. */
  readonly secretEnv: () => Promise<SecretEnv>;
  readonly log: Logger;
}

export interface System extends AsyncDisposable {
  readonly url: string;
  readonly adminToken: KeptToken;
  /** What the embedded database wants said: where it lives, which user it runs as. */
  readonly notes: readonly string[];
  /** Resolves with the reason when the system cannot go on by itself. */
  readonly ended: Promise<string>;
  /** Looks at the policy of the configuration file now; nothing where no worker runs here. */
  readPolicyFile(): Promise<void>;
}

/** What the apps share in this process. */
interface Shared extends SystemOptions {
  readonly record: OpenedRecord;
  readonly work: OpenedWork;
  readonly activePolicy: ActivePolicy;
  readonly env: SecretEnv;
  readonly roles: readonly Role[];
  /** Aborts when deliveries are refused and waits end. */
  readonly closing: AbortSignal;
}

/** Starts everything; ready when it resolves. Disposing stops in the order that loses nothing. */
export async function startSystem(options: SystemOptions): Promise<System> {
  const { environment, loaded, log } = options;
  await using stack = new AsyncDisposableStack();
  const record = stack.use(await openRecord(environment, log));
  const env = await options.secretEnv();
  const endpointNames = loaded.configuration.endpoints.map((endpoint) => endpoint.name);
  await refuseLostEndpoints(record.db, endpointNames);
  const work = stack.use(await openWork(environment, record.url, endpointNames, log));
  const closing = new AbortController();
  const { roles = ROLES } = options;
  const activePolicy = createActivePolicy();
  const shared: Shared = { ...options, roles, record, work, activePolicy, env, closing: closing.signal };
  const adminToken = await keepAdminToken(environment);
  const internalToken = (await findInternalToken(shared)) ?? randomBytes(32).toString("base64url");
  const authenticator = createTokenCheck({ db: record.db, log, adminToken: adminToken.secret, internalToken });
  const listener = stack.use(await openListener(shared, authenticator));
  const worker = roles.includes("worker")
    ? stack.use(await openWorker(shared, { url: `${listener.url}/scim/v2`, token: internalToken }))
    : undefined;
  // First on the way down: hooks are refused and waits end, while the api still answers the workers.
  stack.defer(() => closing.abort());
  const held = stack.move();
  const { notes, ended } = record;
  return {
    url: listener.url,
    adminToken,
    notes,
    ended,
    readPolicyFile: async () => worker?.readPolicyFile(),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** @throws {ConfigurationError} for an endpoint that left the configuration with groups of ours in it (rule B8) */
async function refuseLostEndpoints(db: Database, configured: readonly string[]): Promise<void> {
  for (const [endpoint, groups] of await countGroupsByEndpoint(db)) {
    if (configured.includes(endpoint)) continue;
    throw new ConfigurationError(
      `endpoint ${endpoint} is not in the configuration and has ${groups} groups of ours, which nobody would keep in step: put it back, then run branchward endpoints retire ${endpoint}, or with --leave where it is gone for good`,
      { code: "endpoint_not_retired" },
    );
  }
}

/**
 * The worker's own token at the built-in directory, where the configuration names one: processes on several hosts need it.
 * @throws {ConfigurationError} for a worker without an api in its process that is not told where that is.
 */
async function findInternalToken({ loaded, env, roles }: Shared): Promise<string | undefined> {
  const builtin = loaded.configuration.endpoints.find((endpoint) => endpoint.type === "builtin");
  if (builtin === undefined) return undefined;
  const isApart = roles.includes("worker") !== roles.includes("api");
  const isTold = builtin.token !== null && (builtin.url !== null || roles.includes("api"));
  if (isApart && !isTold) {
    throw new ConfigurationError(
      `endpoint ${builtin.name}: api and worker run apart, so give it url (the api's /scim/v2) and token, the same in both`,
    );
  }
  if (builtin.token === null) return undefined;
  const [token] = await resolveSecrets(builtin.token, { env }, `endpoint ${builtin.name}`);
  return token;
}

/** One listener for what this process does; every process answers `/livez` and `/readyz`. */
async function openListener(shared: Shared, authenticator: Authenticator): Promise<Listener> {
  const { record, work, loaded, activePolicy, closing, log, roles, environment } = shared;
  const address = { url: environment.publicUrl ?? "" };
  const receiver = roles.includes("receiver") ? await createReceiverHandler(shared) : undefined;
  const deps = { ...record, ...work, authenticator, activePolicy, closing, log, baseUrl: () => address.url };
  const { configuration } = loaded;
  const app = roles.includes("api")
    ? createApi({ ...deps, configuration, replay: createReplay(shared), dashboardDir: DASHBOARD_DIR })
    : createHealthApp(deps);
  const rest = app.callback();
  const route: RequestListener = (request, response) => {
    const isHook = receiver !== undefined && request.url?.startsWith("/hooks/") === true;
    void (isHook ? receiver : rest)(request, response);
  };
  const listener = await listen(route, environment.host, environment.port);
  address.url = environment.publicUrl ?? listener.url;
  return listener;
}

/** What recording a delivery needs, whether it comes or is replayed. */
function toRecordDeps({ record, work, loaded, activePolicy, environment, log }: Shared): RecordDeps {
  const { configuration } = loaded;
  return {
    db: record.db,
    queues: work.queues,
    log,
    activePolicy,
    endpoints: configuration.endpoints.map((endpoint) => endpoint.name),
    joined: configuration.repositories,
    pairingWindowMs: environment.pairingWindowMs,
    minAuditIntervalMs: configuration.audit.minIntervalMs,
  };
}

async function createReceiverHandler(shared: Shared) {
  const { loaded, closing, log } = shared;
  const sources = await createSources(loaded.configuration, shared.env);
  const record = createRecordDelivery(toRecordDeps(shared));
  const findAgent = createAgentCheck(shared.record.db, log);
  return createReceiver({ sources, findAgent, record, log, now: () => new Date(), closing }).callback();
}

/** A stored delivery was verified when it came, so that no secret is needed where only the api runs. */
function createReplay(shared: Shared): ReplayDelivery {
  const { sources } = shared.loaded.configuration;
  const known = sources.map(
    ({ name, type, may, requireTrust, identity }) =>
      [name, { name, type, receiver: findReceiver(type), may, requireTrust, identity }] as const,
  );
  return createReplayDelivery({ ...toRecordDeps(shared), sources: new Map(known) });
}

/** Aborts some time after the other does. */
function afterwards(closing: AbortSignal): AbortSignal {
  const last = new AbortController();
  closing.addEventListener("abort", () => setTimeout(() => last.abort(), LAST_CALLS_MS).unref(), { once: true });
  return last.signal;
}

async function openWorker(shared: Shared, builtin: { readonly url: string; readonly token: string }) {
  const { record, work, loaded, activePolicy, env, environment, log, closing, configurationPath: path } = shared;
  const { configuration, text } = loaded;
  await using stack = new AsyncDisposableStack();
  const { adopt } = configuration.accounts;
  const { endpoints } = stack.use(
    await openEndpoints(configuration.endpoints, { db: record.db, env, builtin, adopt, stopping: afterwards(closing) }),
  );
  const { hosts } = stack.use(await openHosts(configuration.sources, { db: record.db, env }));
  const worker = stack.use(
    await startWorker({
      db: record.db,
      backend: work.backend,
      queues: work.queues,
      activePolicy,
      endpoints,
      pairingWindowMs: environment.pairingWindowMs,
      audit: configuration.audit,
      policy: { text, file: configuration.file, ...(path === undefined ? {} : { path }) },
      sources: configuration.sources,
      hosts,
      joined: configuration.repositories,
      beginLook: createBeginLook(toRecordDeps(shared)),
      log,
    }),
  );
  const held = stack.move();
  return { readPolicyFile: () => worker.readPolicyFile(), [Symbol.asyncDispose]: () => held.disposeAsync() };
}
