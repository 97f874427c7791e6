const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

/** True for text that can be an id of ours, or of the built-in directory. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
