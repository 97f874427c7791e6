/** `directory.changed`: from changes of users and groups to exactly the scopes that they affect. */
import type { Queues } from "@branchward/queue";
import {
  type ActivePolicy,
  type ChangeCursor,
  type Database,
  DIRECTORY_CURSOR,
  hasDirectoryChanges,
  isReferenceIndexOf,
  listDirectoryChanges,
  lockCursor,
  lockPolicyShared,
  notify,
  type Queryable,
  type RecordedChange,
  renewScopeReferences,
  requestAccountsOf,
  type RequestedAccount,
  type RequestedScope,
  requestRevocations,
  requestScopes,
  type RevocationRequest,
  saveCursor,
  wakeRevocations,
} from "@branchward/store";
import { listAffectedScopes } from "./affected-scopes.ts";
import { raiseGroupFindings } from "./group-findings.ts";

export interface FanOutDeps {
  readonly db: Database;
  readonly queues: Queues;
  readonly activePolicy: ActivePolicy;
}

const BATCH = 1_000;
/** Changes of transactions that began before one still open are read once that one has ended. */
const LOOK_AGAIN_MS = 25;

/** Reads new changes, asks for the scopes they affect, and enqueues them. */
export function createFanOut(deps: FanOutDeps) {
  return async (): Promise<void> => {
    const isBehind = await renewIndex(deps);
    const outcome = await deps.db.transaction().execute((trx) => fanOut(trx, deps));
    for (const id of outcome.revoked) await deps.queues.enqueueRevocation({ kind: "user", id });
    for (const scope of outcome.requested) {
      await deps.queues.enqueueReconcile({ scopeId: scope.id, endpoint: scope.endpoint, lane: "event" });
    }
    for (const account of outcome.accounts) await deps.queues.enqueueAccount(account);
    // After a new policy version the index takes a while, and nobody's access waits for it.
    if (isBehind) while (await renewIndex(deps));
    if (outcome.isMore) await deps.queues.enqueueDirectoryChanged(LOOK_AGAIN_MS);
  };
}

interface Outcome {
  readonly requested: readonly RequestedScope[];
  /** Users whose access ends ahead of everything (rule C3). */
  readonly revoked: readonly string[];
  /** Accounts of users that changed, at endpoints where accounts are kept (rule C5). */
  readonly accounts: readonly RequestedAccount[];
  readonly isMore: boolean;
}

/** Takes a part of what is new in registry and policy into the index; whether there is more. */
function renewIndex({ db, activePolicy }: FanOutDeps): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    await lockPolicyShared(trx);
    const active = await activePolicy.find(trx);
    return active !== undefined && (await renewScopeReferences(trx, active));
  });
}

async function fanOut(trx: Queryable, { activePolicy }: FanOutDeps): Promise<Outcome> {
  // No version may come into force between what a change meant under the one and what it means under the other.
  await lockPolicyShared(trx);
  const after: ChangeCursor = await lockCursor(trx, DIRECTORY_CURSOR);
  const changes = await listDirectoryChanges(trx, after, BATCH);
  const last = changes.at(-1);
  if (last === undefined)
    return { requested: [], revoked: [], accounts: [], isMore: await hasDirectoryChanges(trx, after) };
  const active = await activePolicy.find(trx);
  // Another version came into force since the index was renewed: it is renewed again first.
  if (active !== undefined && !(await isReferenceIndexOf(trx, active.version))) {
    return { requested: [], revoked: [], accounts: [], isMore: true };
  }
  for (const change of changes) await raiseGroupFindings(trx, active?.policy, change);
  const affected = active === undefined ? [] : await listAffectedScopes(trx, active.policy, changes);
  const requested = await requestScopes(trx, [...affected], "directory");
  const userIds = changes.filter((change) => change.kind.startsWith("user.")).map((change) => change.resourceId);
  const accounts = await requestAccountsOf(trx, [...new Set(userIds)]);
  const revoked = listRevoked(changes);
  await requestRevocations(trx, revoked);
  await saveCursor(trx, DIRECTORY_CURSOR, last);
  if (requested.length > 0) await notify(trx, "registry", "");
  const reactivated = changes.filter(({ kind }) => kind === "user.reactivated").map((change) => change.resourceId);
  const woken = await wakeRevocations(trx, reactivated);
  const ids = revoked.map(({ id }) => id);
  return { requested, revoked: [...ids, ...woken], accounts, isMore: await hasDirectoryChanges(trx, last) };
}

function listRevoked(changes: readonly RecordedChange[]): readonly RevocationRequest[] {
  const ended = changes.filter(({ kind }) => kind === "user.deactivated" || kind === "user.deleted");
  return [...new Set(ended.map((change) => change.resourceId))].map((id) => ({ kind: "user", id, cause: "inactive" }));
}
