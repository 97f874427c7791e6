export { createApp, type ReceiverDeps } from "./app.ts";
export type { ReceiveDeps } from "./receive-delivery.ts";
export type { Source } from "./source.ts";
export { createRecordDelivery, type RecordDeps } from "./record-delivery.ts";
export { type BeginLook, createBeginLook, type Look } from "./record-sightings.ts";
export {
  createReplayDelivery,
  type ReplayDelivery,
  type ReplayDeps,
  type ReplayReceipt,
  type ReplayRequest,
} from "./replay-delivery.ts";
