/**
 * `GET /v1/events`, `text/event-stream`. Each message has `id` (send the last one back as `Last-Event-ID`, or as the
 * query parameter `after`), `event` (the type below) and `data` (JSON). An item is told as it is now, so that one
 * changed twice may come once, and one may come again: replace by `id`.
 */
import { z } from "zod";
import { branchItem } from "./branches.ts";
import { deliveryItem } from "./deliveries.ts";
import { findingItem } from "./records.ts";
import { syncItem } from "./syncs.ts";

export const eventsQuery = z.object({
  /** As `Last-Event-ID`, for clients that cannot set it. */
  after: z.string().optional(),
});

export const liveEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("sync"), id: z.uuid(), item: syncItem }),
  z.object({ type: z.literal("delivery"), id: z.uuid(), item: deliveryItem }),
  z.object({ type: z.literal("branch"), id: z.uuid(), item: branchItem }),
  z.object({ type: z.literal("finding"), id: z.uuid(), item: findingItem }),
  /** After what was missed since `Last-Event-ID`, if any: from here on it is live. What was read before the stream was opened may be stale. */
  z.object({ type: z.literal("ready") }),
  /** Too much happened since, or the position is not one of ours: read the lists anew, then go on from here. */
  z.object({ type: z.literal("reset") }),
]);
export type LiveEvent = z.output<typeof liveEvent>;
