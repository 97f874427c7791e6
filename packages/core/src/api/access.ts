import { z } from "zod";
import { refType } from "./common.ts";

export const accessQuery = z.object({
  user: z.string().min(1),
  repository: z.string().min(1),
  branch: z.string().min(1),
  refType: refType.optional(),
  entitlement: z.string().min(1),
});

/** May this user do that, and why. */
export const access = z
  .object({
    allowed: z.boolean(),
    governed: z.boolean(),
    user: z.string(),
    entitlement: z.string(),
    repository: z.string(),
    branch: z.string(),
    reasons: z.array(
      z.object({
        rule: z.string().nullable(),
        file: z.string().nullable(),
        line: z.int().nullable(),
        /** The reference of the policy: `group:engineering`. */
        group: z.string().nullable(),
        path: z.array(z.string()),
        /** True for what settled the answer. */
        decides: z.boolean(),
        /** True where a guard withholds the removal of what policy gives no more. */
        withheld: z.boolean().optional(),
        text: z.string(),
      }),
    ),
  })
  .meta({ id: "Access" });
export type Access = z.output<typeof access>;
