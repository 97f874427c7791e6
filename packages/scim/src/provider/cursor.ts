/**
 * Hides what a cursor of RFC 9865 holds: where the store goes on, for which query, until when, under a signature. It
 * grants nothing by itself: every page is read with the rights of who asks for it.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { ScimError } from "../error.ts";
import { isJsonObject } from "../json.ts";
import type { QueryParameters } from "./query.ts";

/** How cursors are signed, and how long they hold. */
export interface CursorOptions {
  /** Shared by all processes that serve the same resources. */
  readonly key: () => Promise<Uint8Array>;
  readonly timeoutMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** A cursor for a store's position within the results of a query. */
export async function signCursor(
  { key, timeoutMs, now }: CursorOptions,
  scope: string,
  position: string,
): Promise<string> {
  const text = JSON.stringify({ p: position, e: now() + timeoutMs });
  const payload = Buffer.from(text).toString("base64url");
  return `${payload}.${sign(await key(), scope, payload)}`;
}

/** The store's position. @throws ScimError 400 invalidCursor (not ours, or of another query), expiredCursor */
export async function readCursor({ key, now }: CursorOptions, scope: string, cursor: string): Promise<string> {
  const [payload = "", signature = "", ...rest] = cursor.split(".");
  const expected = Buffer.from(sign(await key(), scope, payload));
  const given = Buffer.from(signature);
  if (rest.length > 0 || given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new ScimError(400, "the cursor is not one of this query", "invalidCursor");
  }
  const value: unknown = JSON.parse(Buffer.from(payload, "base64url").toString());
  if (!isJsonObject(value) || typeof value["p"] !== "string" || typeof value["e"] !== "number") {
    throw new ScimError(400, "the cursor is not one of this query", "invalidCursor");
  }
  if (value["e"] < now()) throw new ScimError(400, "the cursor has expired; begin again", "expiredCursor");
  return value["p"];
}

/** What must stay the same from page to page: all but the cursor and the size of the page. */
export function toCursorScope(endpoint: string, parameters: QueryParameters): string {
  const fixed = { ...parameters, cursor: undefined, count: undefined };
  const text = JSON.stringify([endpoint, Object.entries(fixed)]);
  return createHash("sha256").update(text).digest("base64url");
}

function sign(key: Uint8Array, scope: string, payload: string): string {
  return createHmac("sha256", key).update(`${scope}.${payload}`).digest("base64url");
}
