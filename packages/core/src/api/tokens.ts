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
    /** The directory's id of the user whose device it is; null for clients. */
    userId: z.string().nullable(),
    device: z.string().nullable(),
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

/** How a person calls a device. */
const deviceName = z.string().trim().min(1).max(100);

/** Makes a one-time code by which a user enrols a device (rule B6). */
export const enrolmentBody = z.strictObject({
  user: z.string().min(1),
  device: deviceName,
  /** Days for which the device's token will live. */
  expiresInDays: z.int().min(1).max(365).default(90),
});

/** The code is shown this once. */
export const enrolmentMade = z.object({
  id: z.uuid(),
  code: z.string(),
  user: z.string(),
  device: z.string(),
  expiresAt: timestamp,
});
export type EnrolmentMade = z.output<typeof enrolmentMade>;

/** Exchanges a code; the device may be named anew. */
export const redeemBody = z.strictObject({ code: z.string().min(1).max(200), device: deviceName.optional() });

export const deviceEnrolled = z.object({
  token: tokenItem,
  /** Shown this once. */
  secret: z.string(),
  user: z.string(),
});
export type DeviceEnrolled = z.output<typeof deviceEnrolled>;

export const rotateBody = z.strictObject({
  /** Hours for which the old token works on. */
  overlapHours: z.number().min(0).max(720).default(24),
});

/** The secret is shown this once. */
export const tokenMade = z.object({ token: tokenItem, secret: z.string() });
export type TokenMade = z.output<typeof tokenMade>;
