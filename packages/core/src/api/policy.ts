import { z } from "zod";
import { refType, timestamp } from "./common.ts";

export const policyVersionItem = z
  .object({
    id: z.uuid(),
    digest: z.string(),
    file: z.string(),
    author: z.string(),
    /** Where it came from: the configuration file of a worker, or `POST /v1/policy/versions`. */
    origin: z.enum(["file", "api"]),
    state: z.enum(["proposed", "active", "held", "rejected", "superseded"]),
    proposedAt: timestamp,
    /** Null for a version that never was in force. */
    activatedAt: timestamp.nullable(),
    /** Why it is held or rejected. */
    reason: z.string().nullable(),
    /** What an approval names; null unless it is, or was, held. */
    planDigest: z.string().nullable(),
    plannedAt: timestamp.nullable(),
    decidedBy: z.string().nullable(),
    decidedAt: timestamp.nullable(),
  })
  .meta({ id: "PolicyVersion" });
export type PolicyVersionItem = z.output<typeof policyVersionItem>;
export const policyDetails = policyVersionItem.extend({ text: z.string() });

/** Why a version needs approval (rules B1, C1). */
const policyHold = z.object({
  kind: z.enum(["entitlement-group", "directory-group", "entitlement-unmatched", "rule-unmatched"]),
  /** The entitlement, the reference of the group, or the rule. */
  subject: z.string(),
  /** Scopes, users or branches that it is about. */
  count: z.int(),
  members: z.object({ removed: z.int(), before: z.int() }).nullable(),
  example: z.string(),
  message: z.string(),
});

/** A plan in numbers. */
export const policyPlanSummary = z.object({
  /** Live branches looked at, and scopes in which something changes. */
  branches: z.int(),
  scopes: z.int(),
  gains: z.int(),
  losses: z.int(),
  groupsAppearing: z.int(),
  groupsVanishing: z.int(),
  holds: z.array(policyHold),
});
export type PolicyPlanSummary = z.output<typeof policyPlanSummary>;

export const policyVersionDetails = policyDetails.extend({ plan: policyPlanSummary.nullable() });

/** What a valid policy says that can have no effect: patterns that match no branch, grants that give nobody anything. */
const policyWarnings = z.array(
  z.object({ file: z.string(), line: z.int(), column: z.int(), path: z.string(), message: z.string() }),
);

const rulePlace = z.object({ rule: z.string(), file: z.string(), line: z.int() });
/** A rule, and the way by which it reaches the users. */
const ruleReason = rulePlace.extend({ reference: z.string(), path: z.array(z.string()) });

const entitlementChange = z.object({
  entitlement: z.string(),
  /** What happens to the entitlement group. */
  group: z.enum(["stays", "appears", "vanishes"]),
  gains: z.array(ruleReason.extend({ users: z.array(z.string()), withheld: z.boolean() })),
  losses: z.array(
    z.object({
      users: z.array(z.string()),
      /** `unmentioned`: no grant names the entitlement here any more. */
      cause: z.enum([
        "inactive",
        "expired",
        "untrusted",
        "exclusive",
        "deny",
        "ceiling",
        "rename",
        "not-granted",
        "unmentioned",
      ]),
      /** The rule in force that gives it. */
      was: ruleReason,
      /** The proposed rule that takes it away, where one does. */
      by: ruleReason.nullable(),
      /** True where guards would withhold it: the version needs approval. */
      isOverGuard: z.boolean(),
    }),
  ),
});

/** What a policy would do to every live branch, against the version in force. */
export const policyPlanDocument = z
  .object({
    /** Names this policy and what it takes away; an approval repeats it. */
    digest: z.string(),
    /** The version in force that it was compared with. */
    base: z.object({ id: z.uuid(), digest: z.string() }).nullable(),
    /** False where nothing at all changes. */
    changed: z.boolean(),
    /** True where the version would wait for approval. */
    held: z.boolean(),
    summary: policyPlanSummary,
    bindings: z.array(
      z.object({
        reference: z.string(),
        state: z.enum(["bound", "would-bind", "unbound", "ambiguous", "lost"]),
        groupId: z.string().nullable(),
        displayName: z.string().nullable(),
      }),
    ),
    /** Users named by the policy that the directory does not have. */
    unknownUsers: z.array(z.string()),
    /** Attributes in patterns of which no user has a text, whether misspelt or not filled in: they match nobody. */
    unknownAttributes: z.array(z.string()),
    /** Endpoints that grants are limited to and that are not in use: they are from the next start on, if configured. */
    unusedEndpoints: z.array(z.string()),
    /** Endpoints that grants are about and that are retired: nothing is given or taken there, whatever the policy says. */
    retiredEndpoints: z.array(z.string()),
    /** Rules that match no live branch. */
    idleRules: z.array(rulePlace),
    warnings: policyWarnings,
    /** Each different change once, with every scope in which it happens. */
    changes: z.array(
      z.object({
        entitlements: z.array(entitlementChange),
        scopes: z.array(
          z.object({
            repository: z.string(),
            branch: z.string(),
            refType,
            incarnation: z.string(),
            endpoint: z.string(),
            /** Users named in the change whom it does not concern here. */
            except: z.array(z.string()),
          }),
        ),
      }),
    ),
  })
  .meta({ id: "PolicyPlan" });
export type PolicyPlanDocument = z.output<typeof policyPlanDocument>;

/** The text of a whole configuration file, of at most 1,000,000 bytes; of it the policy is looked at. */
const policyText = z.string().min(1);
const fileName = z.string().min(1).max(1_024);

export const policyBody = z.strictObject({ text: policyText, file: fileName.default("branchward.yaml") });
export const approveVersionBody = z.strictObject({ digest: z.string().min(1).max(128) });
export const rejectVersionBody = z.strictObject({ reason: z.string().min(1).max(1_024).default("refused") });

/** What became of a proposed version. */
export const proposedVersion = z.object({
  state: z.enum(["active", "held", "unchanged"]),
  version: policyVersionItem,
  plan: policyPlanSummary.nullable(),
  warnings: policyWarnings,
});
export type ProposedVersion = z.output<typeof proposedVersion>;
