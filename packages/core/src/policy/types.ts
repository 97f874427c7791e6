import type { Entitlement, RefType, Trust } from "../words.ts";
import type { Pattern } from "./pattern.ts";

/** Where something stands in the configuration; both survive into explain, syncs and the audit log. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** A branch as policy sees it. Patterns do not look at `refType`; group names do. */
export interface BranchRef {
  readonly repository: string;
  readonly refType: RefType;
  readonly name: string;
}

/** `group:name`, `group:client/name`, `user:userName` or `bot:userName`; `reference` is that text. */
export type Principal =
  | { readonly kind: "group"; readonly reference: string; readonly client: string | null; readonly name: string }
  | { readonly kind: "user" | "bot"; readonly reference: string; readonly userName: string };

export interface Grant extends Place {
  /** Stable within a policy version: `policy[0].grants[1]`. */
  readonly rule: string;
  readonly entitlement: Entitlement;
  readonly to: readonly Principal[];
  /** Null means all (rule B2). */
  readonly endpoints: readonly string[] | null;
  /** Set where the grant is just-in-time (`when: checkout`, rule B6). */
  readonly checkout: { readonly forMs: number; readonly requireTrust: Trust } | null;
  /** The instant at which the grant ends. */
  readonly until: Date | null;
  /** Fewer members than this raise a critical finding (rule B3). */
  readonly atLeast: number;
}

export interface Deny extends Place {
  readonly rule: string;
  readonly entitlement: Entitlement;
  readonly to: readonly Principal[];
}

/** Entitlements of which a user holds at most one, the one listed first (rule B3). */
export interface Exclusive extends Place {
  readonly rule: string;
  readonly entitlements: readonly Entitlement[];
}

export interface PolicyRule extends Place {
  readonly rule: string;
  readonly repositories: readonly Pattern[];
  readonly branches: readonly Pattern[];
  readonly grants: readonly Grant[];
  readonly deny: readonly Deny[];
  readonly exclusive: Exclusive | null;
}

/** Minutes after midnight UTC; `to` below `from` goes over midnight. */
export interface DailyHours {
  readonly from: number;
  readonly to: number;
}

/** A non-human user and all that it may ever hold (rule B7). */
export interface Bot extends Place {
  readonly rule: string;
  readonly userName: string;
  readonly entitlements: readonly Entitlement[];
  readonly repositories: readonly Pattern[];
  readonly branches: readonly Pattern[];
  readonly hours: DailyHours | null;
}

/** Removals beyond these are withheld (rules C1, C2); shares are between 0 and 1. */
export interface Guards {
  readonly maxRemovals: number;
  readonly maxRemovalShare: number;
  readonly windowMs: number;
  readonly maxDeactivations: number;
  readonly maxDeactivationShare: number;
}

/** The part of the configuration that says who may do what: plain data, the content of a policy version (rule B1). */
export interface Policy {
  readonly rules: readonly PolicyRule[];
  readonly bots: readonly Bot[];
  readonly guards: Guards;
  /** What a verb may do that no rule names (rule B2). */
  readonly ungoverned: "allow" | "deny";
  readonly maxCheckoutMs: number;
}
