import {
  blockEndpoint,
  claimProbe,
  closeBreaker,
  type Database,
  findEndpointGate,
  noteUnblocked,
  openBreaker,
  saveCallLimit,
} from "@branchward/store";
import type { GateRecord } from "./breaker.ts";

/** Keeps a gate's state in PostgreSQL. */
export function createGateRecord(
  db: Database,
  { endpoint, probeEveryMs }: { readonly endpoint: string; readonly probeEveryMs: number },
): GateRecord {
  return {
    find: () => findEndpointGate(db, endpoint),
    open: (error) => openBreaker(db, { endpoint, probeEveryMs, error }),
    close: () => closeBreaker(db, endpoint),
    claimProbe: () => claimProbe(db, endpoint, probeEveryMs),
    block: (forMs, error) => blockEndpoint(db, { endpoint, forMs, error }),
    unblocked: () => noteUnblocked(db, endpoint),
    saveLimit: (limit) => saveCallLimit(db, endpoint, limit),
  };
}
