/** Hides what is known of a call that failed, above all whether a write may have happened. */
import { isJsonObject, ownValueIgnoringCase } from "../json.ts";
import { ScimClientError, type ScimClientFailure } from "./error.ts";

/** Errors before anything was sent. */
const unsentCodes = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_INVALID_ARG",
]);

/** An answer that did not come, or not whole. */
export function toTransportError(
  name: string,
  {
    cause,
    deadline,
    isWrite,
    status,
  }: { cause: unknown; deadline: AbortSignal; isWrite: boolean; status: number | undefined },
): ScimClientError {
  if (deadline.aborted) {
    return new ScimClientError(
      `${name}: no whole answer within the deadline`,
      { kind: "timeout", status, outcomeUnknown: isWrite },
      cause,
    );
  }
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
  const wasSent = code === undefined || !unsentCodes.has(code);
  return new ScimClientError(
    `${name}: connection failed${code === undefined ? "" : ` (${code})`}`,
    { kind: "connection", status, outcomeUnknown: isWrite && wasSent },
    cause,
  );
}

/** An answer other than 2xx; `text` is undefined when it was over the byte cap. */
export interface RefusedAnswer {
  readonly status: number;
  readonly text: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly isWrite: boolean;
}

/** An answer other than 2xx. */
export function toHttpError(name: string, { status, text, retryAfterMs, isWrite }: RefusedAnswer): ScimClientError {
  const failure: ScimClientFailure = {
    kind: "http",
    status,
    ...readErrorBody(text),
    retryAfterMs,
    // A server or a proxy that failed may have failed after the write; one that refused did not write.
    outcomeUnknown: isWrite && (status >= 500 || status === 408),
  };
  const detail = failure.detail === undefined ? "" : `: ${failure.detail.slice(0, 200)}`;
  return new ScimClientError(`${name}: ${status}${detail}`, failure);
}

function readErrorBody(text: string | undefined): Pick<ScimClientFailure, "scimType" | "detail"> {
  if (text === undefined) return {};
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    // Proxies answer with pages of their own; the status says enough.
    return {};
  }
  if (!isJsonObject(body)) return {};
  const scimType = ownValueIgnoringCase(body, "scimType");
  const detail = ownValueIgnoringCase(body, "detail");
  return {
    scimType: typeof scimType === "string" ? scimType : undefined,
    detail: typeof detail === "string" ? detail : undefined,
  };
}
