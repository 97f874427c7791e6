/** Hides what is known of a call that failed, above all whether a write may have happened. */
import { isJsonObject, ownValueIgnoringCase } from "../json.ts";
import { ScimClientError, type ScimClientFailure } from "./error.ts";
import { toShownText } from "./plain-text.ts";
import { describeTransportCause } from "./transport-cause.ts";

/** Characters of an error's own words that are kept; of `scimType`, twice the longest that RFC 7644 knows. */
const MAX_DETAIL = 200;
const MAX_SCIM_TYPE = 32;

/** How a call that had no whole answer went. */
export interface BrokenCall {
  readonly cause: unknown;
  readonly deadline: AbortSignal;
  readonly deadlineMs: number;
  readonly isWrite: boolean;
  /** Undefined where not even the head of an answer came. */
  readonly status: number | undefined;
}

/** An answer that did not come, or not whole. */
export function toTransportError(name: string, { cause, deadline, ...call }: BrokenCall): ScimClientError {
  const { deadlineMs, isWrite, status } = call;
  if (deadline.aborted) {
    const what = status === undefined ? "no answer" : `an answer (${status}) that was not whole`;
    const failure = { kind: "timeout", status, outcomeUnknown: isWrite } as const;
    return new ScimClientError(`${name}: ${what} within ${deadlineMs / 1000} s`, failure, cause);
  }
  const { text, isUnsent } = describeTransportCause(cause);
  const failure = { kind: "connection", status, outcomeUnknown: isWrite && !isUnsent } as const;
  return new ScimClientError(`${name}: ${text}`, failure, cause);
}

/** An answer other than 2xx; `text` is undefined when it was over the byte cap. */
export interface RefusedAnswer {
  readonly status: number;
  readonly text: string | undefined;
  /** Where it leads to, from `Location`. */
  readonly location: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly isWrite: boolean;
}

/** An answer other than 2xx. */
export function toHttpError(
  name: string,
  { status, text, location, retryAfterMs, isWrite }: RefusedAnswer,
): ScimClientError {
  const failure: ScimClientFailure = {
    kind: "http",
    status,
    ...(isRedirect(status) && location !== undefined ? toRedirectDetail(location) : readErrorBody(text)),
    retryAfterMs,
    // A server or a proxy that failed may have failed after the write; one that refused did not write.
    outcomeUnknown: isWrite && (status >= 500 || status === 408),
  };
  const detail = failure.detail === undefined ? "" : `: ${failure.detail}`;
  return new ScimClientError(`${name}: ${status}${detail}`, failure);
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

function toRedirectDetail(location: string): Pick<ScimClientFailure, "detail"> {
  return { detail: `it redirects to ${toShownText(location, MAX_DETAIL)}, where nobody follows: use that in the URL` };
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
    scimType: typeof scimType === "string" ? toShownText(scimType, MAX_SCIM_TYPE) : undefined,
    detail: typeof detail === "string" ? toShownText(detail, MAX_DETAIL) : undefined,
  };
}
