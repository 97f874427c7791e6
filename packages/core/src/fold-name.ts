/**
 * The key under which two names are one: NFC, full case folded, so that ß is SS. It is the directory's comparison of
 * what is not `caseExact` (RFC 7643 §2.2), `userName` among it; policy must know nobody whom the directory tells apart,
 * nor miss a deny for somebody whom it does not.
 */
export function foldName(name: string): string {
  return name.normalize("NFC").toUpperCase().toLowerCase();
}
