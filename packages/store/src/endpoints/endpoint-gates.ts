/** Whether an endpoint may be spoken to now: its breaker and what `Retry-After` asked for, by the database's clock. */
import { sql } from "kysely";
import type { Database, Queryable } from "../connection/database.ts";
import { raiseFinding, resolveFinding } from "../scopes/findings.ts";
import { prepared } from "../connection/prepared-statements.ts";

export type BreakerState = "closed" | "open" | "half-open";

export interface EndpointGate {
  readonly breaker: BreakerState;
  /** Milliseconds until calls may be made again; 0 when they may. */
  readonly blockedForMs: number;
  /** Milliseconds until an open breaker lets one call through; 0 when it does. */
  readonly probeInMs: number;
}

const OPEN_FINDING = "endpoint-open";
const BLOCKED_FINDING = "endpoint-blocked";
/** A shorter block is the ordinary business of a busy endpoint. */
const LONG_BLOCK_MS = 60_000;

/** How the gate of an endpoint stands; closed breaker and unblocked where nothing was recorded. */
export async function findEndpointGate(db: Queryable, endpoint: string): Promise<EndpointGate> {
  const { rows } = await sql<EndpointGate>`${prepared}
    select breaker,
      ${remainingMs("blocked_until")} as "blockedForMs",
      ${remainingMs("probe_at")} as "probeInMs"
    from endpoint_states where endpoint = ${endpoint}`.execute(db);
  return rows[0] ?? { breaker: "closed", blockedForMs: 0, probeInMs: 0 };
}

function remainingMs(column: string) {
  return sql`coalesce(greatest(0, ceil(extract(epoch from ${sql.ref(column)} - clock_timestamp()) * 1000)), 0)::float8`;
}

export interface BreakerOpening {
  readonly endpoint: string;
  readonly probeEveryMs: number;
  /** The last failure, without secrets. */
  readonly error: string;
}

/** Opens the breaker, or leaves it open after a probe that failed. Stands as the finding `endpoint-open`. */
export async function openBreaker(db: Database, { endpoint, probeEveryMs, error }: BreakerOpening): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await sql`
      insert into endpoint_states (endpoint, breaker, probe_at, last_error, last_error_at)
      values (${endpoint}, 'open', ${inMs(probeEveryMs)}, ${error}, clock_timestamp())
      on conflict (endpoint) do update set
        breaker = 'open',
        breaker_since = case when endpoint_states.breaker = 'closed' then clock_timestamp() else endpoint_states.breaker_since end,
        probe_at = excluded.probe_at,
        last_error = excluded.last_error,
        last_error_at = excluded.last_error_at,
        updated_at = now()`.execute(trx);
    await raiseFinding(trx, {
      kind: OPEN_FINDING,
      subject: endpoint,
      severity: "critical",
      message: `its calls fail one after another (last: ${error}): one is tried every ${probeEveryMs / 1000} s until one is answered, and access there stays as it is; see that it is up and reachable from the worker`,
    });
  });
}

function inMs(ms: number) {
  return sql`clock_timestamp() + ${ms} * interval '1 millisecond'`;
}

/** Takes the one call that an open breaker lets through in a while; false when another took it, or it is not time. */
export async function claimProbe(db: Queryable, endpoint: string, probeEveryMs: number): Promise<boolean> {
  const { numAffectedRows = 0n } = await sql`
    update endpoint_states
    set breaker = 'half-open', probe_at = ${inMs(probeEveryMs)}, updated_at = now()
    where endpoint = ${endpoint} and breaker <> 'closed' and (probe_at is null or probe_at <= clock_timestamp())`.execute(
    db,
  );
  return numAffectedRows === 1n;
}

/** Closes the breaker, and makes what failed meanwhile due: runs, accounts, revocations. */
export async function closeBreaker(db: Database, endpoint: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await sql`
      update endpoint_states
      set breaker = 'closed', breaker_since = clock_timestamp(), probe_at = null, updated_at = now()
      where endpoint = ${endpoint}`.execute(trx);
    await resolveFinding(trx, OPEN_FINDING, endpoint);
    await wakeFailed(trx, endpoint);
  });
}

