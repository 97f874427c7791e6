import type { Checkout, DirectoryUsers, EmergencyGrant, Exclusion, GroupResolution, Reason } from "../desired/types.ts";
import type { Policy } from "../policy/types.ts";
import type { BranchState, Entitlement, IncarnationId, RefType, UserId } from "../words.ts";

/** A policy and what its groups mean: now for the version in force, once it is activated for a proposed one. */
export interface PolicySide {
  readonly policy: Policy;
  readonly groups: ReadonlyMap<string, GroupResolution>;
}

/** What is the same for every branch that a version's plan looks at. */
export interface PolicyPlanFacts {
  /** Null where no version is in force yet. */
  readonly before: PolicySide | null;
  readonly after: PolicySide;
  /** Whoever either side may reach. */
  readonly users: DirectoryUsers;
  /** Names of all configured endpoints. */
  readonly endpoints: readonly string[];
  /** Those of them that are retired: nothing is given or taken there, whatever policy says (rule B8). */
  readonly retired: readonly string[];
  readonly now: Date;
}

/** A live branch as a version's plan sees it. */
export interface PlannedBranch {
  readonly incarnation: IncarnationId;
  readonly repository: string;
  readonly name: string;
  readonly refType: RefType;
  readonly state: BranchState;
  /** Former names that still narrow it, by endpoint (rule A5). */
  readonly strictNames: ReadonlyMap<string, readonly string[]>;
  readonly checkouts: readonly Checkout[];
  readonly emergencies: readonly EmergencyGrant[];
}

export type RuleReason = Pick<Reason, "rule" | "file" | "line" | "reference" | "path">;

/** What the proposed version gives or takes, to several users for one reason. */
export interface Gain extends RuleReason {
  readonly users: readonly UserId[];
  /** True while a lost group withholds additions (rule B4). */
  readonly withheld: boolean;
}

export type LossCause = Exclusion["cause"] | "not-granted" | "unmentioned";

export interface Loss {
  readonly users: readonly UserId[];
  readonly cause: LossCause;
  /** The rule in force that gave it. */
  readonly was: RuleReason;
  /** The proposed rule that takes it away; null where nothing grants any more. */
  readonly by: RuleReason | null;
  /** True where the guards in force would withhold it (rule C1). */
  readonly isOverGuard: boolean;
}

export interface EntitlementChange {
  readonly entitlement: Entitlement;
  /** What happens to the entitlement group. */
  readonly group: "stays" | "appears" | "vanishes";
  readonly gains: readonly Gain[];
  readonly losses: readonly Loss[];
}

export interface PlannedScope {
  readonly incarnation: IncarnationId;
  readonly repository: string;
  readonly branch: string;
  readonly refType: RefType;
  readonly endpoint: string;
  /** Users of the change whom it does not concern here. */
  readonly except: readonly UserId[];
}

/** The same change in many scopes, told once. What happens in a scope is all the changes that name it. */
export interface ScopeChange {
  readonly entitlements: readonly EntitlementChange[];
  readonly scopes: readonly PlannedScope[];
}

/** Why a version is not activated without approval (rules B1, C1). */
export interface PolicyHold {
  readonly kind: "entitlement-group" | "directory-group" | "entitlement-unmatched" | "rule-unmatched";
  /** The entitlement, the reference of the group, or the rule. */
  readonly subject: string;
  /** How many scopes or branches it is about. */
  readonly count: number;
  /** Members removed and members before, of the worst of them; null where members are not the point. */
  readonly members: { readonly removed: number; readonly before: number } | null;
  /** One of them: `acme/web:main at directory`. */
  readonly example: string;
  readonly message: string;
}

/** What a proposed version would do to every live branch. */
export interface PolicyPlan {
  readonly branches: number;
  /**
   * Branches for which other rules, or the same with other groups, count; with the endpoints that then have groups, or,
   * retired ones, would have them if that were taken back.
   */
  readonly touched: readonly { readonly incarnation: IncarnationId; readonly endpoints: readonly string[] }[];
  /** Scopes in which somebody or some group changes. */
  readonly scopes: number;
  readonly gains: number;
  readonly losses: number;
  readonly groupsAppearing: number;
  readonly groupsVanishing: number;
  readonly changes: readonly ScopeChange[];
  readonly holds: readonly PolicyHold[];
  /** Proposed rules that match no live branch. */
  readonly idleRules: readonly RuleReasonPlace[];
}

export type RuleReasonPlace = Pick<RuleReason, "rule" | "file" | "line">;
