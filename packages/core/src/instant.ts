const shape = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/**
 * Reads `2026-12-31`, as that day begins in UTC, or a time with its zone, `2026-12-31T18:00:00Z`; undefined for any other
 * text, and for a day that no calendar has: `Date` would take the 30th of February for the 2nd of March.
 */
export function parseInstant(text: string): Date | undefined {
  const [, day] = shape.exec(text) ?? [];
  if (day === undefined) return undefined;
  const midnight = new Date(day);
  const at = new Date(text);
  const isReal = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
  return isReal && !Number.isNaN(at.getTime()) ? at : undefined;
}
