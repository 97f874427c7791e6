/** What GitHub's API means by a refusal (docs.github.com/rest, "Rate limits for the REST API", "Troubleshooting"). */
import { isRecord, type Json } from "./payload.ts";

export interface ApiFailure {
  readonly status: number;
  /** Cause and fix, about the repository of this name. */
  tell(repository: string): string;
  /** How long no call is wanted, given the time; null where the answer does not say. */
  retryAfterMs(now: number): number | null;
}

/** A secondary limit without a time: "wait for at least one minute". */
const SECONDARY_LIMIT_MS = 60_000;
/** Longer than any limit lasts; what says more is not believed. */
const LONGEST_MS = 3_600_000;

/** Undefined for what is no answer of the API: no connection, a deadline. */
export function toFailure(error: unknown): ApiFailure | undefined {
  const refusal = findRefusal(error);
  if (refusal === undefined) return undefined;
  const { status, headers, message } = refusal;
  const isSpent = headers["x-ratelimit-remaining"] === "0";
  const isLimited =
    status === 429 ||
    (status === 403 && (isSpent || headers["retry-after"] !== undefined || /rate limit/iu.test(message)));
  return {
    status,
    tell: (repository) => (isLimited ? "its rate limit is used up" : tellStatus(status, repository)),
    retryAfterMs(now) {
      const told = Number(headers["retry-after"]) * 1_000;
      if (Number.isFinite(told) && told >= 0) return Math.min(told, LONGEST_MS);
      if (!isLimited) return null;
      const resetMs = isSpent ? Number(headers["x-ratelimit-reset"]) * 1_000 - now : Number.NaN;
      return Number.isFinite(resetMs) ? Math.min(Math.max(resetMs, 1_000), LONGEST_MS) : SECONDARY_LIMIT_MS;
    },
  };
}

/** Octokit's `HttpError`, by its shape: several versions of its class may be about. */
function findRefusal(
  error: unknown,
): { readonly status: number; readonly headers: Json; readonly message: string } | undefined {
  if (!(error instanceof Error) || error.name !== "HttpError") return undefined;
  if (!("status" in error) || typeof error.status !== "number") return undefined;
  // Octokit gives 500 to what never was answered.
  if (!("response" in error) || !isRecord(error.response) || !isRecord(error.response["headers"])) return undefined;
  return { status: error.status, headers: error.response["headers"], message: error.message };
}

function tellStatus(status: number, repository: string): string {
  switch (status) {
    case 401:
      return "it does not take the token (401): put a valid one where api.token points";
    case 403:
      return `the token may not read ${repository} (403): give it the permissions Metadata: read and Contents: read`;
    case 404:
      return `it shows no ${repository} to the token (404): let the token see the repository`;
    case 409:
      return `${repository} is empty there (409)`;
    default:
      return `it answered ${status} for ${repository}`;
  }
}
