import { z } from "zod";
import { pageQuery, refType, timestamp, verdict } from "./common.ts";

export const syncQuery = pageQuery.extend({
  repository: z.string().optional(),
  branch: z.string().optional(),
  incarnation: z.uuid().optional(),
  endpoint: z.string().optional(),
  verdict: verdict.optional(),
});

export const syncItem = z.object({
  id: z.uuid(),
  reason: z.string(),
  repository: z.string(),
  branch: z.string(),
  refType,
  incarnation: z.uuid(),
  endpoint: z.string(),
  verdict,
  added: z.int(),
  removed: z.int(),
  requestedAt: timestamp,
  startedAt: timestamp,
  finishedAt: timestamp,
  policyVersion: z.uuid().nullable(),
});
export type SyncItem = z.output<typeof syncItem>;

const syncMember = z.object({ user: z.string(), userName: z.string().nullable(), why: z.string() });

export const syncDetails = syncItem.extend({
  mismatches: z.array(z.unknown()),
  changes: z.array(
    z.object({
      entitlement: z.string(),
      group: z.string(),
      operation: z.string(),
      added: z.array(syncMember),
      removed: z.array(syncMember),
    }),
  ),
  calls: z.array(
    z.object({ method: z.string(), path: z.string(), status: z.int().nullable(), durationMs: z.number() }),
  ),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});
export type SyncDetails = z.output<typeof syncDetails>;

export const recheckBody = z.strictObject({
  repository: z.string().min(1),
  branch: z.string().min(1),
  refType: refType.optional(),
});
export const recheckAnswer = z.object({ scopes: z.int() });
