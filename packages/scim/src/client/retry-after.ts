/** Nobody is waited for longer: an endpoint that asks for more would stop all work at it, by mistake or by intent. */
const maxRetryAfterMs = 3_600_000;

/**
 * The wait that a `Retry-After` header asks for, in milliseconds (RFC 9110 §10.2.3), at most `maxRetryAfterMs`;
 * undefined where it says nothing, and where the moment is now or past: the caller's own pauses are longer than that.
 */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : /[a-z]/i.test(text) ? Date.parse(text) - nowMs : Number.NaN;
  return waitMs > 0 ? Math.min(waitMs, maxRetryAfterMs) : undefined;
}
