import { z } from "zod";
import { pageQuery, refType, searchText, timestamp, verdict } from "./common.ts";
import { memberReason } from "./members.ts";
import { grantItem } from "./grants.ts";
import { holdItem } from "./holds.ts";

export const branchState = z.enum(["active", "closed", "deleted"]);

export const branchQuery = pageQuery.extend({
  repository: z.string().optional(),
  branch: z.string().optional(),
  refType: refType.optional(),
  state: branchState.optional(),
  /** Part of the branch's or the repository's name. */
  q: searchText.optional(),
});

/** One incarnation. */
export const branchItem = z
  .object({
    id: z.uuid(),
    repository: z.string(),
    name: z.string(),
    refType,
    vcs: z.enum(["git", "hg"]),
    state: branchState,
    suspect: z.boolean(),
    head: z.string().nullable(),
    previousNames: z.array(z.string()),
    bornAt: timestamp,
    endedAt: timestamp.nullable(),
  })
  .meta({ id: "Branch" });
export type BranchItem = z.output<typeof branchItem>;

export const scopeVerdict = z.union([verdict, z.literal("pending")]);

/** Who holds an entitlement, by every rule that gives it. */
const holder = z.object({
  /** Id in the directory. */
  user: z.string(),
  userName: z.string(),
  reasons: z.array(memberReason),
  /** When the last of the reasons ends; null for never. */
  until: timestamp.nullable(),
});

/** An entitlement group as policy wants it now. */
export const entitlementItem = z.object({
  entitlement: z.string(),
  /** The group's name at the endpoint; null while it has none. */
  group: z.string().nullable(),
  /** `diverged` where the last read differed in this group; else the scope's verdict. */
  state: scopeVerdict,
  members: z.array(holder),
});
export type EntitlementItem = z.output<typeof entitlementItem>;

/** Somebody whom a grant reaches and who does not hold the entitlement all the same. */
const excluded = z.object({
  user: z.string(),
  userName: z.string().nullable(),
  entitlement: z.string(),
  cause: z.enum(["inactive", "expired", "untrusted", "exclusive", "deny", "ceiling", "rename", "group-lost"]),
  rule: z.string(),
  file: z.string(),
  line: z.int(),
});

/** What one endpoint was last seen to hold for a branch, and what it ought to hold. */
export const scopeItem = z
  .object({
    endpoint: z.string(),
    verdict: scopeVerdict,
    /** True where the endpoint is retired: nothing ought to be held there, and `verified` says that nothing of ours is. */
    retired: z.boolean(),
    checkedAt: timestamp.nullable(),
    dueAt: timestamp.nullable(),
    mismatches: z.array(z.unknown()),
    sync: z.uuid().nullable(),
    entitlements: z.array(entitlementItem),
    exclusions: z.array(excluded),
  })
  .meta({ id: "Scope" });
export type ScopeItem = z.output<typeof scopeItem>;

/** A working copy that stands on the branch now. */
export const checkoutItem = z.object({
  /** Id in the directory; null where the actor is nobody whom it knows. */
  user: z.string().nullable(),
  userName: z.string().nullable(),
  actor: z.string(),
  trust: z.enum(["token", "claim"]),
  workingCopy: z.string(),
  startedAt: timestamp,
  /** When the last just-in-time grant that it gives ends; null where it gives none. */
  expiresAt: timestamp.nullable(),
});
export type CheckoutItem = z.output<typeof checkoutItem>;

/** What happened to the branch, newest first. */
export const branchEventItem = z.object({
  at: timestamp,
  kind: z.enum(["checkout", "create", "rename", "delete", "push"]),
  refType,
  name: z.string(),
  previousName: z.string().nullable(),
  before: z.string().nullable(),
  after: z.string().nullable(),
  /** Why it had no effect; null where it had. */
  note: z.string().nullable(),
  delivery: z.uuid(),
  source: z.string(),
  actor: z.string().nullable(),
  /** The user of the directory that the actor was; null for nobody known. */
  user: z.string().nullable(),
});
export type BranchEventItem = z.output<typeof branchEventItem>;

export const branchDetails = branchItem
  .extend({
    /** Every life of this name, this one included, newest first. */
    incarnations: z.array(branchItem),
    /** The last hundred. */
    events: z.array(branchEventItem),
    checkouts: z.array(checkoutItem),
    /** Emergency grants of this life, newest first; the last twenty. */
    grants: z.array(grantItem),
    /** Holds that stand on it now. */
    holds: z.array(holdItem),
    scopes: z.array(scopeItem),
  })
  .meta({ id: "BranchDetails" });
export type BranchDetails = z.output<typeof branchDetails>;
