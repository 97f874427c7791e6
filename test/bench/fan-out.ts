/** One changed user among 50,000, with 10,000 live branches: what the fan-out costs and whom it finds. */
import { join } from "node:path";
import { createQueues, migrateQueue, openQueueBackend } from "@branchward/queue";
import { createLogger } from "@branchward/runtime";
import { startEmbeddedPostgres } from "@branchward/runtime/postgres";
import {
  connectDatabase,
  createActivePolicy,
  type DatabaseConnection,
  migrateStore,
  proposePolicy,
} from "@branchward/store";
import { createProcessors } from "@branchward/worker";
import { summarize } from "./figures.ts";

const USERS = 50_000;
const TEAMS = 500;
const BRANCHES = 10_000;
const ROUNDS = 30;

/** Each team pushes to its own repository's branches, 20 of them; everybody reads what they check out. */
const POLICY = JSON.stringify({
  endpoints: [{ name: "hg", url: "https://hg.example.com/scim/v2", token: { env: "TOKEN" } }],
  policy: [
    ...Array.from({ length: TEAMS }, (_, team) => ({
      repositories: [`bench/repository-${team}`],
      branches: ["**"],
      grants: [{ entitlement: "push", to: [`group:team-${team}`] }],
    })),
    {
      repositories: ["**"],
      branches: ["**"],
      grants: [{ entitlement: "read", to: ["group:everybody"], when: "checkout", for: "8h" }],
      deny: [{ entitlement: "push", to: ["group:contractors"] }],
    },
  ],
});

export interface FanOutFigures {
  /** The first fan-out after the policy came into force, which makes the index. */
  readonly index: Readonly<Record<string, number>>;
  readonly changes: ReadonlyMap<string, Readonly<Record<string, number>>>;
}

export async function benchFanOut(directory: string): Promise<FanOutFigures> {
  const silent = { info: () => undefined, warn: () => undefined };
  await using postgres = await startEmbeddedPostgres({ dataDir: join(directory, "fan-out"), log: silent });
  await using connection = connectDatabase({ url: postgres.url, max: 4, onError: () => undefined });
  const { db, pool } = connection;
  await migrateStore(connection);
  const target = { kind: "postgres", url: postgres.url } as const;
  await migrateQueue(target);
  await using backend = openQueueBackend(target, () => undefined);
  await using queues = createQueues(backend, ["hg"]);
  await fill(pool);
  await proposePolicy(db, ["hg"], { text: POLICY, file: "branchward.yaml", author: "bench", origin: "file" });
  await pool.query("analyze");
  const counted = countStatements(pool);
  const { "directory.changed": fanOut } = createProcessors({
    db,
    queues,
    activePolicy: createActivePolicy(),
    endpoints: new Map(),
    pairingWindowMs: 30_000,
    hosts: new Map(),
    joined: [],
    beginLook: () => Promise.reject(new Error("no host is there to be asked")),
    audit: { intervalMs: 24 * 3_600_000, budget: 0.2, minIntervalMs: 60_000 },
    log: createLogger({ level: "silent" }),
  });
  const startedAt = performance.now();
  await fanOut({ v: 1 }, RUN);
  const index = { wall: performance.now() - startedAt };
  const changes = new Map<string, Readonly<Record<string, number>>>();
  for (const [what, group] of Object.entries(CHANGES)) {
    const times: number[] = [];
    counted.reset();
    const before = await countRequested(pool);
    for (let round = 0; round < ROUNDS; round += 1) {
      await change(pool, group, round);
      counted.start();
      const from = performance.now();
      await fanOut({ v: 1 }, RUN);
      times.push(performance.now() - from);
      counted.stop();
    }
    const scopes = ((await countRequested(pool)) - before) / ROUNDS;
    changes.set(what, { ...summarize(times), statements: counted.count() / ROUNDS, scopes });
  }
  return { index, changes };
}

const RUN = { jobId: "bench", attempt: 1, lastAttempt: true, addedAt: new Date(0) };

const CHANGES = {
  "a team of 20 branches": "team-7",
  "the group of all, for who checks out": "everybody",
  "a denied group": "contractors",
} as const;

async function fill(pool: DatabaseConnection["pool"]): Promise<void> {
  const client = await pool.connect();
  // In bulk, and without the triggers that count users one by one.
  await client.query("begin; set local statement_timeout = 0; set local session_replication_role = replica");
  await client.query(`insert into directory_users (id, client, user_name, user_name_key, active, attributes, search_keys)
    select gen_random_uuid(), 'bench', 'user-' || n, 'user-' || n, true, '{}', '{}' from generate_series(0, ${USERS - 1}) n`);
  await client.query(`insert into directory_groups (id, kind, client, display_name, display_key, attributes, search_keys)
    select gen_random_uuid(), 'provisioned', 'bench', name, name, '{}', '{}' from (
      select 'team-' || n as name from generate_series(0, ${TEAMS - 1}) n
      union all select unnest(array['everybody', 'contractors'])) as named`);
  await client.query(`insert into directory_members (group_id, member_id, member_kind)
    select g.id, u.id, 'User'
    from (select id, row_number() over (order by user_name) - 1 as n from directory_users) u
    join directory_groups g on g.display_name in ('team-' || (u.n % ${TEAMS}), 'everybody')`);
  await client.query(`insert into repositories (id, name, vcs)
    select gen_random_uuid(), 'bench/repository-' || n, 'git' from generate_series(0, ${TEAMS - 1}) n`);
  await client.query(`insert into incarnations (id, repository_id, ref_type, name, name_key, state, born_at, born_of)
    select gen_random_uuid(), r.id, 'branch', 'dev/branch-' || n, 'key-' || n, 'active', now(), 'push'
    from generate_series(0, ${BRANCHES - 1}) n join repositories r on r.name = 'bench/repository-' || (n % ${TEAMS})`);
  await client.query("commit");
  client.release();
}

/** One user leaves or joins, as the directory records it. */
async function change(pool: DatabaseConnection["pool"], group: string, round: number): Promise<void> {
  await pool.query(
    `insert into directory_changes (kind, resource_id, details)
     select 'group.members', g.id, jsonb_build_object('added', '[]'::jsonb, 'removed', jsonb_build_array(u.id))
     from directory_groups g, directory_users u where g.display_name = $1 and u.user_name = $2`,
    [group, `user-${round}`],
  );
}

async function countRequested(pool: DatabaseConnection["pool"]): Promise<number> {
  const { rows } = await pool.query<{ sum: string }>("select sum(requested) as sum from scopes");
  return Number(rows[0]?.sum ?? 0);
}

/** Statements that go over the pool's connections while it counts. */
function countStatements(pool: DatabaseConnection["pool"]) {
  const state = { count: 0, isOn: false };
  const count = (client: { query: unknown }): void => {
    const { query } = client;
    if (typeof query !== "function") return;
    client.query = (...args: readonly unknown[]) => {
      if (state.isOn) state.count += 1;
      return Reflect.apply(query, client, args);
    };
  };
  const known = new WeakSet<object>();
  pool.on("acquire", (client) => {
    if (known.has(client)) return;
    known.add(client);
    count(client);
  });
  return {
    start: () => void (state.isOn = true),
    stop: () => void (state.isOn = false),
    reset: () => void (state.count = 0),
    count: () => state.count,
  };
}
