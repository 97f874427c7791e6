/** What a bridge remembers: resources as SCIM shows them, and what the native system knows them by. */
import type { JsonObject } from "@branchward/scim";

interface HeldResource {
  readonly id: string;
  /** Rises by one with each change; it becomes the ETag. */
  readonly version: number;
  /** ISO 8601. */
  readonly created: string;
  readonly lastModified: string;
  /** By canonical names, without secrets. */
  readonly attributes: JsonObject;
}

export interface HeldUser extends HeldResource {
  /** The name of the native account. */
  readonly account: string;
  /** What the target keeps of the account: a password's hash, keys. */
  readonly native: JsonObject;
  /** True while the account is one that was found in the native system, and is left there as it is until it is adopted. */
  readonly isFound?: true;
}

export interface HeldGroup extends HeldResource {
  /** Ids of users and groups, in the order in which they came. */
  readonly members: ReadonlySet<string>;
  /** The highest `Branchward-Fence` that has written (rule C4). */
  readonly fence: number;
}

/** Everything held at one moment, by id; never changed in place. */
export interface Snapshot {
  readonly users: ReadonlyMap<string, HeldUser>;
  readonly groups: ReadonlyMap<string, HeldGroup>;
}

/** False only for users that were deactivated: an account is active unless it is said not to be. */
export function isActive({ attributes }: Pick<HeldUser, "attributes">): boolean {
  return attributes["active"] !== false;
}

/** The users that a group reaches, directly or through groups, which may nest in cycles; those that are active. */
export function listActiveUsers({ users, groups }: Snapshot, group: HeldGroup): readonly HeldUser[] {
  const reached = new Set<HeldUser>();
  const seen = new Set<HeldGroup>([group]);
  for (const { members } of seen) {
    for (const id of members) {
      const user = users.get(id);
      const nested = groups.get(id);
      if (user !== undefined && isActive(user)) reached.add(user);
      if (nested !== undefined) seen.add(nested);
    }
  }
  return [...reached];
}
