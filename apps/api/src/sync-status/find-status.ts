/** Finds what a question about a branch is about, and answers it; `wait` holds the answer while it may still change. */
import { type CiConfiguration, findQueueBase, isGoverned, type RefType, scopesFor } from "@branchward/core";
import type { Queues } from "@branchward/queue";
import type { Logger } from "@branchward/runtime";
import {
  type ActivePolicy,
  type BranchRow,
  type Database,
  findHead,
  listRepositoriesByName,
  listRetiredEndpoints,
  listScopesOf,
  type Notifications,
  type Queryable,
  requestLookup,
  type ScopeState,
} from "@branchward/store";
import { type BranchQuestion, findBranchNamed } from "../branch-question.ts";
import { decideStatus, type Status } from "./decide-status.ts";

export interface StatusQuestion extends BranchQuestion {
  readonly revision?: string | undefined;
  readonly entitlement?: string | undefined;
}

export interface StatusDeps {
  readonly db: Database;
  readonly activePolicy: ActivePolicy;
  readonly notifications: Notifications;
  readonly endpoints: ReadonlyMap<string, "required" | "advisory">;
  readonly ci: CiConfiguration;
  /** Sources whose host can be asked for a branch. */
  readonly askable: readonly string[];
  readonly queues: Pick<Queues, "enqueueReconcile" | "enqueueBackfill">;
  readonly log: Logger;
}

export interface StatusAnswer extends Omit<Status, "state"> {
  readonly state: Status["state"] | "unknown";
  readonly repository: string;
  readonly branch: string;
  readonly refType: RefType | null;
  readonly revision: string | null;
  readonly incarnation: string | null;
  readonly governed: boolean;
  /** Endpoints at which policy would give the branch something, were they not retired (rule B8). */
  readonly retired: readonly string[];
  /** The last sync of the branch, for a look behind the answer. */
  readonly sync: string | null;
}

interface Found {
  readonly answer: StatusAnswer;
  /** What the answer waits for. */
  readonly pending: readonly ScopeState[];
}

/** What an answer is read from. */
export type FindStatusDeps = Pick<StatusDeps, "db" | "activePolicy" | "endpoints" | "ci">;

/** Answers at once. @throws {InvalidInputError} `ambiguous_branch` when several branches match. */
export async function findStatus(deps: FindStatusDeps, question: StatusQuestion): Promise<Found> {
  const branch = (await findBranchNamed(deps.db, question)) ?? (await findBaseOf(deps.db, question));
  if (branch === undefined) return { answer: toUnknown(question, null), pending: [] };
  const revision = question.revision ?? branch.head;
  const head = await findHead(deps.db, branch.id, revision);
  if (head === undefined && question.revision !== undefined) {
    return { answer: toUnknown(question, branch), pending: [] };
  }
  const configured = [...deps.endpoints.keys()];
  const active = await deps.activePolicy.find(deps.db);
  const [allRetired, all] = await Promise.all([
    listRetiredEndpoints(deps.db, configured),
    listScopesOf(deps.db, branch.id),
  ]);
  const named = active === undefined ? [] : scopesFor(active.policy, branch, configured);
  const retired = named.filter((endpoint) => allRetired.includes(endpoint));
  const given = named.filter((endpoint) => !retired.includes(endpoint));
  const isAnswering = (scope: ScopeState): boolean =>
    branch.state === "deleted" ? !allRetired.includes(scope.endpoint) : given.includes(scope.endpoint);
  const scopes = all.filter((scope) => isAnswering(scope) || !isGone(scope));
  const status = decideStatus({
    scopes,
    endpoints: deps.endpoints,
    needed: head?.requested ?? {},
    ageMs: head?.ageMs ?? 0,
    entitlement: question.entitlement,
    ci: deps.ci,
  });
  const { entitlement } = question;
  const isNamed = active !== undefined && entitlement !== undefined && isGoverned(active.policy, branch, entitlement);
  const answer = {
    ...status,
    repository: branch.repository,
    branch: question.branch,
    refType: branch.refType,
    revision,
    incarnation: branch.id,
    governed: entitlement === undefined ? given.length > 0 : isNamed,
    retired,
    sync: newestSync(scopes),
  };
  return { answer, pending: scopes.filter(({ requested, reconciled }) => requested > reconciled) };
}

