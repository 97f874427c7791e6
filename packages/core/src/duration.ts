import { InvalidInputError } from "./errors.ts";

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const largestFirst = ["d", "h", "m", "s", "ms"] as const;
const shape = /^(?<amount>\d{1,15})(?<unit>ms|s|m|h|d)$/;

/**
 * Milliseconds of a duration written as one whole number and one unit: `250ms 30s 2m 8h 90d`.
 * @throws InvalidInputError `invalid_duration`
 */
export function parseDuration(text: string): number {
  const { amount, unit } = shape.exec(text)?.groups ?? {};
  const ms = Number(amount) * unitMs[isUnit(unit) ? unit : "ms"];
  if (unit === undefined || !Number.isSafeInteger(ms)) {
    throw new InvalidInputError(
      `not a duration: ${JSON.stringify(text.slice(0, 40))}; write 250ms, 30s, 2m, 8h or 90d`,
      {
        code: "invalid_duration",
      },
    );
  }
  return ms;
}

/** The shortest text that `parseDuration` reads back as the same whole number of milliseconds. */
export function formatDuration(ms: number): string {
  const unit = ms === 0 ? "s" : (largestFirst.find((candidate) => ms % unitMs[candidate] === 0) ?? "ms");
  return `${ms / unitMs[unit]}${unit}`;
}

function isUnit(text: string | undefined): text is keyof typeof unitMs {
  return text !== undefined && Object.hasOwn(unitMs, text);
}
