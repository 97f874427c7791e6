import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** A secret as bytes: `whsec_` followed by base64 is decoded (Standard Webhooks), any other string is its UTF-8. */
export function decodeSecret(text: string): Uint8Array {
  return text.startsWith("whsec_") ? Buffer.from(text.slice("whsec_".length), "base64") : Buffer.from(text, "utf8");
}

/**
 * Whether one of `candidates` is the HMAC-SHA256 of `parts` under one of `secrets`.
 * Every pair is compared, each in constant time; an empty secret matches nothing.
 */
export function hasValidHmac(
  parts: readonly (string | Uint8Array)[],
  secrets: readonly Uint8Array[],
  candidates: readonly Uint8Array[],
): boolean {
  let valid = false;
  for (const secret of secrets) {
    if (secret.length === 0) continue;
    const hmac = createHmac("sha256", secret);
    for (const part of parts) hmac.update(part);
    const expected = hmac.digest();
    for (const candidate of candidates) {
      if (candidate.length === expected.length && timingSafeEqual(candidate, expected)) valid = true;
    }
  }
  return valid;
}

/** Identifies a delivery whose source gives no id: the SHA-256 of its body in lower-case hex. */
export function digestBody(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}
