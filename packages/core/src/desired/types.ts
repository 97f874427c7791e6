import type { Policy, Place } from "../policy/types.ts";
import type { BranchState, Entitlement, IncarnationId, RefType, Trust, UserId } from "../words.ts";

export interface GroupMember {
  readonly userId: UserId;
  /** Display names from the referenced group down to the one that holds the user. */
  readonly path: readonly string[];
}

/** What a policy's group reference is bound to (rule B4). For `lost`, the members are the last known ones. */
export interface GroupResolution {
  readonly state: "bound" | "unbound" | "lost";
  readonly members: readonly GroupMember[];
}

export interface DirectoryUser {
  readonly id: UserId;
  readonly userName: string;
  readonly active: boolean;
  /** The attributes that `policyReferences` names, where the user has them. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** The directory's users, as far as the facts need them. */
export interface DirectoryUsers {
  readonly byId: ReadonlyMap<UserId, DirectoryUser>;
  /** By `foldName`: `userName` is not case-sensitive (RFC 7643 §4.1.1). */
  readonly byUserName: ReadonlyMap<string, DirectoryUser>;
}

/** A user's working copy that stands on the branch, or stood there lately (rule B6). */
export interface Checkout {
  readonly userId: UserId;
  /** The earlier of source clock and receipt. */
  readonly startedAt: Date;
  readonly trust: Trust;
  readonly workingCopy: string;
  /** When it left; null or left out while it stands there. What was held by being there ended with it. */
  readonly endedAt?: Date | null;
}

/** An emergency grant that was approved for this incarnation (rule B9), over or not. */
export interface EmergencyGrant {
  readonly id: string;
  readonly userId: UserId;
  readonly entitlement: Entitlement;
  /** The client that approved it. */
  readonly approvedBy: string;
  /** When it ends, or was ended. */
  readonly until: Date;
}

/** All that decides who may act on one branch. */
export interface AccessFacts {
  readonly policy: Policy;
  readonly repository: { readonly name: string };
  readonly incarnation: {
    readonly refType: RefType;
    readonly state: BranchState;
    /** The current name first; former ones follow while a rename is not verified (rule A5). */
    readonly names: readonly [string, ...string[]];
  };
  readonly now: Date;
  /** By reference as written in the policy: `group:name`, `group:client/name`. Missing ones are unbound. */
  readonly groups: ReadonlyMap<string, GroupResolution>;
  /** Whoever the groups, the policy's names and the checkouts mean. */
  readonly users: DirectoryUsers;
  readonly checkouts: readonly Checkout[];
  /** Who keeps what because a guard withholds the removal: part of the effective set (rule C1). */
  readonly withheld?: ReadonlyMap<Entitlement, ReadonlySet<UserId>>;
  readonly emergencies: readonly EmergencyGrant[];
  /** Who holds what by the ledger: while a group is lost nobody else may be added (rule B4). Left out: nobody. */
  readonly held?: ReadonlyMap<Entitlement, ReadonlySet<UserId>>;
}

/** The facts of one scope. */
export interface DesiredFacts extends AccessFacts {
  readonly incarnation: AccessFacts["incarnation"] & { readonly id: IncarnationId };
  readonly endpoint: { readonly name: string };
}

/** One way in which policy, or an emergency grant, gives an entitlement to a user. */
export interface Reason extends Place {
  /** Of an emergency grant `emergency <id>`; its file is empty and its line 0. */
  readonly rule: string;
  /** `group:engineering`, `user:alice`, `bot:deployer`. */
  readonly reference: string;
  /** Group path; empty where the user is named directly. */
  readonly path: readonly string[];
  readonly kind: "standing" | "just-in-time" | "emergency";
  /** When this reason ends; null for never. */
  readonly until: Date | null;
  /** The client that approved an emergency grant. */
  readonly approvedBy?: string;
}

export interface DesiredMember {
  readonly userId: UserId;
  readonly reasons: readonly Reason[];
}

/** Why a user whom a grant reaches does not hold the entitlement. */
export interface Exclusion extends Place {
  readonly userId: UserId;
  readonly entitlement: Entitlement;
  readonly cause: "inactive" | "expired" | "untrusted" | "exclusive" | "deny" | "ceiling" | "rename";
  readonly rule: string;
  readonly reference: string;
  readonly path: readonly string[];
}

export interface Finding extends Place {
  readonly code:
    | "group-unbound"
    | "group-lost"
    | "user-unknown"
    | "exclusive-withheld"
    | "ceiling-clipped"
    | "at-least";
  readonly severity: "info" | "warning" | "critical";
  readonly rule: string;
  readonly message: string;
  readonly entitlement: Entitlement | null;
  readonly userId: UserId | null;
}

/** What ought to be in one scope. */
export interface Desired {
  /** One per entitlement group that exists, empty or not (rule B2); sorted by name, members by id. */
  readonly entitlements: readonly { readonly entitlement: Entitlement; readonly members: readonly DesiredMember[] }[];
  readonly exclusions: readonly Exclusion[];
  /** Of groups once bound that are lost: while there are any nobody may be added in this scope (rule B4). */
  readonly lostReferences: readonly string[];
  /** When the answer changes by itself. */
  readonly nextChangeAt: Date | null;
  readonly findings: readonly Finding[];
}
