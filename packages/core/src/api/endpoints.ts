import { z } from "zod";
import { pageQuery, timestamp, verdict } from "./common.ts";

/** What the endpoint was seen to do when it was tried out. */
const endpointCard = z
  .object({
    says: z.object({ patch: z.boolean(), bulk: z.boolean(), filter: z.boolean(), etag: z.boolean() }).nullable(),
    schemas: z.array(z.string()).nullable(),
    findsGroupsByExternalId: z.boolean(),
    findsGroupsByName: z.boolean(),
    findsUsersByExternalId: z.boolean(),
    keepsExternalId: z.boolean(),
    takesExtension: z.boolean(),
    keepsExtension: z.boolean(),
    patches: z.boolean(),
    renames: z.boolean(),
    addsMembers: z.boolean().nullable(),
    removesMembers: z.boolean().nullable(),
    membersPerPatch: z.int().nullable(),
    hasVersions: z.boolean(),
    honoursIfMatch: z.boolean(),
    lagMs: z.int(),
    deletes: z.boolean(),
  })
  .meta({ id: "EndpointCard" });

/** A configured endpoint and how it stands. */
export const endpointItem = z
  .object({
    name: z.string(),
    type: z.enum(["builtin", "scim"]),
    /** As configured, where no credentials may stand; null for the built-in directory of this process. */
    url: z.string().nullable(),
    ci: z.enum(["required", "advisory"]),
    concurrency: z.int(),
    /** Scopes by what they stand at; one that is asked for and not reached is `pending`, whatever its last verdict. */
    scopes: z.object({
      verified: z.int(),
      diverged: z.int(),
      unverifiable: z.int(),
      held: z.int(),
      failed: z.int(),
      pending: z.int(),
    }),
    /** Whether calls are made, and how many at once. */
    gate: z.object({
      /** `open`: none but one probe now and then, after failures in a row; `half-open`: that probe is under way. */
      breaker: z.enum(["closed", "open", "half-open"]),
      /** Since when the breaker is so; null where it never was otherwise. */
      since: timestamp.nullable(),
      /** No call is made before, since the endpoint said so; null where it did not. */
      blockedUntil: timestamp.nullable(),
      /** When a breaker that is not closed lets one call through; null where it is closed, or the next call is that one. */
      nextTryAt: timestamp.nullable(),
      /** Calls at once that it bears now; null before the first. */
      limit: z.int().nullable(),
      lastFailure: z.object({ message: z.string(), at: timestamp }).nullable(),
    }),
    /** The last try; null before the first. `error`: why it did not come to its end, when the card is an older one. */
    probe: z
      .object({
        at: timestamp,
        card: endpointCard.nullable(),
        error: z.string().nullable(),
        /** What the card means for Branchward there, worst first. */
        problems: z.array(z.string()),
      })
      .nullable(),
    /** Null for an endpoint in use. `groups`: those that are ours there still; at none the endpoint may go. */
    retirement: z
      .object({ mode: z.enum(["remove", "leave"]), at: timestamp, by: z.string(), groups: z.int() })
      .nullable(),
    /** The scheduled audit's last or running round; null before the first. */
    audit: z
      .object({
        startedAt: timestamp,
        finishedAt: timestamp.nullable(),
        /** From one round's start to the next one's: what the budget allowed; null before two rounds. */
        periodMs: z.number().nullable(),
        /** Read so far, and how many of them were not what the record says. */
        groups: z.int(),
        differing: z.int(),
      })
      .nullable(),
    /** Since when the longest waiting scope has been pending. */
    pendingSince: timestamp.nullable(),
    lastSync: z.object({ id: z.uuid(), verdict, finishedAt: timestamp }).nullable(),
    /** The last run that could not finish, however long ago; `lastSync` tells whether it still fails. */
    lastError: z.object({ sync: z.uuid(), code: z.string(), message: z.string(), at: timestamp }).nullable(),
  })
  .meta({ id: "Endpoint" });
export type EndpointItem = z.output<typeof endpointItem>;

export const endpointList = z.object({ items: z.array(endpointItem) });

export const accountState = z.enum([
  "linked",
  "pending-approval",
  "rejected",
  "missing",
  "ambiguous",
  "quarantined",
  "ended",
]);

/** Who a directory user is at an endpoint (rule C5). */
export const accountItem = z
  .object({
    userId: z.uuid(),
    userName: z.string(),
    /** The endpoint's id: the account, or the candidate that waits for approval or was rejected. */
    accountId: z.string().nullable(),
    /** `ended`: the directory's user was deleted. */
    state: accountState,
    since: timestamp,
    createdByUs: z.boolean(),
    deactivatedByUs: z.boolean(),
    /** When it was last looked at; null before, or when another look is asked for. */
    verifiedAt: timestamp.nullable(),
    /** Why the last look failed; null when it did not. */
    error: z.string().nullable(),
  })
  .meta({ id: "Account" });
export type AccountItem = z.output<typeof accountItem>;

export const accountQuery = pageQuery.omit({ cursor: true }).extend({
  state: accountState.optional(),
  /** `nextCursor` of the page before. */
  cursor: z.uuid().optional(),
});

export const accountDecisionBody = z.strictObject({
  /** The user's id, or the name that the account is listed under. */
  user: z.string().min(1).max(1_024),
  decision: z.enum(["approve", "reject"]),
});

export const retirementBody = z.strictObject({
  /** `leave`: the groups stay there and are no longer ours; `undo`: the endpoint is in use again. */
  action: z.enum(["remove", "leave", "undo"]),
});
