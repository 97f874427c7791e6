import type { Lane, Queues } from "@branchward/queue";
import type { RequestedScope } from "@branchward/store";

/** Enqueues what a committed transaction asked for. */
export async function enqueueAll(
  queues: Queues,
  scopes: readonly RequestedScope[],
  lane: Lane = "event",
): Promise<void> {
  for (const scope of scopes) await queues.enqueueReconcile({ scopeId: scope.id, endpoint: scope.endpoint, lane });
}
