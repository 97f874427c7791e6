/** The code under test, put together without its processes: every job and delivery is a call that the schedule makes. */
import { createHash } from "node:crypto";
import { branchEntitlementExtension, type NormalizedDelivery } from "@branchward/core";
import { type ApprovalRequest, approveSync, findStatus } from "@branchward/api";
import { createRecordDelivery, type Source } from "@branchward/receiver";
import { createLogger } from "@branchward/runtime";
import { createGroupType, createScimClient, createScimProvider, createUserType } from "@branchward/scim";
import {
  type ActivePolicy,
  approvePolicy,
  connectDatabase,
  createActivePolicy,
  createDirectory,
  type Database,
  ensureAudits,
  keepLastMembers,
  parseFence,
  proposePolicy,
} from "@branchward/store";
import { openTestDatabase } from "@branchward/store/testing";
import { createProcessors, type Endpoint } from "@branchward/worker";
import type { Pool } from "pg";
import { type Breaks, createBreaks } from "./breaks.ts";
import { createModelClock, installClock, type ModelClock } from "./clock.ts";
import { type ModelEndpoint, type Provider, runHeader, startModelEndpoint } from "./endpoint.ts";
import { createModelQueue, type Job, type ModelQueue } from "./queue.ts";
import type { EndpointName, Setting } from "./setting.ts";

export const PAIRING_WINDOW_MS = 30_000;
export const REPOSITORY = "acme/web";
/** Rounds of audits are the schedule's last look. */
const AUDIT = { intervalMs: 24 * 3_600_000, budget: 0.2, minIntervalMs: 60_000 };

export interface ModelSystem extends AsyncDisposable {
  /** The schedule's own way to the record, which nothing breaks. */
  readonly pool: Pool;
  readonly breaks: Breaks;
  readonly clock: ModelClock;
  readonly endpoints: readonly ModelEndpoint[];
  readonly queue: ModelQueue;
  /** Calls at endpoints that the code under test waits for. */
  countCalls(): number;
  /** Connections that the code under test works with. */
  countConnections(): number;
  getEndpoint(name: EndpointName): ModelEndpoint;
  readonly setting: Setting;
  /** Empties the record. */
  reset(): Promise<void>;
  /** Takes a delivery as the receiver does; the record's id of it. */
  deliver(delivery: Partial<NormalizedDelivery>, key: string): Promise<string>;
  /** Proposes a version. @returns whether it is in force: one that takes too much waits for an approval (rule B1) */
  activate(text: string): Promise<boolean>;
  /** As an identity provider asks. @returns the id of what it made */
  provision(method: string, path: string, body?: object): Promise<string>;
  /** Does a job; its calls at the endpoint bear the run's name. */
  perform(job: Job, run: string): Promise<void>;
  /** As somebody asks who looks at a held plan. @throws {AppError} where it is refused */
  approve(
    kind: "sync" | "policy",
    asked: { readonly id: string; readonly digest: string; readonly by: string },
  ): Promise<void>;
  /** What CI is told of the branch's head, every endpoint being required (rules D1, D2). */
  askForCi(name: string): Promise<CiAnswer>;
  sweep(): Promise<void>;
  /** A round of the audit of every endpoint. */
  audit(): Promise<void>;
  /** Lets the fan-out read what there is. */
  readChanges(): Promise<void>;
}

export type CiAnswer = Pick<Awaited<ReturnType<typeof findStatus>>["answer"], "state" | "incarnation" | "revision">;

/** Long past any schedule: what is pending stays so. */
const CI = {
  deadlineMs: 30 * 24 * 3_600_000,
  onDeadline: { default: "neutral", byEntitlement: {} },
  unverifiable: "failure",
} as const;

const EMPTY: NormalizedDelivery = {
  repository: { nativeId: null, name: REPOSITORY, vcs: "git" },
  site: "server",
  event: "push",
  occurredAt: null,
  actor: { key: "server", email: null, trust: "token" },
  groupKey: null,
  changes: [],
  renames: [],
  sightings: [],
  queued: [],
  checkout: null,
  ignored: null,
};

const source: Source = {
  name: "git",
  receiver: { verify: () => ({ ok: false }), deliveryId: () => null, normalize: () => EMPTY } as never,
  secrets: [],
  type: "agent",
  identity: { attribute: "userName", match: "key" },
  may: ["checkout", "refs"],
  requireTrust: "claim",
};

