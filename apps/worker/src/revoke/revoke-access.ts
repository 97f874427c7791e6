/** `access.revoke`: what a user, an incarnation or an expired scope holds ends ahead of everything else (rule C3). */
import { UnavailableError } from "@branchward/core";
import type { JobPayload, JobRun } from "@branchward/queue";
import {
  type Database,
  findOpenRevocation,
  listScopesById,
  listScopesOf,
  nameRevoked,
  notify,
  raiseFinding,
  resolveFinding,
  type Revocation,
  type RevocationOutcome,
  type ScopeState,
  settleRevocation,
} from "@branchward/store";
import { type ReconcileDeps, revokeScope } from "../reconcile/reconcile-scope.ts";
import { type Revoked, revokeUser } from "./revoke-user.ts";
import { createTurns, SCOPES_AT_ONCE, type TakeTurn } from "./turns.ts";

const RETRY_FIRST_MS = 1_000;
const RETRY_CAP_MS = 5 * 60_000;

export interface RevokeAccessDeps extends ReconcileDeps {
  /** Aborts when the worker is to stop: scopes that were not begun are left to the next one. */
  readonly stopping?: AbortSignal;
}

interface TurnDeps extends ReconcileDeps {
  readonly takeTurn: TakeTurn;
}

/**
 * Ends what stands for the subject; what does not end at once stands as a critical finding and is tried again. Subjects
 * take turns at each endpoint, before they take a lease there: a slow endpoint delays what ends at others by nothing.
 */
export function createRevokeAccess({ stopping, ...others }: RevokeAccessDeps) {
  const deps: TurnDeps = { ...others, takeTurn: createTurns(SCOPES_AT_ONCE, stopping) };
  return async ({ kind, id }: JobPayload<"access.revoke">, run: JobRun): Promise<void> => {
    const revocation = await findOpenRevocation(deps.db, { kind, id });
    if (revocation === undefined) return;
    const revoked = await revoke(deps, revocation, run);
    const pauseMs = Math.min(RETRY_FIRST_MS * 2 ** revocation.attempts, RETRY_CAP_MS);
    const retryMs = stopping?.aborted === true ? 0 : pauseMs;
    const isDone = await settle(deps.db, revocation, { ...revoked, retryMs });
    if (!isDone) await deps.queues.enqueueRevocation({ kind, id }, revoked.outstanding === 0 ? 0 : retryMs);
  };
}

async function revoke(deps: TurnDeps, revocation: Revocation, run: JobRun): Promise<Revoked> {
  const { kind, subject } = revocation;
  if (kind === "user") return revokeUser(deps, subject, revocation.cause);
  const scopes = kind === "scope" ? await listScopesById(deps.db, [subject]) : await listScopesOf(deps.db, subject);
  const outcomes = await Promise.all(scopes.map((scope) => tryScope(deps, scope, run)));
  const failed = outcomes.filter((outcome) => outcome !== null);
  return { total: scopes.length, outstanding: failed.length, lastError: failed[0] ?? null };
}

/** Why the scope does not read as it must; null when it does. */
async function tryScope(
  deps: TurnDeps,
  scope: Pick<ScopeState, "id" | "endpoint">,
  run: JobRun,
): Promise<string | null> {
  try {
    // The last attempt records a failure instead of throwing it; the revocation itself comes back by its row.
    const asLast = { ...run, lastAttempt: true };
    const isDone = await deps.takeTurn(scope.endpoint, () => revokeScope(deps, scope.id, asLast));
    return isDone ? null : "the endpoint could not be brought to what it must be; the scope's sync says why";
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    return error.message;
  }
}

async function settle(db: Database, revocation: Revocation, outcome: RevocationOutcome): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const isDone = await settleRevocation(trx, revocation, outcome);
    // A run that was overtaken, and cut off where it stood, knows less than the one that ended it.
    if (isDone === undefined) return true;
    const subject = `${revocation.kind} ${revocation.subject}`;
    if (outcome.outstanding === 0) await resolveFinding(trx, "revocation-outstanding", subject);
    else {
      const name = await nameRevoked(trx, revocation);
      await raiseFinding(trx, {
        kind: "revocation-outstanding",
        subject,
        severity: "critical",
        message: `${name === null ? "" : `${name}: `}${outcome.outstanding} of ${outcome.total} scopes may still hold what was revoked (${revocation.cause}): ${outcome.lastError ?? "no answer"}; hook decisions deny it already, and it is tried again`,
      });
    }
    await notify(trx, "registry", "");
    return isDone;
  });
}
