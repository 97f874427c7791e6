import { z } from "zod";
import { pageQuery, refType, timestamp } from "./common.ts";
import { statedDuration, statedReason } from "./grants.ts";

export const holdState = z.enum(["standing", "ended", "expired"]);

export const holdQuery = pageQuery.extend({ state: holdState.optional() });

/** Suspends repair of a repository or of one branch of it, at one endpoint or at all. */
export const holdBody = z.strictObject({
  repository: z.string().min(1),
  branch: z.string().min(1).optional(),
  refType: refType.optional(),
  endpoint: z.string().min(1).optional(),
  for: statedDuration,
  reason: statedReason,
});

export const holdItem = z
  .object({
    id: z.uuid(),
    state: holdState,
    repository: z.string(),
    /** Null for every branch of the repository. */
    branch: z.string().nullable(),
    refType: refType.nullable(),
    incarnation: z.uuid().nullable(),
    /** Null for every endpoint. */
    endpoint: z.string().nullable(),
    reason: z.string(),
    madeBy: z.string(),
    madeAt: timestamp,
    until: timestamp,
    endedBy: z.string().nullable(),
    endedAt: timestamp.nullable(),
  })
  .meta({ id: "Hold" });
export type HoldItem = z.output<typeof holdItem>;