export async function startModelSystem(setting: Setting): Promise<ModelSystem> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await openTestDatabase());
  await installClock(database.pool);
  const options = { url: database.url, onError: () => undefined };
  const { db, pool: brittlePool } = stack.use(connectDatabase({ ...options, max: 8 }));
  const { pool } = stack.use(connectDatabase({ ...options, max: 2 }));
  const clock = createModelClock(pool);
  const endpoints: ModelEndpoint[] = [];
  for (const each of setting.endpoints)
    endpoints.push(
      stack.use(
        await startModelEndpoint({ traits: each, now: () => clock.now(), directory: openDirectory(database.db) }),
      ),
    );
  const parts: Parts = {
    db,
    pool,
    breaks: createBreaks(brittlePool),
    endpoints,
    clock,
    queue: createModelQueue(),
    activePolicy: createActivePolicy(),
    calls: 0,
  };
  const emptyRecord = await prepareReset(pool);
  const held = stack.move();
  return {
    ...parts,
    ...createCalls(parts),
    setting,
    provision: createProvision(parts),
    countCalls: () => parts.calls,
    countConnections: () => brittlePool.totalCount - brittlePool.idleCount + brittlePool.waitingCount,
    getEndpoint(name) {
      const found = endpoints.find((each) => each.traits.name === name);
      if (found === undefined) throw new Error(`there is no endpoint ${name}`);
      return found;
    },
    async reset() {
      parts.queue.wipe();
      parts.queue.setAway(false);
      parts.activePolicy = createActivePolicy();
      await pool.query(emptyRecord);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

interface Parts {
  readonly db: Database;
  readonly pool: Pool;
  readonly breaks: Breaks;
  readonly endpoints: readonly ModelEndpoint[];
  readonly clock: ModelClock;
  readonly queue: ModelQueue;
  /** Made anew for each schedule. */
  activePolicy: ActivePolicy;
  /** Under way. */
  calls: number;
}

type Calls = "deliver" | "activate" | "approve" | "perform" | "askForCi" | "sweep" | "audit" | "readChanges";

function createCalls(parts: Parts): Pick<ModelSystem, Calls> {
  const { db, queue, clock } = parts;
  const names = parts.endpoints.map(({ traits }) => traits.name);
  const log = createLogger({ level: "silent" });
  const toDeps = (run: string) => ({
    db,
    queues: queue.queues,
    activePolicy: parts.activePolicy,
    endpoints: new Map(parts.endpoints.map((each) => [each.traits.name, createEndpoint(parts, each, run)])),
    pairingWindowMs: PAIRING_WINDOW_MS,
    audit: AUDIT,
    hosts: new Map(),
    joined: [],
    beginLook: () => Promise.reject(new Error("no host is there to be asked")),
    log,
  });
  const processors = () => createProcessors(toDeps(""));
  return {
    async deliver(meaning, key) {
      const delivery = { ...EMPTY, ...meaning };
      const body = Buffer.from(JSON.stringify({ delivery, key }));
      const bodyDigest = createHash("sha256").update(body).digest();
      const more = { minAuditIntervalMs: AUDIT.minIntervalMs, endpoints: names };
      const record = createRecordDelivery({ ...toDeps(""), ...more });
      const receipt = await record({ source, agent: null, deliveryKey: key, bodyDigest, headers: {}, body, delivery });
      return receipt.delivery;
    },
    async activate(text) {
      const proposed = { text, file: "branchward.yaml", author: "model", origin: "file" } as const;
      const { woken } = await proposePolicy(db, names, proposed);
      // What is committed stays so; the sweeper finds what was not enqueued.
      await unlessAway(
        queue,
        Promise.all(
          woken.map(({ id, endpoint: at }) =>
            queue.queues.enqueueReconcile({ scopeId: id, endpoint: at, lane: "event" }),
          ),
        ),
      );
      const { rows } = await parts.pool.query<{ text: string }>(
        "select text from policy_versions where state = 'active'",
      );
      return rows[0]?.text === text;
    },
    async approve(kind, { id, digest, by }) {
      const { activePolicy } = parts;
      if (kind === "policy") await approvePolicy(db, { id, digest, by, endpoints: names });
      else await approveAndEnqueue({ db, queue, activePolicy }, { syncId: id, digest, by });
    },
    askForCi: (name) => askForCi(parts, name),
    perform: (job, run) => perform(createProcessors(toDeps(run)), { job, clock }),
    sweep: () => unlessAway(queue, processors()["outbox.sweep"]({ v: 1 }, toRun(1, clock))),
    audit: () => auditAll(parts, processors()["endpoint.audit"]),
    readChanges: () => unlessAway(queue, processors()["directory.changed"]({ v: 1 }, toRun(1, clock))),
  };
}

async function auditAll(
  { db, pool, queue, clock, endpoints }: Parts,
  audit: ReturnType<typeof createProcessors>["endpoint.audit"],
): Promise<void> {
  const names = endpoints.map(({ traits }) => traits.name);
  await ensureAudits(db, { endpoints: names, spreadMs: 0 });
  await pool.query("update endpoint_audits set due_at = now()");
  // A page takes more groups than a schedule makes.
  for (const name of names) await unlessAway(queue, audit({ v: 1, endpoint: name }, toRun(1, clock)));
}

async function askForCi({ db, activePolicy, endpoints }: Parts, branch: string): Promise<CiAnswer> {
  const required = new Map(endpoints.map(({ traits }) => [traits.name, "required" as const]));
  const deps = { db, activePolicy, endpoints: required, ci: CI };
  return (await findStatus(deps, { repository: REPOSITORY, branch })).answer;
}

function createProvision({ db, queue }: Parts): ModelSystem["provision"] {
  const provider = createScimProvider({
    store: createDirectory({
      db,
      beforeGroupDeletion: keepLastMembers,
      onCommitted: () => void queue.queues.enqueueDirectoryChanged().catch(() => undefined),
    }),
    types: [createUserType(), createGroupType()],
    baseUrl: () => "http://directory.example/scim/v2",
    maxResults: 200,
  });
  return async (method, path, body) => {
    const query = new URLSearchParams();
    const context = { client: "okta", kind: "provisioning" } as const;
    const { status, body: answer } = await provider.handle({ method, path, query, headers: {}, body, context });
    // Whoever had no answer asks again: it may have been done.
    if (method === "DELETE" && status === 404) return "";
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(answer)}`);
    return status === 204 ? "" : (answer as { id: string }).id;
  };
}

/** As the api serves it to the worker. */
function openDirectory(db: Database): Provider {
  const provider = createScimProvider({
    store: createDirectory({ db, beforeGroupDeletion: keepLastMembers }),
    types: [createUserType(), createGroupType([branchEntitlementExtension])],
    baseUrl: () => "http://directory.example/scim/v2",
    maxResults: 200,
  });
  return {
    handle(request) {
      const { "branchward-fence": fence, "branchward-scope": scope } = request.headers;
      const held = parseFence({ fence, scope });
      const context = { client: "internal", kind: "internal", ...(held === undefined ? {} : { fence: held }) } as const;
      return provider.handle({ ...request, context });
    },
  };
}

async function approveAndEnqueue(
  { db, queue, activePolicy }: Pick<Parts, "db" | "queue" | "activePolicy">,
  approval: ApprovalRequest,
): Promise<void> {
  const { scopes, users } = await approveSync({ db, activePolicy }, approval);
  const jobs = [
    ...scopes.map(({ id, endpoint }) => queue.queues.enqueueReconcile({ scopeId: id, endpoint, lane: "ci" })),
    ...users.map((id) => queue.queues.enqueueRevocation({ kind: "user", id })),
  ];
  await unlessAway(queue, Promise.all(jobs));
}

/** With the queue away whoever enqueues fails, after the record is committed. */
async function unlessAway(queue: ModelQueue, doing: Promise<unknown>): Promise<void> {
  await doing.catch((error: unknown) => {
    if (!queue.isAway()) throw error;
  });
}

function createEndpoint(parts: Parts, { url, traits }: ModelEndpoint, run: string): Endpoint {
  return {
    name: traits.name,
    builtin: traits.isBuiltin,
    drift: traits.drift,
    accounts: null,
    findRefusal: () => Promise.resolve(undefined),
    concurrency: 4,
    displayName: "{repository}:{branch}:{entitlement}",
    connect: (onCall, { beforeWrite } = {}) =>
      createScimClient({
        url,
        around: async ({ method }, send) => {
          if (method !== "GET") await beforeWrite?.();
          await parts.breaks.untilAlive();
          parts.calls += 1;
          return send().finally(() => {
            parts.calls -= 1;
          });
        },
        token: () => "model",
        deadlineMs: 60_000,
        maxBytes: 1 << 20,
        headers: runHeader(run),
        onCall: (call) => onCall({ ...call, status: call.status ?? null }),
      }),
  };
}

/** Attempts of a job before the queue gives it up. */
const ATTEMPTS = 3;

function toRun(attempt: number, clock: ModelClock) {
  return { jobId: "model", attempt, lastAttempt: attempt >= ATTEMPTS, addedAt: new Date(clock.now()) };
}

async function perform(
  processors: ReturnType<typeof createProcessors>,
  { job, clock }: { readonly job: Job; readonly clock: ModelClock },
): Promise<void> {
  switch (job.kind) {
    case "reconcile":
      return processors["scope.reconcile"]({ v: 1, scopeId: job.scopeId }, toRun(job.attempt, clock));
    case "wake":
      return processors["scope.wake"]({ v: 1, scopeId: job.scopeId }, toRun(1, clock));
    case "account":
      return processors["account.reconcile"](
        { v: 1, endpoint: job.endpoint, userId: job.userId },
        toRun(job.attempt, clock),
      );
    case "revocation":
      return processors["access.revoke"]({ v: 1, ...job.subject }, toRun(job.attempt, clock));
    case "directory":
      return processors["directory.changed"]({ v: 1 }, toRun(1, clock));
  }
}

/** One statement that empties every table; much cheaper than TRUNCATE where they hold a few rows. */
async function prepareReset(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ name: string }>(
    `select table_name as name from information_schema.tables
     where table_schema = 'public' and table_type = 'BASE TABLE'
       and table_name not in ('migrations', 'migration_lock', 'reference_index') order by 1`,
  );
  const deletes = rows.map(({ name }) => `delete from ${name};`).join(" ");
  return `begin; set local session_replication_role = replica; ${deletes}
    update reference_index set policy_version_id = null; commit;`;
}
