/** What each job does: the catalogue's processors, without the queue that calls them. */
import type { AuditConfiguration } from "@branchward/core";
import type { Processors } from "@branchward/queue";
import { createReconcileAccount } from "./accounts/reconcile-account.ts";
import { createAuditEndpoint } from "./audit/audit-endpoint.ts";
import { createFanOut } from "./directory/fan-out.ts";
import { createProbeEndpoint } from "./endpoint/probe-endpoint.ts";
import { createLookUpBranches, type LookUpDeps } from "./hosts/look-up-branches.ts";
import { createReconcileScope } from "./reconcile/reconcile-scope.ts";
import { createRevokeAccess, type RevokeAccessDeps } from "./revoke/revoke-access.ts";
import { createSweep, createWake } from "./timers/sweep.ts";

export interface ProcessorDeps extends RevokeAccessDeps, LookUpDeps {
  readonly audit: AuditConfiguration;
}

/** Makes the processors of all jobs; each may run twice, and several at once. */
export function createProcessors(deps: ProcessorDeps): Processors {
  const reconcile = createReconcileScope(deps);
  const wake = createWake(deps);
  const probeEndpoint = createProbeEndpoint(deps);
  const lookUpBranches = createLookUpBranches(deps);
  const auditEndpoint = createAuditEndpoint(deps);
  return {
    "scope.reconcile": ({ scopeId }, run) => reconcile(scopeId, run),
    "account.reconcile": createReconcileAccount(deps),
    "scope.wake": ({ scopeId }) => wake(scopeId),
    "access.revoke": createRevokeAccess(deps),
    "endpoint.probe": (job) => probeEndpoint(job),
    "endpoint.audit": ({ endpoint }) => auditEndpoint(endpoint),
    "source.backfill": ({ repositoryId }) => lookUpBranches(repositoryId),
    "directory.changed": createFanOut(deps),
    "outbox.sweep": createSweep(deps),
  };
}
