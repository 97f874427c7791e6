/** Hooks that decide: what the answer takes at the server. */
import { join } from "node:path";
import { createApp } from "@branchward/api";
import { parseConfiguration } from "@branchward/core";
import { createQueues, migrateQueue, openQueueBackend } from "@branchward/queue";
import { createAuthenticator, createLogger, listen } from "@branchward/runtime";
import { startEmbeddedPostgres } from "@branchward/runtime/postgres";
import {
  connectDatabase,
  createActivePolicy,
  type Database,
  type DatabaseConnection,
  findLiveSession,
  findLiveToken,
  migrateStore,
  openNotifications,
} from "@branchward/store";
import { summarize } from "./figures.ts";

const BRANCHES = 10_000;
const USERS = 50_000;
const QUESTIONS = 500;
const TOKEN = "bench-token";

const POLICY = `
endpoints: [{ name: directory, type: builtin }]
policy:
  - repositories: ["bench/*"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["group:managers"] }
      - { entitlement: read, to: ["group:everybody"] }
      - { entitlement: push, to: ["group:everybody"], when: checkout, for: 8h }
    deny:
      - { entitlement: push, to: ["group:contractors"] }
`;

type Figures = ReturnType<typeof summarize>;

/** 10,000 governed branches, their entitlement groups, and 50,000 users who are all in one of the policy's groups. */
export async function benchDecisions(directory: string): Promise<ReadonlyMap<string, Figures>> {
  const silent = { info: () => undefined, warn: () => undefined };
  await using postgres = await startEmbeddedPostgres({ dataDir: join(directory, "decisions"), log: silent });
  await using connection = connectDatabase({ url: postgres.url, max: 10, onError: () => undefined });
  await migrateStore(connection);
  await fill(connection);
  await using listener = await startApi(postgres.url, connection.db);
  const ask = async (path: string, init: RequestInit): Promise<void> => {
    const response = await fetch(`${listener.url}${path}`, { ...init, headers: { authorization: `Bearer ${TOKEN}` } });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    await response.arrayBuffer();
  };
  const figures = new Map<string, Figures>();
  const decide = (index: number, changes: number) => {
    const { user, repository, branch } = toQuestion(index);
    const asked = Array.from({ length: changes }, (_, each) => ({
      branch: each === 0 ? branch : `release/${each}`,
      entitlement: "push",
    }));
    const body = JSON.stringify({ user, source: "agents", repository, changes: asked });
    return ask("/v1/access/decisions", { method: "POST", body });
  };
  figures.set("a hook's question about one branch", await measure((index) => decide(index, 1)));
  figures.set("a hook's question about 100 branches", await measure((index) => decide(index, 100)));
  const explain = (index: number) =>
    ask(`/v1/access?${String(new URLSearchParams({ ...toQuestion(index), entitlement: "push" }))}`, {});
  figures.set("GET /v1/access", await measure(explain));
  return figures;
}

async function measure(ask: (index: number) => Promise<void>): Promise<Figures> {
  const times: number[] = [];
  for (let index = 0; index < QUESTIONS; index += 1) {
    const startedAt = performance.now();
    await ask(index);
    times.push(performance.now() - startedAt);
  }
  return summarize(times);
}

/** Far apart from one index to the next, so that nothing is warm. */
function toQuestion(index: number): { readonly user: string; readonly repository: string; readonly branch: string } {
  return { user: `user-${(index * 7919) % USERS}`, ...toBranch((index * 104_729) % BRANCHES) };
}

function toBranch(index: number): { readonly repository: string; readonly branch: string } {
  return { repository: `bench/repository-${index % 100}`, branch: `release/${index}` };
}

