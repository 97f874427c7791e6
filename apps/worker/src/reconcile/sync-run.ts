import type { Database, Lease } from "@branchward/store";
import type { Queues } from "@branchward/queue";
import type { Endpoint } from "../endpoint/endpoint.ts";
import type { LoadedScope } from "./load-scope.ts";
import type { Timeline } from "./timeline.ts";

/** One run of a scope, and what it works with. */
export interface SyncRun {
  readonly db: Database;
  readonly queues: Queues;
  readonly pairingWindowMs: number;
  readonly endpoint: Endpoint;
  readonly lease: Lease;
  /** Of what was merged into the branch. */
  readonly merged: readonly Lease[];
  readonly scope: LoadedScope;
  readonly timeline: Timeline;
  /** True where what the ledger gave goes even if a read does not show it (rule C3). */
  readonly isRevocation: boolean;
}
