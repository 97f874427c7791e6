import { z } from "zod";
import { pageQuery, refType, timestamp } from "./common.ts";

export const grantState = z.enum(["requested", "approved", "expired", "revoked", "rejected"]);

export const grantQuery = pageQuery.extend({ state: grantState.optional(), incarnation: z.uuid().optional() });

/** Why somebody asks: it is kept and shown. */
export const statedReason = z.string().trim().min(1).max(1_000);
/** `30m`, `2h`. */
export const statedDuration = z.string().regex(/^\d{1,9}(ms|s|m|h|d)$/u, "not a duration: write 30m, 2h or 1d");

/** Asks for an emergency grant (rule B9). */
export const grantBody = z.strictObject({
  user: z.string().min(1),
  entitlement: z.string().min(1).max(100),
  repository: z.string().min(1),
  branch: z.string().min(1),
  refType: refType.optional(),
  for: statedDuration,
  reason: statedReason,
});

export const grantItem = z
  .object({
    id: z.uuid(),
    state: grantState,
    userId: z.string(),
    /** Null where the directory has the user no more. */
    user: z.string().nullable(),
    entitlement: z.string(),
    repository: z.string(),
    branch: z.string(),
    refType,
    incarnation: z.uuid(),
    /** Milliseconds from its approval. */
    forMs: z.number(),
    reason: z.string(),
    requestedBy: z.string(),
    requestedAt: timestamp,
    /** Who approved or rejected it. */
    decidedBy: z.string().nullable(),
    decidedAt: timestamp.nullable(),
    expiresAt: timestamp.nullable(),
    /** Who revoked it. */
    endedBy: z.string().nullable(),
    endedAt: timestamp.nullable(),
  })
  .meta({ id: "Grant" });
export type GrantItem = z.output<typeof grantItem>;
