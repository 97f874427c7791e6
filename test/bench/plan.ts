/** A policy change over 10,000 branches and 5,000 users, planned in a process of its own: time and peak memory. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startEmbeddedPostgres } from "@branchward/runtime/postgres";
import { connectDatabase, type DatabaseConnection, migrateStore, proposePolicy } from "@branchward/store";
import { summarize } from "./figures.ts";

const BRANCHES = 10_000;
const USERS = 5_000;
const TEAMS = 50;
const ROUNDS = 3;

/** Fifty teams with release branches of their own, everybody's own branches, and reading for all. */
export function benchPolicy(more: string): string {
  const teams = Array.from(
    { length: TEAMS },
    (_, team) => `  - repositories: ["bench/repository-${team}", "bench/repository-${team + 50}"]
    branches: ["release/**"]
    grants: [{ entitlement: push, to: ["group:team-${team}"] }, { entitlement: merge, to: ["group:team-${team}"] }]\n`,
  );
  return `policy:
${teams.join("")}  - repositories: ["**"]
    branches: ["dev/\${user.userName}/**"]
    grants: [{ entitlement: push, to: ["group:everybody"] }]
  - repositories: ["**"]
    branches: ["**"]
    grants: [{ entitlement: read, to: ["group:everybody"] }${more}]
`;
}

/** What is changed: from a verb that every branch gains to one that everybody loses on every branch. */
export const CHANGES: Readonly<Record<string, (text: string) => string>> = {
  "a verb for one team on every branch": () => benchPolicy(', { entitlement: deploy, to: ["group:team-7"] }'),
  "reading for one team in place of everybody": () =>
    benchPolicy("").replace('read, to: ["group:everybody"]', 'read, to: ["group:team-7"]'),
  "own branches for everybody in place of each one's": () =>
    benchPolicy("").replace("dev/${user.userName}/**", "dev/**"),
};

interface PlanFigures {
  readonly ms: number;
  readonly cpuMs: number;
  readonly peakMb: number;
}

/** By change: times, and the peak memory of the process that planned, in MB, the program itself included. */
export async function benchPlan(directory: string): Promise<ReadonlyMap<string, Readonly<Record<string, number>>>> {
  const silent = { info: () => undefined, warn: () => undefined };
  await using postgres = await startEmbeddedPostgres({ dataDir: join(directory, "plan"), log: silent });
  await using connection = connectDatabase({ url: postgres.url, max: 4, onError: () => undefined });
  await migrateStore(connection);
  await fill(connection.pool);
  const base = { text: benchPolicy(""), file: "branchward.yaml", author: "bench", origin: "file" } as const;
  await proposePolicy(connection.db, ["directory", "hg"], base);
  await connection.pool.query("analyze");
  const figures = new Map<string, Readonly<Record<string, number>>>();
  for (const change of Object.keys(CHANGES)) {
    const rounds: PlanFigures[] = [];
    for (let round = 0; round < ROUNDS; round += 1) rounds.push(await planApart(postgres.url, change));
    const { p50, max } = summarize(rounds.map(({ ms }) => ms));
    const { p50: cpu } = summarize(rounds.map(({ cpuMs }) => cpuMs));
    figures.set(change, { p50, max, cpu, "peak MB": Math.max(...rounds.map(({ peakMb }) => peakMb)) });
  }
  return figures;
}

async function planApart(url: string, change: string): Promise<PlanFigures> {
  const script = fileURLToPath(import.meta.resolve("./plan-process.ts"));
  const child = spawn(process.execPath, [script, url, change], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(child, "close");
  const [ms = 0, peakMb = 0, cpuMs = 0] = text.split(" ").map(Number);
  return { ms, peakMb, cpuMs };
}

/** A hundred repositories, a hundred branches each, half of them people's own. */
async function fill(pool: DatabaseConnection["pool"]): Promise<void> {
  await pool.query(`insert into directory_users (id, client, user_name, user_name_key, active, attributes, search_keys)
    select gen_random_uuid(), 'bench', 'user-' || n, 'user-' || n, true, '{}', '{}' from generate_series(0, ${USERS - 1}) n`);
  await pool.query(`insert into directory_groups (id, kind, client, display_name, display_key, attributes, search_keys)
    select gen_random_uuid(), 'provisioned', 'bench', name, name, '{}', '{}'
    from (select 'team-' || n as name from generate_series(0, ${TEAMS - 1}) n union all select 'everybody') names`);
  await pool.query(`insert into directory_members (group_id, member_id, member_kind)
    select g.id, u.id, 'User' from directory_groups g join directory_users u
      on g.display_name = 'everybody' or g.display_name = 'team-' || (substr(u.user_name, 6)::int % ${TEAMS})`);
  await pool.query(`insert into repositories (id, name, vcs)
    select gen_random_uuid(), 'bench/repository-' || n, 'git' from generate_series(0, 99) n`);
  await pool.query(`insert into incarnations (id, repository_id, ref_type, name, name_key, state, born_at, born_of)
    select gen_random_uuid(), r.id, 'branch', b.name, md5(b.name || r.name), 'active', now(), 'push'
    from generate_series(0, ${BRANCHES - 1}) n
    join repositories r on r.name = 'bench/repository-' || (n % 100)
    cross join lateral (
      select case when n % 2 = 0 then 'dev/user-' || (n % ${USERS}) || '/topic-' || n else 'release/' || n end as name
    ) b`);
}
