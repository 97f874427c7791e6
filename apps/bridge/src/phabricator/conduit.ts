/** Hides how Conduit is spoken: the form it takes, its errors in answers of status 200, and what a lost answer means. */
import { UpstreamError } from "@branchward/core";
import { request, type Dispatcher } from "undici";
import { z } from "zod";

/** How calls are made. */
export interface ConduitOptions {
  /** The server's base URI: `https://phabricator.example.com`. */
  readonly url: string;
  /** API tokens of an administrator, the best first; asked before every call, so that a rotated one is used at once. */
  readonly tokens: () => Promise<readonly string[]>;
  /** Where connections are pooled; undici's global one when left out. */
  readonly dispatcher?: Dispatcher;
  /** For a whole call, from the first byte sent to the last one read. */
  readonly deadlineMs: number;
  /** The most bytes of an answer. */
  readonly maxBytes: number;
}

/** Conduit of one server. Both throw `ConduitError`, and what `tokens` throws. */
export interface Conduit {
  /** A call that changes nothing. */
  read(method: string, parameters: object): Promise<unknown>;
  /** A call that may change something, so that its outcome is unknown when its answer is lost. */
  write(method: string, parameters: object): Promise<unknown>;
}

/**
 * `refused`: the server understood and will not. `unauthorized`: no token is taken. `unknown-method`: no such method is
 * installed. `failed`: no answer, or not Conduit's (500 of a deadlock, 502 of a proxy, a broken extension file).
 */
export type ConduitErrorKind = "refused" | "unauthorized" | "unknown-method" | "failed";

/** A call that did not succeed. */
export class ConduitError extends UpstreamError {
  readonly kind: ConduitErrorKind;
  /** Conduit's own code, such as `ERR-CONDUIT-CORE`; undefined where there was no such answer. */
  readonly errorCode: string | undefined;
  /** What the server said, without the method's name. */
  readonly reason: string;
  /** Whether the call may have changed something all the same. */
  readonly outcomeUnknown: boolean;
  readonly #method: string;

  constructor(method: string, failure: ConduitFailure) {
    const { kind, reason, errorCode, outcomeUnknown = false, cause } = failure;
    const retry = kind === "refused" ? "never" : "backoff";
    super(`${method}: ${reason}`, { code: "conduit_failed", retry, details: { kind, errorCode }, cause });
    this.kind = kind;
    this.reason = reason;
    this.errorCode = errorCode;
    this.outcomeUnknown = outcomeUnknown;
    this.#method = method;
  }

  /** The same, of a look at a change whose outcome it left unknown. */
  asUnknown(): ConduitError {
    const { kind, reason, errorCode } = this;
    return new ConduitError(this.#method, { kind, reason, errorCode, outcomeUnknown: true, cause: this });
  }
}

interface ConduitFailure {
  readonly kind: ConduitErrorKind;
  readonly reason: string;
  readonly errorCode?: string | undefined;
  readonly outcomeUnknown?: boolean;
  readonly cause?: unknown;
}

const envelope = z.object({
  result: z.unknown(),
  error_code: z.string().nullable(),
  error_info: z.string().nullable(),
});

interface Call {
  readonly method: string;
  readonly parameters: object;
  readonly isWrite: boolean;
}

/** Makes Conduit for a server. */
export function createConduit(options: ConduitOptions): Conduit {
  return {
    read: (method, parameters) => callWithTokens(options, { method, parameters, isWrite: false }),
    write: (method, parameters) => callWithTokens(options, { method, parameters, isWrite: true }),
  };
}

/** A refused token changed nothing, so that the next one may be tried. */
async function callWithTokens(options: ConduitOptions, call: Call): Promise<unknown> {
  let refusal = new ConduitError(call.method, { kind: "unauthorized", reason: "there is no token" });
  for (const token of await options.tokens()) {
    try {
      return await callWithToken(options, call, token);
    } catch (error) {
      if (!(error instanceof ConduitError) || error.kind !== "unauthorized") throw error;
      refusal = error;
    }
  }
  throw refusal;
}

async function callWithToken(options: ConduitOptions, call: Call, token: string): Promise<unknown> {
  const { method, isWrite } = call;
  const { status, text } = await exchange(options, call, token);
  const answer = parseAnswer(text);
  if (answer === undefined) {
    const reason = `answered ${status} with what is not Conduit's: ${JSON.stringify(text.slice(0, 120))}`;
    throw new ConduitError(method, { kind: "failed", reason, outcomeUnknown: isWrite });
  }
  const { result, error_code: errorCode, error_info: info } = answer;
  if (errorCode === null && status === 200) return result;
  const reason = info ?? `answered ${status}`;
  // Errors have status 200; another one is a fault of the server, a deadlock of its database among them.
  if (status !== 200) throw new ConduitError(method, { kind: "failed", reason, outcomeUnknown: isWrite });
  throw new ConduitError(method, { kind: toKind(errorCode ?? "", reason), reason, errorCode: errorCode ?? undefined });
}

function toKind(errorCode: string, reason: string): ConduitErrorKind {
  if (errorCode === "ERR-INVALID-AUTH" || errorCode === "ERR-INVALID-SESSION") return "unauthorized";
  if (errorCode === "ERR-CONDUIT-CALL" && reason.endsWith("does not exist.")) return "unknown-method";
  return "refused";
}

function parseAnswer(text: string): z.infer<typeof envelope> | undefined {
  try {
    return envelope.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function exchange(
  options: ConduitOptions,
  { method, parameters, isWrite }: Call,
  token: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const form = new URLSearchParams({
    params: JSON.stringify({ ...parameters, __conduit__: { token } }),
    output: "json",
  });
  let isSent = false;
  try {
    const response = await request(`${options.url.replace(/\/+$/, "")}/api/${method}`, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
      body: form.toString(),
      signal: AbortSignal.timeout(options.deadlineMs),
      // The deadline is the only clock.
      headersTimeout: 0,
      bodyTimeout: 0,
      ...(options.dispatcher === undefined ? {} : { dispatcher: options.dispatcher }),
    });
    isSent = true;
    return { status: response.statusCode, text: await readText(response.body, options.maxBytes) };
  } catch (cause) {
    const reason = toTransportReason(cause, options.deadlineMs);
    const outcomeUnknown = isWrite && (isSent || !isUnreachable(cause));
    throw new ConduitError(method, { kind: "failed", reason, outcomeUnknown, cause });
  }
}

function toTransportReason(cause: unknown, deadlineMs: number): string {
  if (cause instanceof Error && cause.name === "TimeoutError") return `no whole answer within ${deadlineMs} ms`;
  return cause instanceof Error ? cause.message : String(cause);
}

/** Whether no connection came about, so that nothing was sent. */
function isUnreachable(cause: unknown): boolean {
  const code: unknown = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return code === "ECONNREFUSED" || code === "ENOTFOUND" || code === "UND_ERR_CONNECT_TIMEOUT";
}

async function readText(body: Dispatcher.ResponseData["body"], maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBytes) throw new Error(`answer over ${maxBytes} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}
