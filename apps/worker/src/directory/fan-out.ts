/** `directory.changed`: from changes of users and groups to exactly the branches that they affect. */
import { matchesBranch, type Policy, policyReferences, type PolicyRule } from "@branchward/core";
import type { Queues } from "@branchward/queue";
import {
  type ActivePolicy,
  bindReferences,
  type ChangeCursor,
  type Database,
  hasDirectoryChanges,
  listDirectoryChanges,
  listLiveBranches,
  listReferencesBoundTo,
  listReferencesReaching,
  listUsersById,
  lockCursor,
  notify,
  type Queryable,
  raiseFinding,
  type RecordedChange,
  requestAccountsOf,
  type RequestedAccount,
  type RequestedScope,
  requestRevocations,
  requestScopesOf,
  type RevocationRequest,
  saveCursor,
  wakeRevocations,
} from "@branchward/store";

export interface FanOutDeps {
  readonly db: Database;
  readonly queues: Queues;
  readonly activePolicy: ActivePolicy;
}

const CURSOR = "directory";
const BATCH = 1_000;
/** Changes of transactions that began before one still open are read once that one has ended. */
const LOOK_AGAIN_MS = 25;

/** Reads new changes, asks for the scopes they affect, and enqueues them. */
export function createFanOut(deps: FanOutDeps) {
  return async (): Promise<void> => {
    const outcome = await deps.db.transaction().execute((trx) => fanOut(trx, deps));
    for (const scope of outcome.requested) {
      await deps.queues.enqueueReconcile({ scopeId: scope.id, endpoint: scope.endpoint, lane: "event" });
    }
    for (const id of outcome.revoked) await deps.queues.enqueueRevocation({ kind: "user", id });
    for (const account of outcome.accounts) await deps.queues.enqueueAccount(account);
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

async function fanOut(trx: Queryable, { activePolicy }: FanOutDeps): Promise<Outcome> {
  const after: ChangeCursor = await lockCursor(trx, CURSOR);
  const changes = await listDirectoryChanges(trx, after, BATCH);
  const last = changes.at(-1);
  if (last === undefined)
    return { requested: [], revoked: [], accounts: [], isMore: await hasDirectoryChanges(trx, after) };
  const active = await activePolicy.find(trx);
  const affected = active === undefined ? [] : await listAffectedBranches(trx, active.policy, changes);
  const userIds = changes.filter((change) => change.kind.startsWith("user.")).map((change) => change.resourceId);
  const accounts = await requestAccountsOf(trx, [...new Set(userIds)]);
  const requested = await requestScopesOf(trx, new Map(affected.map((id) => [id, "directory"])));
  const revoked = listRevoked(changes);
  await requestRevocations(trx, revoked);
  await saveCursor(trx, CURSOR, last);
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

async function listAffectedBranches(
  trx: Queryable,
  policy: Policy,
  changes: readonly RecordedChange[],
): Promise<readonly string[]> {
  for (const change of changes) await raiseGroupFindings(trx, change);
  const newlyBound = await bindReferences(trx, policyReferences(policy).groups);
  const groupIds = changes.filter((change) => change.kind.startsWith("group.")).map((change) => change.resourceId);
  const userIds = changes.filter((change) => change.kind.startsWith("user.")).map((change) => change.resourceId);
  const reached = await listReferencesReaching(trx, { groupIds, userIds });
  const references = new Set([...newlyBound, ...reached]);
  const names = await listUserNames(trx, userIds, changes);
  const rules = policy.rules.filter((rule) => mentions(rule, references, names));
  const botsChanged = policy.bots.some((bot) => names.has(bot.userName.toLowerCase()));
  if (rules.length === 0 && !botsChanged) return [];
  const branches = await listLiveBranches(trx);
  const concerned = branches.filter((branch) => rules.some((rule) => matchesBranch(rule, branch)));
  return concerned.map((branch) => branch.id);
}

/** A bound group that was deleted or renamed is worth a look: the binding stays with the id (rule B4). */
async function raiseGroupFindings(trx: Queryable, change: RecordedChange): Promise<void> {
  if (change.kind !== "group.deleted" && change.kind !== "group.renamed") return;
  for (const reference of await listReferencesBoundTo(trx, change.resourceId)) {
    if (change.kind === "group.deleted") {
      await raiseFinding(trx, {
        kind: "group-lost",
        subject: reference,
        severity: "critical",
        message: `its group was deleted: grants and denies keep the last members and nobody is added; re-bind with: branchward groups bind ${reference} ID`,
      });
    } else if ("from" in change.details) {
      const { from, to } = change.details;
      await raiseFinding(trx, {
        kind: "group-renamed",
        subject: reference,
        severity: "info",
        message: `its group was renamed from ${from} to ${to}; the policy still means this group`,
      });
    }
  }
}

async function listUserNames(
  trx: Queryable,
  userIds: readonly string[],
  changes: readonly RecordedChange[],
): Promise<ReadonlySet<string>> {
  const users = await listUsersById(trx, userIds);
  const former = changes.flatMap((change) => {
    if (change.kind === "user.renamed") return [change.details.from, change.details.to];
    return change.kind === "user.deleted" ? [change.details.userName] : [];
  });
  return new Set([...users.map((user) => user.userName), ...former].map((name) => name.toLowerCase()));
}

function mentions(rule: PolicyRule, references: ReadonlySet<string>, names: ReadonlySet<string>): boolean {
  const principals = [...rule.grants, ...rule.deny].flatMap((each) => each.to);
  return principals.some((principal) =>
    principal.kind === "group" ? references.has(principal.reference) : names.has(principal.userName.toLowerCase()),
  );
}
