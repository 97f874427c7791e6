import { z } from "zod";
import { parseDuration } from "../duration.ts";
import { refType, timestamp, verdict } from "./common.ts";

/** The longest `wait`. */
export const MAX_WAIT_MS = 120_000;

const waitMs = z
  .string()
  .transform((text, context) => {
    try {
      return Math.min(parseDuration(text), MAX_WAIT_MS);
    } catch {
      context.addIssue({ code: "custom", message: "expected a duration such as 30s, at most 120s" });
      return z.NEVER;
    }
  })
  .optional();

export const syncStatusQuery = z.object({
  repository: z.string().min(1),
  branch: z.string().min(1),
  refType: refType.optional(),
  revision: z
    .string()
    .regex(/^[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?$/u, "expected a full revision of 40 or 64 hexadecimal digits")
    .toLowerCase()
    .optional(),
  entitlement: z.string().min(1).optional(),
  wait: waitMs,
});

/** What CI is told (rules D1–D3). */
export const syncStatus = z
  .object({
    state: z.enum(["in_sync", "pending", "failed", "diverged", "held", "deadline", "unknown"]),
    /** What a build makes of it. */
    conclusion: z.enum(["success", "waiting", "failure", "neutral"]),
    repository: z.string(),
    branch: z.string(),
    refType: refType.nullable(),
    revision: z.string().nullable(),
    incarnation: z.uuid().nullable(),
    governed: z.boolean(),
    degraded: z.boolean(),
    endpoints: z.array(
      z.object({
        endpoint: z.string(),
        verdict: z.union([verdict, z.literal("pending")]),
        checkedAt: timestamp.nullable(),
      }),
    ),
    /**
     * Endpoints that are retired and at which policy would give the branch something; left out where there are none.
     * `endpoints` has one until our groups there are gone.
     */
    retired: z.array(z.string()).optional(),
    /** The newest sync of the branch. */
    sync: z.uuid().nullable(),
  })
  .meta({ id: "SyncStatus" });
export type SyncStatus = z.output<typeof syncStatus>;
