import { z } from "zod";
import { timestamp } from "./common.ts";

/** One rule of the policy, or an emergency grant, through which somebody holds an entitlement. */
export const memberReason = z.object({
  rule: z.string(),
  file: z.string(),
  line: z.int(),
  /** `group:engineering`, `user:alice`, `bot:deployer`. */
  reference: z.string(),
  /** Group names from the referenced group down to the user; empty where the user is named. */
  path: z.array(z.string()),
  kind: z.enum(["standing", "just-in-time", "emergency"]),
  until: timestamp.nullable(),
  /** Who approved an emergency grant, which stands in no file; left out for rules of the policy. */
  approvedBy: z.string().optional(),
});
export type MemberReason = z.output<typeof memberReason>;

/** A member of an entitlement group: the endpoint's id, the directory's name, and why the member is there or is no longer. */
export const syncMember = z
  .object({ user: z.string(), userName: z.string().nullable(), why: z.string() })
  .meta({ id: "Member" });
export type SyncMember = z.output<typeof syncMember>;
