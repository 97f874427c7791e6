/** Percentiles of measured values, by nearest rank. */
export function summarize(values: readonly number[]): Readonly<Record<"n" | "p50" | "p99" | "max", number>> {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0;
  return { n: sorted.length, p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 };
}

export interface Target {
  readonly url: string;
  readonly secret: string;
  readonly token: string;
}
