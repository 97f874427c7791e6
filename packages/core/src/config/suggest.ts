const maxDistance = 2;

/** `; did you mean "branches"?` for a slip of the pen, else nothing. */
export function suggest(word: string, candidates: readonly string[]): string {
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: distanceBetween(word.slice(0, 40), candidate) }))
    .filter(({ candidate, distance }) => distance <= maxDistance && distance < candidate.length)
    .toSorted((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best === undefined ? "" : `; did you mean ${JSON.stringify(best.candidate)}?`;
}

/** Levenshtein's distance, ignoring case. */
function distanceBetween(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, left] of Array.from(a.toLowerCase()).entries()) {
    const row = [i + 1];
    for (const [j, right] of Array.from(b.toLowerCase()).entries()) {
      const [before = 0, above = 0, beside = 0] = [previous[j], previous[j + 1], row[j]];
      row.push(Math.min(above + 1, beside + 1, before + (left === right ? 0 : 1)));
    }
    previous = row;
  }
  return previous.at(-1) ?? 0;
}