/** Makes what failed at an endpoint due: runs, accounts, revocations. */
export async function wakeFailed(trx: Queryable, endpoint: string): Promise<void> {
  await sql`
    with failed as (
      select id from scopes
      where endpoint = ${endpoint} and verdict = 'failed' and due_at > now()
      order by id for no key update skip locked
    )
    update scopes set due_at = now() from failed where scopes.id = failed.id`.execute(trx);
  await sql`
    with failed as (
      select endpoint, user_id from account_links
      where endpoint = ${endpoint} and due_at > now()
      order by endpoint, user_id for update skip locked
    )
    update account_links set due_at = now() from failed
    where account_links.endpoint = failed.endpoint and account_links.user_id = failed.user_id`.execute(trx);
  await sql`
    with standing as (
      select id from revocations where done_at is null and outstanding > 0 and due_at > now()
      order by id for update skip locked
    )
    update revocations set due_at = now() from standing where revocations.id = standing.id`.execute(trx);
}

export interface EndpointBlock {
  readonly endpoint: string;
  readonly forMs: number;
  /** What the endpoint answered, without secrets. */
  readonly error: string;
}

/** No call is made for so long; an earlier, longer block stands. A minute or more stands as the finding `endpoint-blocked`. */
export async function blockEndpoint(db: Queryable, { endpoint, forMs, error }: EndpointBlock): Promise<void> {
  await sql`
    insert into endpoint_states (endpoint, blocked_until, last_error, last_error_at)
    values (${endpoint}, ${inMs(forMs)}, ${error}, clock_timestamp())
    on conflict (endpoint) do update set
      blocked_until = greatest(endpoint_states.blocked_until, excluded.blocked_until),
      last_error = excluded.last_error,
      last_error_at = excluded.last_error_at,
      updated_at = now()`.execute(db);
  if (forMs < LONG_BLOCK_MS) return;
  await raiseFinding(db, {
    kind: BLOCKED_FINDING,
    subject: endpoint,
    severity: "warning",
    message: `it asked not to be called for ${Math.round(forMs / 60_000)} min (${error}): until then access there stays as it is, and what is to be revoked as well; see there what it is about`,
  });
}

/** Ends what the finding `endpoint-blocked` tells. */
export async function noteUnblocked(db: Queryable, endpoint: string): Promise<void> {
  await resolveFinding(db, BLOCKED_FINDING, endpoint);
}

/** Notes how many calls at once the endpoint bears. */
export async function saveCallLimit(db: Queryable, endpoint: string, limit: number): Promise<void> {
  await sql`
    insert into endpoint_states (endpoint, call_limit) values (${endpoint}, ${limit})
    on conflict (endpoint) do update set call_limit = excluded.call_limit, updated_at = now()`.execute(db);
}

/** A gate as people see it. */
export interface ShownGate {
  readonly endpoint: string;
  readonly breaker: BreakerState;
  readonly since: Date;
  /** Null when nothing keeps calls back. */
  readonly blockedUntil: Date | null;
  /** When an open breaker lets one call through; null where calls are made, or the next one is that call. */
  readonly nextTryAt: Date | null;
  /** Null until a worker said so. */
  readonly limit: number | null;
  readonly lastFailure: { readonly message: string; readonly at: Date } | null;
}

/** The recorded gates of these endpoints; one never spoken of is left out. */
export async function listEndpointGates(db: Queryable, endpoints: readonly string[]): Promise<readonly ShownGate[]> {
  const { rows } = await sql<Omit<ShownGate, "lastFailure"> & { message: string | null; at: Date | null }>`
    select endpoint, breaker, breaker_since as since, call_limit as "limit", last_error as message, last_error_at as at,
      case when blocked_until > clock_timestamp() then blocked_until end as "blockedUntil",
      case when breaker <> 'closed' and probe_at > clock_timestamp() then probe_at end as "nextTryAt"
    from endpoint_states where endpoint = any(${endpoints})`.execute(db);
  return rows.map(({ message, at, ...gate }) => ({
    ...gate,
    lastFailure: message === null || at === null ? null : { message, at },
  }));
}
