export { findReceiver } from "./receivers.ts";
export { decodeSecret } from "./signature.ts";
export type {
  Headers,
  ParsedDelivery,
  ReceiverType,
  SignedRequest,
  SourceReceiver,
  Verification,
} from "./source-receiver.ts";
