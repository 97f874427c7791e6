/** A pattern for LIKE that matches the text itself anywhere. */
export function containing(text: string): string {
  return `%${text.replace(/[\\%_]/gu, String.raw`\$&`)}%`;
}
