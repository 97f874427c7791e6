/**
 * An error as RFC 7644 §3.12 puts it on the wire. Everything that the engine refuses is one of these; a store throws
 * them too. Any other error that reaches the provider is a fault of ours and is left to the host.
 */
export class ScimError extends Error {
  override readonly name = "ScimError";
  /** The HTTP status. */
  readonly status: number;
  /** The keyword of RFC 7644 table 9, or one of the store's own. */
  readonly scimType: string | undefined;

  constructor(status: number, detail: string, scimType?: ScimErrorType | (string & {})) {
    super(detail);
    this.status = status;
    this.scimType = scimType;
  }
}

/** The keywords that the engine itself uses: RFC 7644 table 9, RFC 9865 §2.1, and `versionMismatch` for a failed `If-Match`. */
export type ScimErrorType =
  | "expiredCursor"
  | "invalidCount"
  | "invalidCursor"
  | "invalidFilter"
  | "invalidPath"
  | "invalidSyntax"
  | "invalidValue"
  | "mutability"
  | "noTarget"
  | "uniqueness"
  | "versionMismatch";

const errorSchema = "urn:ietf:params:scim:api:messages:2.0:Error";

/** The error body of RFC 7644 §3.12; `status` is a string there. */
export function toErrorBody(error: ScimError): Readonly<Record<string, unknown>> {
  return {
    schemas: [errorSchema],
    status: String(error.status),
    ...(error.scimType === undefined ? {} : { scimType: error.scimType }),
    detail: error.message,
  };
}
