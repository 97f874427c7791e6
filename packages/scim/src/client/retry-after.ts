/** Nobody is waited for longer: an endpoint that asks for more would stop all work at it, by mistake or by intent. */
const maxRetryAfterMs = 3_600_000;

/**
 * The wait that a `Retry-After` header asks for, in milliseconds (RFC 9110 §10.2.3), at most `maxRetryAfterMs`;
 * undefined where it says nothing.
 */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, maxRetryAfterMs);
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.min(Math.max(0, date - nowMs), maxRetryAfterMs);
}
