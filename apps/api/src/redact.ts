/** Takes out of a stored body what nobody is to read off a page. */

const REDACTED = "[redacted]";

const SECRET_KEY =
  /secret|token|passw|authorization|credential|cookie|signature|api[-_]?key|private[-_]?key|access[-_]?key/iu;
const CREDENTIALS_IN_URL = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#@"']+@/giu;
const SECRET_PARAMETER = /([?&](?:[\w.-]*(?:token|secret|passw|signature|api[-_]?key)[\w.-]*|sig|key)=)[^\s&#"']+/giu;
const TOKEN =
  /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|whsec_[A-Za-z0-9+/=]{16,}|bw_(?:admin|read|status|scim|agent)_[\w-]{16,})/gu;

/** URLs without user and password, and without parameters that carry secrets. */
function withoutCredentials(text: string): string {
  return text.replace(CREDENTIALS_IN_URL, `$1${REDACTED}@`).replace(SECRET_PARAMETER, `$1${REDACTED}`);
}

/**
 * The value with secrets replaced: what stands under a key that names one, credentials in URLs, and strings that look
 * like tokens. An address of an API (`…_url`) is no secret whatever its key is called.
 */
export function redact(value: unknown): unknown {
  if (typeof value === "string") return withoutCredentials(value).replace(TOKEN, REDACTED);
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, redactUnder(key, inner)]));
}

function redactUnder(key: string, value: unknown): unknown {
  const names = SECRET_KEY.test(key) && !/_url$/iu.test(key);
  if (!names || value === null || typeof value === "boolean") return redact(value);
  return REDACTED;
}
