/** One HTTP call with a total deadline and a byte cap; no redirects, no retries. */
import { request, type Dispatcher } from "undici";
import type { JsonObject } from "../json.ts";
import { scimMediaType } from "../provider/message.ts";
import { ScimClientError } from "./error.ts";
import { toHttpError, toTransportError } from "./failure.ts";
import { toShownText } from "./plain-text.ts";
import { parseRetryAfter } from "./retry-after.ts";

/** How calls are made. */
export interface ScimHttpOptions {
  /** The base of the service provider: `https://host/scim/v2`. */
  readonly url: string;
  /** Asked before every call, so that a rotated token is used at once. */
  readonly token: () => string | Promise<string>;
  /** Where connections are pooled; undici's global one when left out. */
  readonly dispatcher?: Dispatcher;
  /** For the whole call, from the first byte sent to the last one read. */
  readonly deadlineMs: number;
  /** The most bytes of a response body; a list may have ten times as many over all its pages. */
  readonly maxBytes: number;
  /** Sent with every call. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Told of every call when it ends, however it ends. */
  readonly onCall?: (call: ScimCall) => void;
  /** After a 401, which was not acted on: a token other than those that this call tried, as long as there is one. */
  readonly nextToken?: (tried: readonly string[]) => string | undefined | Promise<string | undefined>;
  /** Wraps every call: may hold it back, refuse it by throwing, and sees how it ended. */
  readonly around?: <Result>(call: Pick<HttpCall, "method" | "path">, send: () => Promise<Result>) => Promise<Result>;
  /** Milliseconds since 1970, for `Retry-After` dates. */
  readonly now?: () => number;
}

/** A call that ended. */
export interface ScimCall {
  readonly method: string;
  /** Below the base, without the query. */
  readonly path: string;
  /** Undefined when no answer came. */
  readonly status: number | undefined;
  readonly durationMs: number;
}

/** What one call may add. */
export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A call to make. */
export interface HttpCall extends CallOptions {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the base, its segments encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: JsonObject;
}

/** A 2xx answer. */
export interface HttpAnswer {
  readonly status: number;
  readonly etag: string | undefined;
  /** The parsed body, undefined when it was empty. */
  readonly body: unknown;
  /** Characters of the body. */
  readonly length: number;
}

/** Makes the function that makes calls. It throws nothing but `ScimClientError`, and what `token` and `around` throw. */
export function createHttp(options: ScimHttpOptions): (call: HttpCall) => Promise<HttpAnswer> {
  const { around = (_, send) => send() } = options;
  return (call) => around(call, () => authenticate(options, call));
}

/** Tries the tokens in turn, so that a rotation costs no call. */
async function authenticate(options: ScimHttpOptions, call: HttpCall): Promise<HttpAnswer> {
  const { token, nextToken = () => undefined } = options;
  const tried: string[] = [];
  for (let current = await token(); ;) {
    try {
      return await observe(options, call, current);
    } catch (error) {
      if (!(error instanceof ScimClientError) || error.status !== 401) throw error;
      tried.push(current);
      const next = await nextToken(tried);
      if (next === undefined || tried.includes(next)) throw error;
      current = next;
    }
  }
}

async function observe(options: ScimHttpOptions, call: HttpCall, token: string): Promise<HttpAnswer> {
  const { onCall = () => undefined } = options;
  const start = performance.now();
  let status: number | undefined;
  try {
    return await exchange(options, { ...call, token }, (observed) => (status = observed));
  } finally {
    onCall({ method: call.method, path: call.path, status, durationMs: performance.now() - start });
  }
}

type AuthenticatedCall = HttpCall & { readonly token: string };

async function exchange(
  options: ScimHttpOptions,
  call: AuthenticatedCall,
  onStatus: (status: number) => void,
): Promise<HttpAnswer> {
  const { deadlineMs, maxBytes, now = Date.now } = options;
  const name = `${call.method} ${call.path}`;
  const isWrite = call.method !== "GET";
  const deadline = AbortSignal.timeout(deadlineMs);
  const signal = call.signal === undefined ? deadline : AbortSignal.any([deadline, call.signal]);
  const init = toRequest(options, call);
  const response = await request(toUrl(options.url, call), { ...init, signal }).catch((cause: unknown) => {
    throw toTransportError(name, { cause, deadline, deadlineMs, isWrite, status: undefined });
  });
  const { statusCode: status, headers } = response;
  onStatus(status);
  const text = await readText(response.body, maxBytes).catch((cause: unknown) => {
    throw toTransportError(name, { cause, deadline, deadlineMs, isWrite, status });
  });
  if (status < 200 || status > 299) {
    const retryAfterMs = parseRetryAfter(toText(headers["retry-after"]), now());
    throw toHttpError(name, { status, text, location: toText(headers["location"]), retryAfterMs, isWrite });
  }
  if (text === undefined) {
    const failure = { kind: "too-large", status, outcomeUnknown: isWrite } as const;
    throw new ScimClientError(`${name}: answer over ${maxBytes} bytes`, failure);
  }
  const told = { type: toText(headers["content-type"]), coding: toText(headers["content-encoding"]) };
  const body = parseBody(name, { status, text, isWrite, ...told });
  return { status, etag: toText(headers["etag"]), body, length: text.length };
}

function toRequest(
  { headers, dispatcher }: ScimHttpOptions,
  call: AuthenticatedCall,
): NonNullable<Parameters<typeof request>[1]> {
  return {
    method: call.method,
    headers: {
      accept: `${scimMediaType}, application/json`,
      // Left out, any coding would do, and a small answer may hold a large one.
      "accept-encoding": "identity",
      ...(call.body === undefined ? {} : { "content-type": scimMediaType }),
      ...headers,
      ...call.headers,
      authorization: `Bearer ${call.token}`,
    },
    body: call.body === undefined ? null : JSON.stringify(call.body),
    // The deadline is the only clock: undici's own would end a call that is within it.
    headersTimeout: 0,
    bodyTimeout: 0,
    ...(dispatcher === undefined ? {} : { dispatcher }),
  };
}

/** `%20` and not `+` for a space, which not every server decodes. */
function toUrl(baseUrl: string, { path, query = {} }: HttpCall): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`],
  );
  return `${baseUrl.replace(/\/+$/, "")}${path}${pairs.length === 0 ? "" : `?${pairs.join("&")}`}`;
}

/** The body as text; undefined when it is over the cap, and then the connection is given up. */
async function readText(body: Dispatcher.ResponseData["body"], maxBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBytes) return undefined;
    chunks.push(bytes);
  }
  // Without the byte order mark that some put first.
  return new TextDecoder().decode(Buffer.concat(chunks));
}

interface ReadAnswer {
  readonly status: number;
  readonly text: string;
  /** `Content-Type` and `Content-Encoding`. */
  readonly type: string | undefined;
  readonly coding: string | undefined;
  readonly isWrite: boolean;
}

function parseBody(name: string, { status, text, type, coding, isWrite }: ReadAnswer): unknown {
  if (text.trim() === "") return undefined;
  const failure = { kind: "malformed", status, outcomeUnknown: isWrite } as const;
  if (coding !== undefined && coding.trim().toLowerCase() !== "identity") {
    throw new ScimClientError(
      `${name}: answer in a coding that was not asked for (${toShownText(coding, 50)})`,
      failure,
    );
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const what = type === undefined || /json/iu.test(type) ? "" : ` but ${toShownText(type, 50)}`;
    throw new ScimClientError(`${name}: answer is not JSON${what}`, failure, cause);
  }
}

function toText(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
