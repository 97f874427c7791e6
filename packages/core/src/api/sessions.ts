import { z } from "zod";
import { timestamp } from "./common.ts";
import { tokenScope } from "./tokens.ts";

export const sessionBody = z.strictObject({ token: z.string().min(1).max(1_000) });

/** Who is signed in. */
export const session = z
  .object({
    client: z.string(),
    scope: tokenScope,
    /** When the session ends; null where a bearer token asks. */
    expiresAt: timestamp.nullable(),
  })
  .meta({ id: "Session" });
export type Session = z.output<typeof session>;
