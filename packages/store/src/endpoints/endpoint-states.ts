/** How the endpoints stand, summed over their scopes. */
import type { Verdict } from "@branchward/core";
import { sql } from "kysely";
import type { Queryable } from "../connection/database.ts";

export interface EndpointState {
  readonly endpoint: string;
  /** Scopes by verdict; what is asked for and not reached counts as `pending` alone. */
  readonly scopes: Readonly<Record<Verdict | "pending", number>>;
  /** Since when the longest waiting scope has been pending. */
  readonly pendingSince: Date | null;
  readonly lastSync: { readonly id: string; readonly verdict: Verdict; readonly finishedAt: Date } | null;
  readonly lastError: {
    readonly sync: string;
    readonly code: string;
    readonly message: string;
    readonly at: Date;
  } | null;
}

interface StateRow {
  readonly endpoint: string;
  readonly state: Verdict | "pending";
  readonly scopes: number;
  readonly since: Date | null;
}

/** How each of these endpoints stands; one without scopes has zeros. */
export async function listEndpointStates(
  db: Queryable,
  endpoints: readonly string[],
): Promise<readonly EndpointState[]> {
  const { rows } = await sql<StateRow>`
    select endpoint,
      case when requested > reconciled or verdict is null then 'pending' else verdict end as state,
      count(*) as scopes,
      min(requested_at) as since
    from scopes
    where endpoint = any(${endpoints})
    group by 1, 2`.execute(db);
  return Promise.all(
    endpoints.map(async (endpoint) => {
      const own = rows.filter((row) => row.endpoint === endpoint);
      const count = (state: StateRow["state"]) => own.find((row) => row.state === state)?.scopes ?? 0;
      return {
        endpoint,
        scopes: {
          verified: count("verified"),
          diverged: count("diverged"),
          unverifiable: count("unverifiable"),
          held: count("held"),
          failed: count("failed"),
          pending: count("pending"),
        },
        pendingSince: own.find((row) => row.state === "pending")?.since ?? null,
        lastSync: (await findLastSync(db, endpoint)) ?? null,
        lastError: (await findLastError(db, endpoint)) ?? null,
      };
    }),
  );
}

function selectNewestSync(db: Queryable, endpoint: string) {
  return db
    .selectFrom("syncs")
    .innerJoin("scopes", "scopes.id", "syncs.scope_id")
    .where("scopes.endpoint", "=", endpoint)
    .orderBy("syncs.seq", "desc")
    .limit(1);
}

async function findLastSync(db: Queryable, endpoint: string) {
  return selectNewestSync(db, endpoint)
    .select(["syncs.id as id", "syncs.verdict as verdict", "syncs.finished_at as finishedAt"])
    .executeTakeFirst();
}

async function findLastError(db: Queryable, endpoint: string) {
  return selectNewestSync(db, endpoint)
    .select([
      "syncs.id as sync",
      sql<string>`syncs.error ->> 'code'`.as("code"),
      sql<string>`syncs.error ->> 'message'`.as("message"),
      "syncs.finished_at as at",
    ])
    .where("syncs.error", "is not", null)
    .executeTakeFirst();
}
