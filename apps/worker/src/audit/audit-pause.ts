import type { AuditConfiguration } from "@branchward/core";

export interface AuditedPage {
  /** Milliseconds since the round began, without this page. */
  readonly ageMs: number;
  /** Whether the round ends with it. */
  readonly isLast: boolean;
  /** Milliseconds that reading it took. */
  readonly spentMs: number;
}

const LEAST_BETWEEN_ROUNDS_MS = 1_000;

/**
 * Milliseconds until the next page. Within a round the reads take `budget` of the time; a round begins `interval` after
 * the one before, give or take a tenth (rule C9).
 */
export function toAuditPause(
  { budget, intervalMs }: Pick<AuditConfiguration, "budget" | "intervalMs">,
  { ageMs, isLast, spentMs }: AuditedPage,
): number {
  if (!isLast) return Math.round(spentMs * (1 / budget - 1));
  const jitter = 0.9 + Math.random() * 0.2;
  return Math.max(LEAST_BETWEEN_ROUNDS_MS, Math.round(intervalMs * jitter - ageMs - spentMs));
}
