import { join } from "node:path";
import { startEmbeddedPostgres } from "@branchward/runtime/postgres";
import { connectDatabase, type DatabaseConnection, listSyncs, migrateStore, type SyncFilter } from "@branchward/store";
import { summarize } from "./figures.ts";

const SYNCS = 100_000;
const BRANCHES = 10_000;
const ROUNDS = 20;

/** What people ask of the list, from the common to the worst: what matches nothing is looked for everywhere. */
const QUESTIONS: Readonly<Record<string, Omit<SyncFilter, "limit">>> = {
  "newest first": {},
  "one repository": { repository: "bench/repository-7" },
  "one branch": { branch: "dev/branch-777" },
  "one endpoint": { endpoint: "endpoint-1" },
  "rare verdict": { verdict: "held" },
  "rare reason": { reason: "rename" },
  "an hour long ago": { since: new Date(Date.UTC(2026, 0, 1)), until: new Date(Date.UTC(2026, 0, 1, 1)) },
  "part of a name": { text: "BRANCH-77" },
  "a text that is nowhere": { text: "no-such-text" },
  "an old page": { before: 1_000 },
};

/** Times of the list of 100,000 syncs over 10,000 branches, question by question. */
export async function benchLists(directory: string): Promise<ReadonlyMap<string, ReturnType<typeof summarize>>> {
  const silent = { info: () => undefined, warn: () => undefined };
  await using postgres = await startEmbeddedPostgres({ dataDir: join(directory, "lists"), log: silent });
  await using connection = connectDatabase({ url: postgres.url, max: 4, onError: () => undefined });
  await migrateStore(connection);
  await fill(connection.pool);
  const figures = new Map<string, ReturnType<typeof summarize>>();
  for (const [question, filter] of Object.entries(QUESTIONS)) {
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const startedAt = performance.now();
      await listSyncs(connection.db, { limit: 50, ...filter });
      times.push(performance.now() - startedAt);
    }
    figures.set(question, summarize(times));
  }
  return figures;
}

/** A hundred repositories, a hundred branches each, ten syncs each, one a minute. */
async function fill(pool: DatabaseConnection["pool"]): Promise<void> {
  await pool.query(`insert into repositories (id, name, vcs)
    select gen_random_uuid(), 'bench/repository-' || n, 'git' from generate_series(0, 99) n`);
  await pool.query(`insert into incarnations (id, repository_id, ref_type, name, name_key, state, born_at, born_of)
    select gen_random_uuid(), r.id, 'branch', 'dev/branch-' || n, 'key-' || n, 'active', now(), 'push'
    from generate_series(0, ${BRANCHES - 1}) n join repositories r on r.name = 'bench/repository-' || (n % 100)`);
  await pool.query(`insert into scopes (id, incarnation_id, endpoint, reason)
    select gen_random_uuid(), id, 'endpoint-' || (seq % 3), 'push' from incarnations`);
  await pool.query(`insert into syncs
      (id, scope_id, reason, requested, requested_at, lease_token, started_at, finished_at, verdict, calls)
    select gen_random_uuid(), s.ids[1 + n % ${BRANCHES}], case when n % 5000 = 0 then 'rename' else 'push' end,
      1, t.at, 1, t.at, t.at, case when n % 10000 = 0 then 'held' else 'verified' end, c.calls
    from generate_series(0, ${SYNCS - 1}) n
    cross join (select array_agg(id) as ids from scopes) s
    cross join lateral (select timestamptz '2026-01-01' + n * interval '1 minute' as at) t
    cross join (
      select jsonb_agg(jsonb_build_object('method', 'GET', 'path', '/Groups/' || i, 'status', 200, 'durationMs', 5)) as calls
      from generate_series(1, 8) i
    ) c`);
  await pool.query("analyze");
}
