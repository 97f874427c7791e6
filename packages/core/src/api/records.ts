import { z } from "zod";
import { timestamp } from "./common.ts";

export const findingItem = z
  .object({
    id: z.uuid(),
    kind: z.string(),
    subject: z.string(),
    severity: z.enum(["info", "warning", "critical"]),
    message: z.string(),
    firstAt: timestamp,
    lastAt: timestamp,
    /** Null while it stands. */
    resolvedAt: timestamp.nullable(),
  })
  .meta({ id: "Finding" });
export type FindingItem = z.output<typeof findingItem>;

/** A revocation: whose access ends, and how far that is. */
export const revocationItem = z
  .object({
    id: z.uuid(),
    kind: z.enum(["user", "incarnation", "scope"]),
    /** Id of the user, incarnation or scope. */
    subject: z.uuid(),
    cause: z.string(),
    requestedAt: timestamp,
    attempts: z.int(),
    /** Scopes that it is about; null before the first attempt. */
    total: z.int().nullable(),
    outstanding: z.int().nullable(),
    lastError: z.string().nullable(),
    /** Null while it stands. */
    doneAt: timestamp.nullable(),
  })
  .meta({ id: "Revocation" });
export type RevocationItem = z.output<typeof revocationItem>;

export const livez = z.object({ status: z.literal("ok") });
export const readyz = z
  .object({
    status: z.enum(["ready", "not_ready"]),
    checks: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string().nullable() })),
  })
  .meta({ id: "Readiness" });
export type Readyz = z.output<typeof readyz>;
