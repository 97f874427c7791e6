/** UTF-8 bytes that a configuration file has at most, whichever way its text comes in. */
export const MAX_CONFIGURATION_BYTES = 1_000_000;

/** What is wrong with a file of this size; undefined where nothing is. */
export function findSizeProblem(bytes: number): string | undefined {
  if (bytes <= MAX_CONFIGURATION_BYTES) return undefined;
  return `the file has ${bytes} bytes; a configuration has at most ${MAX_CONFIGURATION_BYTES}`;
}
