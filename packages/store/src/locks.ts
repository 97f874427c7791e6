/**
 * Transaction locks, by meaning. Order everywhere: policy, then names, then pairings, then rows of scopes by id;
 * within one call keys are taken in ascending order, so that no two transactions wait for each other.
 */
import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { type RefType, type RepositoryClaim, UnavailableError } from "@branchward/core";
import { sql } from "kysely";
import type { Database, Queryable } from "./connection/database.ts";
import { prepared } from "./connection/prepared-statements.ts";

const POLICY_LOCK = 7_190_001;
const GUARDS_LOCK = 7_190_002;

/** Held by whoever makes scopes from the active policy, so that no activation slips between reading and writing. */
export async function lockPolicyShared(trx: Queryable): Promise<void> {
  await sql`select pg_advisory_xact_lock_shared(${POLICY_LOCK})`.execute(trx);
}

/** As `lockPolicyShared`; then serialises what happens to these names of one repository. In one round trip. */
export async function lockPolicyAndNames(
  trx: Queryable,
  repositoryId: string,
  names: readonly BranchName[],
): Promise<void> {
  const keys = toLockKeys(toNameKeys(repositoryId, names));
  // What is selected is reckoned from left to right: the policy first.
  await sql`${prepared}
    select
      pg_advisory_xact_lock_shared(${POLICY_LOCK}),
      (select count(pg_advisory_xact_lock(key)) from unnest(${keys}::bigint[]) as key)`.execute(trx);
}

/** Held by the one who leads a proposed version through its plan; of the connection, not of a transaction. */
const POLICY_LEAD_LOCK = 7_190_015;
/** A plan over ten thousand branches takes seconds; two of them may be ahead. */
const LEAD_PATIENCE_MS = 30_000;
const LEAD_PAUSE_MS = 50;

/**
 * Runs the work while no other process leads a proposed version through its plan.
 * @throws {UnavailableError} when another leads for longer than 30 s.
 */
export async function withPolicyLead<T>(db: Database, work: () => Promise<T>): Promise<T> {
  const until = performance.now() + LEAD_PATIENCE_MS;
  for (;;) {
    // Who waits keeps no connection: the one who leads may need the last of them.
    const led = await db.connection().execute((connection) => leadOnce(connection, work));
    if (led !== undefined) return led.result;
    if (performance.now() > until) throw new UnavailableError("another policy version is being planned; try again");
    await setTimeout(LEAD_PAUSE_MS);
  }
}

/** Undefined where another leads. */
async function leadOnce<T>(connection: Queryable, work: () => Promise<T>): Promise<{ readonly result: T } | undefined> {
  if (!(await tryLead(connection))) return undefined;
  try {
    return { result: await work() };
  } finally {
    await sql`select pg_advisory_unlock(${POLICY_LEAD_LOCK})`.execute(connection);
  }
}

async function tryLead(connection: Queryable): Promise<boolean> {
  const { rows } = await sql<{ led: boolean }>`select pg_try_advisory_lock(${POLICY_LEAD_LOCK}) as led`.execute(
    connection,
  );
  return rows[0]?.led === true;
}

/** Held while a policy version is activated. */
export async function lockPolicy(trx: Queryable): Promise<void> {
  await sql`select pg_advisory_xact_lock(${POLICY_LOCK})`.execute(trx);
}

/** Held by a plan while guards count and note what it takes, so that two never share what is left of a limit. Last. */
export async function lockGuards(trx: Queryable): Promise<void> {
  await sql`select pg_advisory_xact_lock(${GUARDS_LOCK})`.execute(trx);
}

export interface BranchName {
  readonly refType: RefType;
  readonly name: string;
}

function toNameKeys(repositoryId: string, names: readonly BranchName[]): readonly (readonly string[])[] {
  return names.map(({ refType, name }) => ["name", repositoryId, refType, name]);
}

/** Serialises the halves of possible renames: changes at one revision, or of one push. */
export async function lockPairings(trx: Queryable, repositoryId: string, keys: readonly string[]): Promise<void> {
  await lockKeys(
    trx,
    keys.map((key) => ["pairing", repositoryId, key]),
  );
}

/** Serialises the first sight of a repository: under its name by any of the sources joined to it, and under a source's own id. */
export async function lockRepositoryClaim(
  trx: Queryable,
  {
    source,
    joined,
    claim,
  }: { readonly source: string; readonly joined: readonly string[]; readonly claim: RepositoryClaim },
): Promise<void> {
  const byName = ["repository-name", joined.toSorted().join(","), claim.name];
  await lockKeys(trx, claim.nativeId === null ? [byName] : [byName, ["repository-id", source, claim.nativeId]]);
}

async function lockKeys(trx: Queryable, keys: readonly (readonly string[])[]): Promise<void> {
  if (keys.length === 0) return;
  await sql`${prepared}select pg_advisory_xact_lock(key) from unnest(${toLockKeys(keys)}::bigint[]) as key`.execute(
    trx,
  );
}

/** In ascending order, each once. */
function toLockKeys(keys: readonly (readonly string[])[]): string[] {
  const numbers = [...new Set(keys.map((key) => toLockKey(key.join("\0"))))].toSorted((a, b) => (a < b ? -1 : 1));
  return numbers.map(String);
}

function toLockKey(text: string): bigint {
  return createHash("sha256").update(text).digest().readBigInt64BE();
}
