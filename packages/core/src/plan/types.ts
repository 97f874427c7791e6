import type { Desired, Exclusion, Reason } from "../desired/types.ts";
import type {
  BranchState,
  Entitlement,
  IncarnationId,
  MismatchClass,
  RefType,
  UserId,
  Vcs,
  Verdict,
} from "../words.ts";

/** `urn:branchward:scim:schemas:extension:1.0:BranchEntitlement` as data. */
export interface BranchEntitlement {
  readonly repository: string;
  readonly branch: string;
  readonly refType: RefType;
  readonly entitlement: Entitlement;
  readonly incarnation: IncarnationId;
  readonly vcs: Vcs;
}

/** The incarnation whose scope is reconciled. */
export interface ScopeBranch {
  readonly incarnation: IncarnationId;
  readonly repository: string;
  readonly branch: string;
  readonly refType: RefType;
  readonly vcs: Vcs;
  readonly state: BranchState;
  readonly endedAt: Date | null;
}

/** A group as an endpoint showed it. Members are the endpoint's own user ids. */
export interface ActualGroup {
  readonly id: string;
  readonly displayName: string;
  readonly externalId: string | null;
  readonly members: readonly string[];
  /** Null where the endpoint drops the extension. */
  readonly extension: BranchEntitlement | null;
  /** What `If-Match` is given for the first write after this read; left out where the endpoint has no versions. */
  readonly version?: string | undefined;
  /** As the endpoint writes it; left out where it does not say. */
  readonly lastModified?: string | undefined;
}

/** The stored knowledge that the endpoint's group `groupId` carries this entitlement of this incarnation. */
export interface GroupBinding {
  readonly incarnation: IncarnationId;
  readonly entitlement: Entitlement;
  readonly groupId: string;
}

export interface PlanInput {
  readonly branch: ScopeBranch;
  readonly desired: Desired;
  /** Every group read that is bound here, bears our `externalId`, or bears a name that we want. */
  readonly actual: readonly ActualGroup[];
  /** Of this incarnation, and of those merged into it, whose groups go first (rule A5). */
  readonly bindings: readonly GroupBinding[];
  /** `{repository}:{branch}:{entitlement}` by default. */
  readonly displayNameTemplate: string;
  readonly now: Date;
  readonly pairingWindowMs: number;
  /** The endpoint's id for a directory user (rule C5); undefined where there is no usable account. */
  readonly accountOf: (userId: UserId) => string | undefined;
  /** Whose account we closed: it stays where it is, and is added nowhere before it is opened again (rule C5). */
  readonly isClosed?: (userId: UserId) => boolean;
  /** While a rename is not verified whoever loses loses by it, and no guard looks at that (rules A5, C1). */
  readonly isRenaming?: boolean;
  /** The endpoint is given up: whoever loses loses by that (rule B8). */
  readonly isRetired?: boolean;
  /** Entitlements whose group may be there under another's name: none is made beside it (rule C6). */
  readonly collisions?: ReadonlySet<Entitlement>;
  /** Keys of removals that guards keep back (`removalKey`); the members stay in the effective set (rule C1). */
  readonly keptBack?: ReadonlySet<string>;
}

export type RemovalCause =
  | Exclusion["cause"]
  | "deleted"
  | "closed"
  | "merged"
  /** The entitlement has another group of ours, which is the one that counts. */
  | "duplicate"
  | "retired"
  /** Not granted under the name that the branch, or its repository, has now: no guard looks at that (rules A5, C1). */
  | "renamed"
  | "unmentioned"
  | "not-granted";

export interface Addition {
  readonly member: string;
  readonly userId: UserId;
  readonly reasons: readonly Reason[];
}

export interface Removal {
  readonly member: string;
  /** Null for a member that no user of the directory maps to: somebody's doing at the endpoint. */
  readonly userId: UserId | null;
  readonly cause: RemovalCause;
}

/** One write at the endpoint, in the order in which it is to be made. */
export type Operation =
  | {
      readonly kind: "removeMembers";
      readonly entitlement: Entitlement;
      readonly groupId: string;
      readonly removals: readonly Removal[];
    }
  | { readonly kind: "deleteGroup"; readonly entitlement: Entitlement; readonly groupId: string }
  | {
      readonly kind: "renameGroup";
      readonly entitlement: Entitlement;
      readonly groupId: string;
      readonly displayName: string;
      /** Null where the endpoint drops the extension: it is not written then. */
      readonly extension: BranchEntitlement | null;
    }
  | {
      readonly kind: "createGroup";
      readonly entitlement: Entitlement;
      readonly displayName: string;
      readonly externalId: string;
      readonly extension: BranchEntitlement;
      readonly additions: readonly Addition[];
    }
  | {
      readonly kind: "addMembers";
      readonly entitlement: Entitlement;
      readonly groupId: string;
      readonly additions: readonly Addition[];
    };

/** A group as it must read once the plan is applied. */
export interface EffectiveGroup {
  readonly entitlement: Entitlement;
  /** Null until it is created. */
  readonly groupId: string | null;
  readonly displayName: string;
  readonly externalId: string;
  /** Sorted endpoint ids. */
  readonly members: readonly string[];
}

export interface Plan {
  readonly operations: readonly Operation[];
  /** Desired with the changes left out that are withheld. */
  readonly effective: readonly EffectiveGroup[];
  /** Groups that must no longer be found. */
  readonly gone: readonly string[];
  /** Groups found by `externalId` that were not bound yet (rule C6). */
  readonly adopted: readonly GroupBinding[];
  /** Desired members without a usable account at the endpoint (rule C5). */
  readonly missing: readonly { readonly entitlement: Entitlement; readonly userId: UserId }[];
  /** Removals that guards keep back (rule C1). */
  readonly keptBack: readonly (Removal & { readonly entitlement: Entitlement })[];
  /** Additions withheld because a group of the policy is lost (rule B4). */
  readonly withheld: readonly (Omit<Addition, "member"> & { readonly entitlement: Entitlement })[];
  /** When the scope must be looked at again without an event. */
  readonly dueAt: Date | null;
}

export interface Mismatch {
  readonly entitlement: Entitlement;
  readonly class: MismatchClass;
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

/** What an independent read after a sync proves (rule C8). */
export interface Judgement {
  readonly verdict: Extract<Verdict, "verified" | "diverged">;
  readonly mismatches: readonly Mismatch[];
}
