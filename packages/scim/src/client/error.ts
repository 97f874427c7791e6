/** What a call failed with, as far as the client can know. */
export interface ScimClientFailure {
  /**
   * `http`: an answer other than 2xx · `timeout`: the deadline passed · `connection`: no answer, or the caller gave up
   * · `too-large`: an answer, or all of a list, over the cap · `malformed`: a 2xx answer that is not what RFC 7644 says.
   */
  readonly kind: "http" | "timeout" | "connection" | "too-large" | "malformed";
  readonly status?: number | undefined;
  /** From the error body, cut and without control characters. */
  readonly scimType?: string | undefined;
  readonly detail?: string | undefined;
  /** From `Retry-After` in either form, at most an hour; undefined also where it names no time to come. */
  readonly retryAfterMs?: number | undefined;
  /** True when a write may have happened all the same: only reading tells. Never true of a read. */
  readonly outcomeUnknown: boolean;
}

/** The only error of a `ScimClient`'s calls; its message names the call, never a secret. */
export class ScimClientError extends Error implements ScimClientFailure {
  override readonly name = "ScimClientError";
  readonly kind: ScimClientFailure["kind"];
  readonly status: number | undefined;
  readonly scimType: string | undefined;
  readonly detail: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly outcomeUnknown: boolean;

  constructor(message: string, failure: ScimClientFailure, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = failure.kind;
    this.status = failure.status;
    this.scimType = failure.scimType;
    this.detail = failure.detail;
    this.retryAfterMs = failure.retryAfterMs;
    this.outcomeUnknown = failure.outcomeUnknown;
  }
}
