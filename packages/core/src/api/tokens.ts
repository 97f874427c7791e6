import { z } from "zod";
import { timestamp } from "./common.ts";

export const tokenScope = z.enum(["admin", "read", "status", "scim", "agent"]);

export const tokenItem = z
  .object({
    id: z.uuid(),
    client: z.string(),
    scope: tokenScope,
    hint: z.string(),
    createdAt: timestamp,
    expiresAt: timestamp.nullable(),
    lastUsedAt: timestamp.nullable(),
    revokedAt: timestamp.nullable(),
  })
  .meta({ id: "Token" });
export type TokenItem = z.output<typeof tokenItem>;

export const tokenBody = z.strictObject({
  client: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,39}$/u, "expected lower-case letters, digits and hyphens, a letter first"),
  scope: tokenScope,
  /** Days until it expires; at most a year. */
  expiresInDays: z.int().min(1).max(365).default(90),
});

export const rotateBody = z.strictObject({
  /** Hours for which the old token works on. */
  overlapHours: z.number().min(0).max(720).default(24),
});

/** The secret is shown this once. */
export const tokenMade = z.object({ token: tokenItem, secret: z.string() });
export type TokenMade = z.output<typeof tokenMade>;
