import { z } from "zod";
import { pageQuery, refType, searchText, timestamp } from "./common.ts";

export const deliveryOutcome = z.enum(["accepted", "ignored"]);

export const deliveryQuery = pageQuery.extend({
  source: z.string().optional(),
  repository: z.string().optional(),
  event: z.string().optional(),
  outcome: deliveryOutcome.optional(),
  /** Received at or after. */
  since: z.iso.datetime({ offset: true }).optional(),
  /** Received before. */
  until: z.iso.datetime({ offset: true }).optional(),
  /** Part of the repository's name, the actor, the event or the source's id of the delivery. */
  q: searchText.optional(),
});

export const deliveryItem = z
  .object({
    id: z.uuid(),
    source: z.string(),
    deliveryId: z.string(),
    event: z.string(),
    outcome: deliveryOutcome,
    note: z.string().nullable(),
    repository: z.string().nullable(),
    actor: z.string().nullable(),
    /** The user of the directory that the actor was when it came; null for nobody known. */
    user: z.string().nullable(),
    occurredAt: timestamp.nullable(),
    receivedAt: timestamp,
  })
  .meta({ id: "Delivery" });
export type DeliveryItem = z.output<typeof deliveryItem>;

/** One time that a stored delivery was applied again. */
export const replayItem = z
  .object({
    id: z.uuid(),
    /** The client that asked. */
    by: z.string(),
    at: timestamp,
    outcome: deliveryOutcome,
    note: z.string().nullable(),
    /** Scopes asked to be looked at. */
    scopes: z.int(),
  })
  .meta({ id: "Replay" });
export type ReplayItem = z.output<typeof replayItem>;

export const deliveryDetails = deliveryItem
  .extend({
    /** Without those that carry secrets. */
    headers: z.record(z.string(), z.string()),
    /** JSON, indented, with secrets and credentials in URLs replaced; null where it is over 1 MB. */
    body: z.string().nullable(),
    /** Size as received. */
    bodyBytes: z.int(),
    events: z.array(
      z.object({
        at: timestamp,
        kind: z.enum(["checkout", "create", "rename", "delete", "push"]),
        refType,
        name: z.string(),
        previousName: z.string().nullable(),
        before: z.string().nullable(),
        after: z.string().nullable(),
        note: z.string().nullable(),
        incarnation: z.uuid().nullable(),
        /** The replay that made it; null for the delivery itself. */
        replay: z.uuid().nullable(),
      }),
    ),
    /** Newest first. */
    replays: z.array(replayItem),
  })
  .meta({ id: "DeliveryDetails" });
export type DeliveryDetails = z.output<typeof deliveryDetails>;

/** `id` names the replay: sent twice it is one replay. Left out, the server makes one. */
export const replayBody = z.strictObject({ id: z.uuid().optional() }).default({});
export const replayAnswer = z.object({
  replay: replayItem,
  /** True where a replay of this id was there already and nothing was done. */
  duplicate: z.boolean(),
});
export type ReplayAnswer = z.output<typeof replayAnswer>;
