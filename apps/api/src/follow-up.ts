/** What becomes of a committed change: jobs for what it asked to be looked at. The answer waits for none of them. */
import type { AccountRequest, Lane, Queues, RevocationJob } from "@branchward/queue";
import type { Logger } from "@branchward/runtime";
import type { RequestedScope } from "@branchward/store";

/**
 * Nothing here fails, and nothing waits: what was asked for stands in the record already, so that a queue that is away, or
 * does not answer, must not make a change that was made look as if it had failed. The sweeper enqueues what is missing.
 */
export interface FollowUp {
  reconcile(scopes: readonly RequestedScope[], lane?: Lane): void;
  /** Ahead of everything (rule C3). */
  revoke(kind: RevocationJob["kind"], ids: readonly string[]): void;
  bringAccount(account: AccountRequest): void;
}

/** Jobs added at once: the queue takes them faster than one by one, and not all of ten thousand. */
const ADDED_AT_ONCE = 50;

export function createFollowUp({ queues, log }: { readonly queues: Queues; readonly log: Logger }): FollowUp {
  function add<Item>(items: readonly Item[], enqueue: (item: Item) => Promise<void>): void {
    // One line for all of them: what fails for the first of ten thousand does for the last.
    addAll(items, enqueue).catch((error: unknown) => {
      log.warn({ err: error, jobs: items.length }, "enqueue failed; the sweeper will");
    });
  }
  return {
    reconcile(scopes, lane = "event") {
      add(scopes, ({ id, endpoint }) => queues.enqueueReconcile({ scopeId: id, endpoint, lane }));
    },
    revoke(kind, ids) {
      add(ids, (id) => queues.enqueueRevocation({ kind, id }));
    },
    bringAccount(account) {
      add([account], (one) => queues.enqueueAccount(one));
    },
  };
}

async function addAll<Item>(items: readonly Item[], enqueue: (item: Item) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += ADDED_AT_ONCE) {
    await Promise.all(items.slice(from, from + ADDED_AT_ONCE).map(enqueue));
  }
}
