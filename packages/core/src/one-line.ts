/**
 * The text as one line that steers no terminal: control characters, line and paragraph separators, and what turns the
 * direction of writing become U+FFFD. For whatever people are shown that others wrote.
 */
export function toOneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, "\u{fffd}");
}