async function startApi(databaseUrl: string, db: Database): Promise<AsyncDisposable & { readonly url: string }> {
  await using stack = new AsyncDisposableStack();
  const target = { kind: "postgres", url: databaseUrl } as const;
  await migrateQueue(target);
  const queues = stack.use(createQueues(stack.use(openQueueBackend(target, () => undefined)), ["directory"]));
  const notifications = stack.use(await openNotifications(databaseUrl, () => undefined));
  const parsed = parseConfiguration(POLICY, "branchward.yaml");
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  const principal = { client: "bench", scope: "admin", tokenId: null, internal: false } as const;
  const closing = new AbortController();
  const app = createApp({
    db,
    queues,
    notifications,
    log: createLogger({ level: "silent" }),
    closing: closing.signal,
    replay: () => Promise.reject(new Error("there are no deliveries here")),
    dashboardDir: "",
    activePolicy: createActivePolicy(),
    configuration: parsed.configuration,
    baseUrl: () => "",
    authenticator: createAuthenticator({
      staticTokens: [{ secret: TOKEN, principal }],
      findToken: (secret) => findLiveToken(db, secret),
      findSession: (secret) => findLiveSession(db, secret),
      onUse: () => undefined,
      now: Date.now,
    }),
  });
  const { url } = stack.use(await listen(app.callback(), "127.0.0.1", 0));
  stack.defer(() => closing.abort());
  const held = stack.move();
  return { url, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

async function fill({ pool }: DatabaseConnection): Promise<void> {
  const client = await pool.connect();
  try {
    await insertAll((text, values = []) => client.query(text, [...values]));
  } finally {
    client.release(true);
  }
}

/** Rows by the hundred thousand: without the limit on a statement, and without counting each. */
async function insertAll(query: (text: string, values?: readonly string[]) => Promise<unknown>): Promise<void> {
  await query("set statement_timeout = 0");
  await query("set session_replication_role = replica");
  await query(
    "insert into policy_versions (id, digest, file, text, author, state, activated_at) values (gen_random_uuid(), 'bench', 'branchward.yaml', $1, 'bench', 'active', now())",
    [POLICY],
  );
  await query(`insert into repositories (id, name, vcs)
    select gen_random_uuid(), 'bench/repository-' || n, 'git' from generate_series(0, 99) n`);
  await query(`insert into repository_bindings (id, repository_id, source, native_id, name)
    select gen_random_uuid(), id, 'agents', null, name from repositories`);
  const key = "sha256('branch'::bytea || '\\x00'::bytea || convert_to('release/' || n, 'UTF8'))";
  await query(`insert into incarnations (id, repository_id, ref_type, name, name_key, state, born_at, born_of)
    select gen_random_uuid(), r.id, 'branch', 'release/' || n, rtrim(translate(encode(${key}, 'base64'), '+/', '-_'), '='), 'active', now(), 'push'
    from generate_series(0, ${BRANCHES - 1}) n join repositories r on r.name = 'bench/repository-' || (n % 100)`);
  await query(
    "insert into scopes (id, incarnation_id, endpoint, reason) select gen_random_uuid(), id, 'directory', 'push' from incarnations",
  );
  await query(`insert into directory_users (id, client, user_name, user_name_key, active, attributes, search_keys)
    select gen_random_uuid(), 'bench', 'user-' || n, 'user-' || n, true, '{}', '{}' from generate_series(0, ${USERS - 1}) n`);
  await query(`insert into directory_groups (id, kind, client, display_name, display_key, attributes, search_keys)
    select gen_random_uuid(), 'provisioned', 'bench', name, name, '{}'::jsonb, '{}'::jsonb from unnest(array['managers', 'everybody', 'contractors']) name
    union all
    select gen_random_uuid(), 'entitlement', 'branchward', 'push-' || n, 'push-' || n, '{}', '{}' from generate_series(1, ${BRANCHES}) n`);
  // All users are in one group of the policy, a hundredth in another, and the first twenty in every entitlement group.
  for (const [group, users] of [
    ["everybody", "user-%"],
    ["managers", "user-%77"],
  ]) {
    await query(`insert into directory_members (group_id, member_id, member_kind)
      select g.id, u.id, 'User' from directory_groups g, directory_users u
      where g.display_name = '${group}' and u.user_name like '${users}'`);
  }
  await query(`insert into directory_members (group_id, member_id, member_kind)
    select g.id, u.id, 'User' from (select id from directory_groups where kind = 'entitlement') g,
      (select id from directory_users order by user_name limit 20) u`);
  await query(`insert into policy_bindings (reference, group_id, bound_at)
    select 'group:' || display_name, id, now() from directory_groups where kind = 'provisioned'`);
  await query("analyze");
}
