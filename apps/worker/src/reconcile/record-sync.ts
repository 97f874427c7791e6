/** Writes what a run reached, guarded by the lease's token: a run that lost its lease records nothing (rule C4). */
import { AppError, type Operation, type Plan, type RemovalCause } from "@branchward/core";
import type { Queues } from "@branchward/queue";
import type { Logger } from "@branchward/runtime";
import {
  type Database,
  insertSync,
  type Lease,
  listUsersById,
  notify,
  type Queryable,
  releaseLease,
  requestScopes,
  saveGroupBindings,
  type ScopeOutcome,
  settleScope,
  type SyncChange,
  type SyncMember,
} from "@branchward/store";
import { uuidv7 } from "uuidv7";
import type { LoadedScope } from "./load-scope.ts";
import type { SyncResult } from "./run-sync.ts";

export interface RecordDeps {
  readonly db: Database;
  readonly queues: Queues;
  readonly log: Logger;
}

/** Unequal read-backs in a row after which a verdict stands until the next event or audit (rule C8). */
const MAX_ROUNDS = 5;
/** First pause after a run that failed or diverged; doubles up to the cap. */
const RETRY_FIRST_MS = 1_000;
const RETRY_CAP_MS = 5 * 60_000;

interface Finished {
  readonly lease: Lease;
  /** Leases of incarnations merged into this one, whose groups this run removed. */
  readonly merged: readonly Lease[];
  readonly scope: LoadedScope;
  readonly startedAt: Date;
  readonly result: SyncResult;
}

/** @returns the scope's `requested` now; undefined when the lease was lost. */
export async function recordSync(deps: RecordDeps, finished: Finished): Promise<number | undefined> {
  const { lease, merged, scope, startedAt, result } = finished;
  const { verdict, mismatches } = result.judgement;
  const failures = verdict === "verified" ? 0 : lease.failures + 1;
  // Rename narrowing ends with the first verified run; the wider state of the new name alone comes with the next.
  const settled = verdict === "verified" && lease.strictNames.length > 0;
  const outcome: ScopeOutcome = {
    verdict,
    mismatches,
    failures,
    dueAt: earliest(result.plan.dueAt, failures > 0 && failures < MAX_ROUNDS ? retryAt(failures) : null),
    strictNames: settled ? [] : lease.strictNames,
  };
  const userNames = new Map([...scope.userNames, ...(await nameRemoved(deps.db, result.plan))]);
  const recorded = await deps.db.transaction().execute(async (trx) => {
    const requested = await settleScope(trx, lease, outcome);
    if (requested === undefined) return undefined;
    await saveGroupBindings(trx, lease.scopeId, result.groups);
    if (verdict === "verified") await settleMerged(trx, merged);
    await insertSync(trx, {
      ...describeRun(lease, startedAt),
      policyVersionId: scope.policyVersion,
      verdict,
      mismatches,
      changes: toChanges(result, userNames),
      calls: result.calls,
      error: null,
    });
    await notify(trx, "scopes", lease.incarnationId);
    if (!settled) return requested;
    const [again] = await requestScopes(trx, [lease.scopeId], "rename");
    return again?.requested ?? requested;
  });
  if (verdict !== "verified") for (const one of merged) await releaseLease(deps.db, one);
  if (recorded === undefined) deps.log.warn({ scopeId: lease.scopeId }, "lease lost; nothing recorded");
  else await wakeAt(deps, lease.scopeId, outcome.dueAt);
  return recorded;
}

/** What was merged has no groups any more, and nothing left to reach. */
async function settleMerged(trx: Queryable, merged: readonly Lease[]): Promise<void> {
  for (const lease of merged) {
    const outcome = { verdict: "verified", mismatches: [], dueAt: null, failures: 0, strictNames: [] } as const;
    if ((await settleScope(trx, lease, outcome)) !== undefined) await saveGroupBindings(trx, lease.scopeId, []);
  }
}

/** Records that a run could not finish, and when it is tried again. */
export async function recordFailure(
  deps: RecordDeps,
  { lease, startedAt, error }: { readonly lease: Lease; readonly startedAt: Date; readonly error: unknown },
): Promise<number | undefined> {
  const failures = lease.failures + 1;
  const dueAt = retryAt(failures, error);
  const requested = await deps.db.transaction().execute(async (trx) => {
    const outcome = { verdict: "failed", mismatches: [], dueAt, failures, strictNames: lease.strictNames } as const;
    const settled = await settleScope(trx, lease, outcome);
    if (settled === undefined) return undefined;
    await insertSync(trx, {
      ...describeRun(lease, startedAt),
      policyVersionId: null,
      verdict: "failed",
      mismatches: [],
      changes: [],
      calls: [],
      error: describeError(error),
    });
    await notify(trx, "scopes", lease.incarnationId);
    return settled;
  });
  await wakeAt(deps, lease.scopeId, dueAt);
  return requested;
}

