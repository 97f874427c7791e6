import { z } from "zod";
import { parseInstant } from "../instant.ts";
import { refType, timestamp, verdict } from "./common.ts";
import { accountState } from "./endpoints.ts";

export const accessQuery = z.object({
  user: z.string().min(1).meta({
    description:
      "A `userName` of the directory, whatever its case. How sources call the user does not count here: hooks ask `POST /v1/access/decisions`, which knows pushers by the source's `identity` and by links.",
  }),
  repository: z.string().min(1),
  branch: z.string().min(1),
  refType: refType.optional(),
  entitlement: z.string().min(1),
  at: z
    .string()
    .refine((text) => parseInstant(text) !== undefined, {
      error: "expected a time with its zone, such as 2026-11-17T09:00:00Z, or a day, as it begins in UTC",
    })
    .meta({
      description:
        "RFC 3339, or a day, as it begins in UTC: the answer as it was at that moment, which is not in the future.",
    })
    .optional(),
  /** Also where the user's working copies stand, and how each endpoint stands. Always so with `at`. */
  details: z.enum(["true", "false"]).optional(),
});

const held = z.object({
  origin: z.enum(["sync", "adoption", "drift"]),
  grantedAt: timestamp,
  knownAt: timestamp,
  /** The first read that showed it; null where none had. */
  verifiedAt: timestamp.nullable(),
  endedAt: timestamp.nullable(),
  endedCause: z.string().nullable(),
  policyVersion: z.string().nullable(),
  reasons: z.array(
    z.object({
      rule: z.string(),
      file: z.string(),
      line: z.int(),
      reference: z.string(),
      path: z.array(z.string()),
      kind: z.string(),
    }),
  ),
});

/** How an endpoint stood, by the record. */
const accessEndpoint = z.object({
  endpoint: z.string(),
  /** Of the last run; null where none had ended. */
  verdict: verdict.nullable(),
  verdictAt: timestamp.nullable(),
  /** The last read that proved it equal, and how long before the moment asked about that was. */
  verifiedAt: timestamp.nullable(),
  verifiedAgeMs: z.int().nullable(),
  /** True where a guard keeps what policy gives no more. */
  withheld: z.boolean(),
  /** The rule by which policy gives it, where the user is not added since a group of the policy is missing; else null. */
  notAdded: z.string().nullable(),
  /** What the user's account there is known as, where accounts are looked for; only a linked one can hold anything. */
  account: accountState.nullable(),
  /** True where the endpoint was retired by then: nothing is given there, whatever policy says. */
  retired: z.boolean(),
  /** The hold that suspends repair there; null where none stands. */
  hold: z.object({ id: z.string(), until: timestamp, madeBy: z.string(), reason: z.string() }).nullable(),
  /** What the ledger has of the user there; null where nothing. */
  held: held.nullable(),
});

const accessCheckout = z.object({
  workingCopy: z.string(),
  trust: z.enum(["token", "claim"]),
  startedAt: timestamp,
  endedAt: timestamp.nullable(),
  /** When what it gives of the entitlement ends; null where it gives nothing. */
  until: timestamp.nullable(),
});

/** May this user do that, and why. */
export const access = z
  .object({
    /** Null, with `at` alone, where the record does not reach: unknown. */
    allowed: z.boolean().nullable(),
    governed: z.boolean(),
    user: z.string(),
    entitlement: z.string(),
    repository: z.string(),
    branch: z.string(),
    reasons: z.array(
      z.object({
        rule: z.string().nullable(),
        file: z.string().nullable(),
        line: z.int().nullable(),
        /** The reference of the policy: `group:engineering`. */
        group: z.string().nullable(),
        path: z.array(z.string()),
        /** When what the rule gives ends; null for never. */
        until: timestamp.nullable().optional(),
        /** True for what settled the answer. */
        decides: z.boolean(),
        withheld: z.boolean().optional().meta({
          description:
            "True where a guard withholds the removal of what policy gives no more, or, where `allowed` is false, a missing group the addition of what it gives.",
        }),
        text: z.string(),
      }),
    ),
    /** The moment that the answer is about, with `at`. */
    at: timestamp.optional(),
    /** The policy version that was in force. */
    policyVersion: z.string().optional(),
    incarnation: z.string().optional(),
    checkouts: z.array(accessCheckout).optional(),
    endpoints: z.array(accessEndpoint).optional(),
  })
  .meta({ id: "Access" });
export type Access = z.output<typeof access>;

/** How much one question of a hook may hold; a larger push asks several times. */
export const MAX_DECISIONS = 500;
const name = z.string().min(1).max(4_096);

/** What one push would do. */
export const accessDecisionsBody = z.strictObject({
  user: name.nullable().meta({
    description:
      "The pusher as the server names them, an actor of the source: found by the source's `identity`, then by links. Null for one whom the server cannot name; an unresolved one is nobody, too.",
  }),
  source: name.meta({
    description: "The configured source that tells of the repository; another's pushers are nobody.",
  }),
  /** As the source names it. */
  repository: name,
  changes: z
    .array(z.strictObject({ branch: name, refType: refType.default("branch"), entitlement: name }))
    .min(1)
    .max(MAX_DECISIONS),
});

/** An answer for each change, in the order of the question. */
export const accessDecisions = z
  .object({
    /** True when every change is. */
    allowed: z.boolean(),
    decisions: z.array(
      z.object({
        branch: z.string(),
        refType,
        entitlement: z.string(),
        allowed: z.boolean(),
        governed: z.boolean(),
        /** What the pusher of a denied change is told, line by line; empty where it is allowed. */
        message: z.array(z.string()),
      }),
    ),
  })
  .meta({ id: "AccessDecisions" });
