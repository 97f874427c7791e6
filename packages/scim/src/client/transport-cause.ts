/** Hides the codes of Node's sockets and TLS and of undici: what they mean, in words that lead to a mend. */
import { toShownText } from "./plain-text.ts";

/** Why no whole answer came. */
export interface TransportCause {
  /** For people, with the code where there is one. */
  readonly text: string;
  /** True where nothing of the request was sent. */
  readonly isUnsent: boolean;
}

interface Meaning {
  readonly codes: RegExp;
  readonly meaning: string;
  readonly isUnsent?: boolean;
  /** Where the error's own words say more. */
  readonly isTold?: boolean;
}

const MEANINGS: readonly Meaning[] = [
  { codes: /^ECONNREFUSED$/u, meaning: "nobody listens there", isUnsent: true },
  { codes: /^(?:ENOTFOUND|EAI_AGAIN)$/u, meaning: "its name leads to no address", isUnsent: true },
  { codes: /^(?:EHOSTUNREACH|ENETUNREACH)$/u, meaning: "no way leads there", isUnsent: true },
  { codes: /^UND_ERR_CONNECT_TIMEOUT$/u, meaning: "no connection in time", isUnsent: true },
  { codes: /^EADDRREFUSED$/u, meaning: "its address is not allowed", isUnsent: true },
  { codes: /^UND_ERR_INVALID_ARG$/u, meaning: "it cannot be sent", isUnsent: true, isTold: true },
  { codes: /^(?:ECONNRESET|EPIPE|UND_ERR_SOCKET)$/u, meaning: "the other side cut the connection" },
  { codes: /^UND_ERR_HEADERS_OVERFLOW$/u, meaning: "the answer has more than 16 KB of headers" },
  { codes: /^UND_ERR_RES_CONTENT_LENGTH_MISMATCH$/u, meaning: "the answer is not as long as it says" },
  { codes: /^HPE_/u, meaning: "what came is not HTTP", isTold: true },
  {
    codes: /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_UNTRUSTED)$/u,
    meaning:
      "no authority known here vouches for its certificate: name a PEM file with that of its authority in NODE_EXTRA_CA_CERTS and start again",
    isUnsent: true,
  },
  { codes: /^CERT_HAS_EXPIRED$/u, meaning: "its certificate has expired: renew it there", isUnsent: true },
  {
    codes: /^CERT_NOT_YET_VALID$/u,
    meaning: "its certificate is not valid yet: set the clock right, here or where it was made",
    isUnsent: true,
  },
  {
    codes: /^ERR_TLS_CERT_ALTNAME_INVALID$/u,
    meaning: "its certificate bears other names: use one of them in the URL, or have it made for this one",
    isUnsent: true,
    isTold: true,
  },
  { codes: /^(?:CERT_|ERR_TLS_CERT_)/u, meaning: "its certificate is not valid", isUnsent: true, isTold: true },
  {
    codes: /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/u,
    meaning: "what answers there speaks no TLS: is that the port of plain HTTP?",
  },
  {
    codes: /^ERR_SSL_(?:UNSUPPORTED_PROTOCOL|TLSV1_ALERT_PROTOCOL_VERSION)$/u,
    meaning: "it speaks no TLS as new as 1.2: enable that there",
  },
  { codes: /^ERR_SSL_/u, meaning: "TLS failed", isTold: true },
];

/** What an error of a request means. */
export function describeTransportCause(cause: unknown): TransportCause {
  const { code, message } = readError(cause);
  const known = MEANINGS.find(({ codes }) => codes.test(code));
  if (known === undefined) return { text: `connection failed${code === "" ? "" : ` (${code})`}`, isUnsent: false };
  const told = known.isTold === true ? `: ${toShownText(message, 200)}` : "";
  return { text: `${known.meaning} (${code}${told})`, isUnsent: known.isUnsent === true };
}

function readError(cause: unknown): { readonly code: string; readonly message: string } {
  if (!(cause instanceof Error)) return { code: "", message: "" };
  const { name, message } = cause;
  if ("code" in cause && typeof cause.code === "string") return { code: cause.code, message };
  // undici's parser has no code where llhttp gave it none.
  return { code: name === "HTTPParserError" ? "HPE_ERROR" : "", message };
}
