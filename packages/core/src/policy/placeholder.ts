const shape = /^\$\{user\.(?<attribute>[A-Za-z][A-Za-z0-9_.:-]{0,99})\}/;

/** The `${user.<attribute>}` at the start of the text, and how many characters it takes. */
export function placeholderAt(text: string): { readonly attribute: string; readonly length: number } | undefined {
  const match = shape.exec(text);
  const attribute = match?.groups?.["attribute"];
  return match === null || attribute === undefined ? undefined : { attribute, length: match[0].length };
}

/**
 * True when a user's value may be inserted into a pattern (rule B5): exactly one path segment. A value with wildcard
 * characters is refused although it would be inserted literally, so that a user named `**` owns nothing at all.
 */
export function isSegmentValue(value: string): boolean {
  return value !== "" && value !== "." && value !== ".." && !/[/*?[\]\0]/.test(value);
}
