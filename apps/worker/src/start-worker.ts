/** The worker: consumes the queues, keeps timers, activates what the configuration file proposes. */
import { type AuditConfiguration, type SourceConfiguration, UnavailableError } from "@branchward/core";
import { type QueueBackend, type Queues, startWorkers } from "@branchward/queue";
import type { Logger } from "@branchward/runtime";
import { type ActivePolicy, type Database, ensureAudits, raiseFinding, resolveFinding } from "@branchward/store";
import type { Endpoint } from "./endpoint/endpoint.ts";
import type { LookUpDeps } from "./hosts/look-up-branches.ts";
import { followPolicyFile, type PolicyFile, proposeFile } from "./policy/policy-file.ts";
import { createProcessors } from "./processors.ts";
import { OVERTAKEN } from "./reconcile/hold-lease.ts";
import { keepSweeping } from "./timers/keep-sweeping.ts";

export interface WorkerDeps extends Pick<LookUpDeps, "hosts" | "joined" | "beginLook"> {
  readonly db: Database;
  readonly backend: QueueBackend;
  readonly queues: Queues;
  readonly activePolicy: ActivePolicy;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly pairingWindowMs: number;
  readonly audit: AuditConfiguration;
  readonly policy: PolicyFile;
  readonly sources: readonly Pick<SourceConfiguration, "name" | "isMayGiven">[];
  readonly log: Logger;
}

/** How runs give their scope back in ordinary work, to begin anew by what is so by then: nobody has anything to do about it. */
const GIVEN_BACK = new Set(["stopping", "lease_taken", "merged", OVERTAKEN]);

function isGivenBack(error: unknown): boolean {
  return error instanceof UnavailableError && GIVEN_BACK.has(error.code);
}

export interface RunningWorker extends AsyncDisposable {
  /** Looks at the configuration file now, whether or not a change of it was noticed. */
  readPolicyFile(): Promise<void>;
}

/** Starts working; ready when it resolves. Disposing waits for running jobs, of which long ones end where they can. */
export async function startWorker(deps: WorkerDeps): Promise<RunningWorker> {
  const policyDeps = { ...deps, endpoints: [...deps.endpoints.keys()] };
  await proposeFile(policyDeps, deps.policy);
  await raiseSourceFindings(deps);
  await ensureAudits(deps.db, { endpoints: [...deps.endpoints.keys()], spreadMs: deps.audit.intervalMs });
  await using stack = new AsyncDisposableStack();
  const stopping = new AbortController();
  const workers = stack.use(
    startWorkers({
      backend: deps.backend,
      endpoints: new Map([...deps.endpoints].map(([name, endpoint]) => [name, endpoint.concurrency])),
      processors: createProcessors({ ...deps, stopping: stopping.signal }),
      onFailure: ({ jobName, jobId, error }) =>
        deps.log[isGivenBack(error) ? "debug" : "warn"]({ err: error, jobName, jobId }, "job failed"),
    }),
  );
  await workers.waitUntilReady();
  stack.use(keepSweeping(deps));
  const policyFile = stack.use(followPolicyFile(policyDeps, deps.policy));
  stack.defer(() => stopping.abort());
  const held = stack.move();
  return { readPolicyFile: () => policyFile.look(), [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** A source that was not told what it may do may do both, which stands as a finding (rule A1). */
async function raiseSourceFindings({ db, sources }: WorkerDeps): Promise<void> {
  for (const { name, isMayGiven } of sources) {
    if (isMayGiven) await resolveFinding(db, "source-may-default", name);
    else {
      await raiseFinding(db, {
        kind: "source-may-default",
        subject: name,
        severity: "info",
        message:
          "may is left out, so that the source may tell of checkouts and of refs: write may: [checkout], may: [refs] or both",
      });
    }
  }
}