function describeRun(lease: Lease, startedAt: Date) {
  return {
    id: uuidv7(),
    scopeId: lease.scopeId,
    reason: lease.reason,
    requested: lease.requested,
    requestedAt: lease.requestedAt,
    leaseToken: lease.token,
    startedAt,
    finishedAt: new Date(),
  };
}

function describeError(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof AppError) return { code: error.code, message: error.message };
  return { code: "internal", message: "the run failed here; the log has the cause" };
}

function retryAt(failures: number, error?: unknown): Date {
  const asked = error instanceof AppError && typeof error.retry === "object" ? error.retry.afterMs : 0;
  const backoff = Math.min(RETRY_FIRST_MS * 2 ** (failures - 1), RETRY_CAP_MS);
  return new Date(Date.now() + Math.max(asked, backoff));
}

function earliest(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}

async function wakeAt({ queues, log }: RecordDeps, scopeId: string, dueAt: Date | null): Promise<void> {
  if (dueAt === null) return;
  const delayMs = Math.max(0, dueAt.getTime() - Date.now());
  // The timer is the row; this job only makes it punctual.
  await queues
    .enqueueWake(scopeId, delayMs)
    .catch((error: unknown) => log.warn({ err: error, scopeId }, "wake not enqueued"));
}

/** Whom a removal was about, where the endpoint's ids are the directory's. */
async function nameRemoved(db: Database, { operations }: Plan): Promise<readonly (readonly [string, string])[]> {
  const removed = operations.flatMap((operation) => ("removals" in operation ? operation.removals : []));
  const ids = removed.map((removal) => removal.member).filter((member) => UUID.test(member));
  if (ids.length === 0) return [];
  return (await listUsersById(db, ids)).map((user) => [user.id, user.userName] as const);
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

function toChanges({ plan, groups }: SyncResult, userNames: ReadonlyMap<string, string>): readonly SyncChange[] {
  const nameOf = (operation: Operation): string => {
    if (operation.kind === "createGroup" || operation.kind === "renameGroup") return operation.displayName;
    return groups.find((group) => group.groupId === operation.groupId)?.displayName ?? operation.groupId;
  };
  return plan.operations.map((operation) => ({
    entitlement: operation.entitlement,
    group: nameOf(operation),
    operation: operation.kind,
    added: "additions" in operation ? operation.additions.map((addition) => toAdded(addition, userNames)) : [],
    removed: "removals" in operation ? operation.removals.map((removal) => toRemoved(removal, userNames)) : [],
  }));
}

const REMOVAL_TEXT: Readonly<Record<RemovalCause, string>> = {
  inactive: "the user is deactivated",
  expired: "the grant has expired",
  untrusted: "the checkout was claimed, and the grant wants a token",
  exclusive: "an exclusive entitlement is held",
  deny: "a deny of the policy",
  ceiling: "above the bot's ceiling",
  rename: "the former name's rules count until the rename is verified",
  deleted: "the branch was deleted",
  closed: "the branch is closed",
  merged: "the branch went on under another name",
  unmentioned: "no rule gives this entitlement here any more",
  "not-granted": "no rule grants it",
};

type Addition = Extract<Operation, { kind: "addMembers" }>["additions"][number];
type Removal = Extract<Operation, { kind: "removeMembers" }>["removals"][number];

function toAdded(addition: Addition, userNames: ReadonlyMap<string, string>): SyncMember {
  const [reason] = addition.reasons;
  const via = reason === undefined || reason.path.length === 0 ? "" : ` via ${reason.path.join(" › ")}`;
  const until = reason?.until == null ? "" : ` until ${reason.until.toISOString()}`;
  const why = reason === undefined ? "policy" : `${reason.rule} (${reason.file}:${reason.line})${via}${until}`;
  return { user: addition.member, userName: userNames.get(addition.userId) ?? null, why };
}

function toRemoved(removal: Removal, userNames: ReadonlyMap<string, string>): SyncMember {
  const userName = userNames.get(removal.userId ?? removal.member) ?? null;
  return { user: removal.member, userName, why: REMOVAL_TEXT[removal.cause] };
}
