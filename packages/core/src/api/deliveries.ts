import { z } from "zod";
import { timestamp } from "./common.ts";

export const deliveryItem = z.object({
  id: z.uuid(),
  source: z.string(),
  deliveryId: z.string(),
  event: z.string(),
  outcome: z.enum(["accepted", "ignored"]),
  note: z.string().nullable(),
  repository: z.string().nullable(),
  actor: z.string().nullable(),
  occurredAt: timestamp.nullable(),
  receivedAt: timestamp,
});
export type DeliveryItem = z.output<typeof deliveryItem>;

export const deliveryDetails = deliveryItem.extend({
  headers: z.record(z.string(), z.string()),
  /** As received; null where it is not UTF-8. */
  body: z.string().nullable(),
  events: z.array(
    z.object({
      kind: z.enum(["checkout", "create", "rename", "delete", "push"]),
      refType: z.enum(["branch", "bookmark", "topic"]),
      name: z.string(),
      previousName: z.string().nullable(),
      before: z.string().nullable(),
      after: z.string().nullable(),
      note: z.string().nullable(),
      incarnation: z.uuid().nullable(),
    }),
  ),
});
export type DeliveryDetails = z.output<typeof deliveryDetails>;
