/** What goes in and out of a provider, apart from any HTTP framework. */
import { ScimError, toErrorBody } from "../error.ts";

/** A request below the provider's base. */
export interface ScimRequest<Context> {
  readonly method: string;
  /** Below the base, still percent-encoded: `/Users/123`. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** By lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The parsed JSON body, undefined when there is none. */
  readonly body: unknown;
  /** Who asks, passed to the store. */
  readonly context: Context;
}

/** An answer; a body goes out as `application/scim+json`, as the headers say. */
export interface ScimResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** The media type of RFC 7644 §8.1. */
export const scimMediaType = "application/scim+json";

/** An answer with a body. */
export function toResponse(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): ScimResponse {
  return { status, headers: { ...headers, "content-type": scimMediaType }, body };
}

/** An answer without a body. */
export function toEmptyResponse(status: number, headers: Readonly<Record<string, string>> = {}): ScimResponse {
  return { status, headers, body: undefined };
}

/** The answer for an error (RFC 7644 §3.12); a host uses it for what it refuses before the provider is asked. */
export function toErrorResponse(error: ScimError, headers: Readonly<Record<string, string>> = {}): ScimResponse {
  return toResponse(error.status, toErrorBody(error), headers);
}
