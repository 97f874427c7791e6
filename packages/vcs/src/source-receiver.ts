import type { NormalizedDelivery, Trust } from "@branchward/core";

/** The types of source that can receive deliveries. */
export type ReceiverType = "agent" | "github";

/** Request headers with lower-case names, as `node:http` gives them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A delivery before anything in it is believed. */
export interface SignedRequest {
  readonly headers: Headers;
  /** The raw bytes as they arrived; a signature covers nothing else. */
  readonly body: Buffer;
  /** Every secret that is valid now (rotation), as bytes from `decodeSecret`. */
  readonly secrets: readonly Uint8Array[];
  readonly now: Date;
}

/** `trust` says how the actor named in the delivery is backed; a shared secret backs a `claim` only (rule B6). */
export type Verification =
  | { readonly ok: true; readonly trust: Trust }
  | { readonly ok: false; readonly reason: string };

/** An authentic delivery whose body was parsed as JSON. */
export interface ParsedDelivery {
  readonly headers: Headers;
  readonly payload: unknown;
  readonly receivedAt: Date;
}

/** What the receiver needs to know of one type of source. Pure: no clock, no network. */
export interface SourceReceiver {
  /** Checks the signature over the raw bytes in constant time. The reason is for logs, never for the sender. */
  readonly verify: (request: SignedRequest) => Verification;
  /** The source's own id of the delivery, the same over its retries; without one the SHA-256 of the body. */
  readonly deliveryId: (request: Pick<SignedRequest, "headers" | "body">) => string;
  /** The meaning of an authentic delivery. Never throws: what cannot be used is `ignored` with the reason. */
  readonly normalize: (delivery: ParsedDelivery) => NormalizedDelivery;
}

/** A header's single value; undefined where it is absent, empty or sent more than once. */
export function findHeader(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}
