/** A pattern for LIKE that matches the text itself anywhere. */
export function containing(text: string): string {
  return `%${escape(text)}%`;
}

/** A pattern for LIKE that matches what begins with the text. */
export function beginning(text: string): string {
  return `${escape(text)}%`;
}

function escape(text: string): string {
  return text.replace(/[\\%_]/gu, String.raw`\$&`);
}
