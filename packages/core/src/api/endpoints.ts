import { z } from "zod";
import { timestamp, verdict } from "./common.ts";

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
    /** Since when the longest waiting scope has been pending. */
    /** Whether calls are made, and how many at once. */
    gate: z.object({
      /** `open`: none but one probe now and then, after failures in a row; `half-open`: that probe is under way. */
      breaker: z.enum(["closed", "open", "half-open"]),
      /** Since when the breaker is so; null where it never was otherwise. */
      since: timestamp.nullable(),
      /** No call is made before, since the endpoint said so; null where it did not. */
      blockedUntil: timestamp.nullable(),
      /** Calls at once that it bears now; null before the first. */
      limit: z.int().nullable(),
      lastFailure: z.object({ message: z.string(), at: timestamp }).nullable(),
    }),
    pendingSince: timestamp.nullable(),
    lastSync: z.object({ id: z.uuid(), verdict, finishedAt: timestamp }).nullable(),
    /** The last run that could not finish, however long ago; `lastSync` tells whether it still fails. */
    lastError: z.object({ sync: z.uuid(), code: z.string(), message: z.string(), at: timestamp }).nullable(),
  })
  .meta({ id: "Endpoint" });
export type EndpointItem = z.output<typeof endpointItem>;

export const endpointList = z.object({ items: z.array(endpointItem) });
