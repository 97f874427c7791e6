import { UnavailableError } from "@branchward/core";
import { type Database, getLeaseRemaining, type Lease, renewLease } from "@branchward/store";
import { LEASE_MS, MIN_LEASE_MS } from "./lease-times.ts";

/**
 * Before each write the lease is checked again, with more left of it than a call may take (rule C4).
 * @throws {UnavailableError} `lease_lost` when another run has it
 */
export async function holdLease(db: Database, lease: Lease): Promise<void> {
  if ((await getLeaseRemaining(db, lease)) >= MIN_LEASE_MS) return;
  if (await renewLease(db, lease, LEASE_MS)) return;
  throw leaseLost();
}

/** `lease_lost`: another run has the scope. */
export function leaseLost(): UnavailableError {
  return new UnavailableError("the lease was lost to another run", { code: "lease_lost" });
}
