/** Text of a stranger's, made such that a message, a header or a database can hold it. */

/** What a person is shown of it: without control characters, and at most so many characters. */
export function toShownText(text: string, maxLength: number): string {
  // A character of two halves may be cut in two, too.
  return text
    .slice(0, maxLength)
    .replaceAll(/\p{Cc}+/gu, " ")
    .toWellFormed();
}

/** The same text but for what PostgreSQL does not take, NUL and halves of characters: with U+FFFD in their places. */
export function toKeptText(text: string): string {
  return text.replaceAll("\0", "\u{fffd}").toWellFormed();
}