/** A build in a merge queue may know no more than its temporary branch; its group answers for the base branch (rule D3). */
async function findBaseOf(db: Queryable, question: StatusQuestion): Promise<BranchRow | undefined> {
  const base = findQueueBase(question.branch);
  return base === undefined ? undefined : findBranchNamed(db, { ...question, branch: base });
}

/** Of a scope that policy gives no more, or at a retired endpoint: its groups are verified gone, and it says nothing of the branch (rule B8). */
function isGone({ verdict, requested, reconciled }: ScopeState): boolean {
  return verdict === "verified" && reconciled >= requested;
}

function newestSync(scopes: readonly ScopeState[]): string | null {
  // UUIDv7 ids sort by time.
  return scopes.map((scope) => scope.lastSync).reduce((a, b) => ((a ?? "") > (b ?? "") ? a : b), null);
}

function toUnknown(question: StatusQuestion, branch: BranchRow | null): StatusAnswer {
  return {
    state: "unknown",
    conclusion: "waiting",
    degraded: false,
    endpoints: [],
    repository: question.repository,
    branch: question.branch,
    refType: branch?.refType ?? question.refType ?? null,
    revision: question.revision ?? null,
    incarnation: branch?.id ?? null,
    governed: false,
    retired: [],
    sync: null,
  };
}

/** A look without a notification: for the deadline, and should one be lost. */
const LOOK_AGAIN_MS = 1_000;

/** Holds `pending` and `unknown` for at most `waitMs`, then answers what is so. */
export async function waitForStatus(
  deps: StatusDeps,
  question: StatusQuestion,
  { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<StatusAnswer> {
  const until = performance.now() + waitMs;
  const changes = watchChanges(deps.notifications);
  const hurried = new Set<string>();
  const lookAt = performance.now() + LOOK_UP_AFTER_MS;
  let isLookedUp = false;
  try {
    for (;;) {
      const seen = changes.count();
      const { answer, pending } = await findStatus(deps, question);
      if (answer.state === "pending" || answer.state === "deadline") hurry(deps, pending, hurried);
      if (answer.state === "unknown" && !isLookedUp && performance.now() >= lookAt) {
        isLookedUp = true;
        await askHost(deps, question);
      }
      const leftMs = until - performance.now();
      if (answer.conclusion !== "waiting" || leftMs <= 0 || signal.aborted) return answer;
      await changes.next(seen, Math.min(leftMs, LOOK_AGAIN_MS), signal);
    }
  } finally {
    changes.close();
  }
}

/** A build and the webhook of its push race: what has not come by then was lost, or is late. */
const LOOK_UP_AFTER_MS = 5_000;

/** Has the host asked for the branch, once for a question (rule D1); nothing where no source can ask. */
async function askHost(deps: StatusDeps, question: StatusQuestion): Promise<void> {
  const { db, queues, log, askable: sources } = deps;
  const name = findQueueBase(question.branch) ?? question.branch;
  for (const { id } of await listRepositoriesByName(db, question.repository)) {
    if (!(await requestLookup(db, { repositoryId: id, name, sources }))) continue;
    await queues
      .enqueueBackfill(id)
      .catch((error: unknown) => log.warn({ err: error, repositoryId: id }, "enqueue failed; the sweeper will"));
  }
}

/** What somebody waits for goes ahead of what nobody waits for, and rests no longer. Once for a question. */
function hurry({ queues, log }: StatusDeps, pending: readonly ScopeState[], hurried: Set<string>): void {
  for (const { id, endpoint } of pending) {
    if (hurried.has(id)) continue;
    hurried.add(id);
    queues
      .enqueueReconcile({ scopeId: id, endpoint, lane: "ci" })
      .catch((error: unknown) => log.warn({ err: error, scopeId: id }, "not hurried; its turn comes"));
  }
}

/** Counts notifications, so that none between a look and the wait that follows is missed. */
function watchChanges(notifications: Notifications) {
  const state: { count: number; wake: () => void } = { count: 0, wake: () => undefined };
  const onChange = (): void => {
    state.count += 1;
    state.wake();
  };
  const unsubscribe = [notifications.subscribe("scopes", onChange), notifications.subscribe("registry", onChange)];
  return {
    count: () => state.count,
    next(seen: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
      if (state.count !== seen) return Promise.resolve();
      return new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener("abort", done);
          resolve();
        };
        const timer = setTimeout(done, timeoutMs);
        signal.addEventListener("abort", done, { once: true });
        state.wake = done;
      });
    },
    close: () => unsubscribe.forEach((stop) => stop()),
  };
}
