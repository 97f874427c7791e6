import type { Lane, Queues } from "@branchward/queue";
import { type Queryable, type RequestedScope, requestRevocations, requestScopesOf } from "@branchward/store";

/** Enqueues what a committed transaction asked for. */
export async function enqueueAll(
  queues: Queues,
  scopes: readonly RequestedScope[],
  lane: Lane = "event",
): Promise<void> {
  for (const scope of scopes) await queues.enqueueReconcile({ scopeId: scope.id, endpoint: scope.endpoint, lane });
}

/** Enqueues scopes in which somebody's access was just ended by hand, ahead of everything (rule C3). */
export async function enqueueEnded(queues: Queues, scopes: readonly RequestedScope[]): Promise<void> {
  for (const { id } of scopes) await queues.enqueueRevocation({ kind: "scope", id });
}

/** Asks for the scopes of these incarnations, as revocations: what ended there was ended by hand. */
export async function requestEnded(
  trx: Queryable,
  incarnations: readonly string[],
  reason: string,
): Promise<readonly RequestedScope[]> {
  const scopes = await requestScopesOf(trx, new Map(incarnations.map((id) => [id, reason])));
  await requestRevocations(
    trx,
    scopes.map(({ id }) => ({ kind: "scope", id, cause: "revoked" })),
  );
  return scopes;
}
