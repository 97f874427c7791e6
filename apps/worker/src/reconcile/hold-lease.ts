import { UnavailableError, type UserId } from "@branchward/core";
import { type Database, getLeaseRemaining, type Lease, listEndedUsers, renewLease } from "@branchward/store";
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

/** What has to hold before each write of a run. */
export interface WriteGuard {
  /** From here on the run adds these users. */
  expect(adding: readonly UserId[]): void;
  /** @throws {UnavailableError} `lease_lost`; `overtaken` when one of those to be added was deactivated or deleted since */
  check(): Promise<void>;
}

/**
 * A write may wait for its turn at the endpoint, so that the lease is looked at when it is sent, and so is the directory: the
 * revocation of who was deactivated since the run loaded may yet be to come, and gives nobody what it then takes (rule C3).
 */
export function createWriteGuard(db: Database, lease: Lease, loadedAt: Date): WriteGuard {
  const adding = new Set<UserId>();
  return {
    expect(userIds) {
      for (const userId of userIds) adding.add(userId);
    },
    async check() {
      await holdLease(db, lease);
      if (adding.size === 0 || !(await listEndedUsers(db, loadedAt)).some((userId) => adding.has(userId))) return;
      throw overtaken();
    },
  };
}

/** `overtaken`: somebody whom the run was to add is not active any more. */
export function overtaken(): UnavailableError {
  return new UnavailableError("somebody who was to be added is deactivated by now", { code: OVERTAKEN });
}

/** The code of a run that is given back: what it goes by is no longer so. */
export const OVERTAKEN = "overtaken";
