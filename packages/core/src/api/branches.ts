import { z } from "zod";
import { pageQuery, refType, timestamp, verdict } from "./common.ts";

export const branchQuery = pageQuery.extend({
  repository: z.string().optional(),
  branch: z.string().optional(),
  refType: refType.optional(),
});

/** One incarnation. */
export const branchItem = z.object({
  id: z.uuid(),
  repository: z.string(),
  name: z.string(),
  refType,
  vcs: z.enum(["git", "hg"]),
  state: z.enum(["active", "closed", "deleted"]),
  suspect: z.boolean(),
  head: z.string().nullable(),
  previousNames: z.array(z.string()),
  bornAt: timestamp,
  endedAt: timestamp.nullable(),
});
export type BranchItem = z.output<typeof branchItem>;

/** What one endpoint was last seen to hold for a branch. */
export const scopeItem = z.object({
  endpoint: z.string(),
  verdict: z.union([verdict, z.literal("pending")]),
  checkedAt: timestamp.nullable(),
  dueAt: timestamp.nullable(),
  mismatches: z.array(z.unknown()),
  sync: z.uuid().nullable(),
});

export const branchDetails = branchItem.extend({ scopes: z.array(scopeItem) });
export type BranchDetails = z.output<typeof branchDetails>;
