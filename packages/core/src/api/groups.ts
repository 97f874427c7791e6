import { z } from "zod";

/** A group reference of the policy in force, and the directory group it means (rule B4). */
export const bindingItem = z.object({
  reference: z.string(),
  groupId: z.string().nullable(),
  displayName: z.string().nullable(),
  state: z.enum(["bound", "unbound", "lost"]),
});
export type BindingItem = z.output<typeof bindingItem>;

export const bindingBody = z.strictObject({ reference: z.string().min(1), groupId: z.uuid() });
