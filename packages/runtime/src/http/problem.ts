/** RFC 9457 problem details: what every route but SCIM's answers when it cannot do what was asked. */
import {
  AppError,
  type AppErrorOptions,
  ConflictError,
  ForbiddenError,
  InvalidInputError,
  NotFoundError,
  UnauthorizedError,
  UnavailableError,
} from "@branchward/core";

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly errors?: readonly unknown[];
}

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

export interface ProblemResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Problem;
}

export function createProblem(status: number, code: string, detail: string, errors?: readonly unknown[]): Problem {
  return {
    type: `urn:branchward:problem:${code}`,
    title: TITLES[status] ?? "Error",
    status,
    code,
    detail,
    ...(errors === undefined ? {} : { errors }),
  };
}

/** HTTP status of an error; 500 for what is not ours. */
function toStatus(error: unknown): number {
  if (error instanceof HttpError) return error.status;
  if (error instanceof InvalidInputError) return 400;
  if (error instanceof UnauthorizedError) return 401;
  if (error instanceof ForbiddenError) return 403;
  if (error instanceof NotFoundError) return 404;
  if (error instanceof ConflictError) return 409;
  if (error instanceof UnavailableError || isDatabaseAway(error)) return 503;
  return 500;
}

/** An answer that is not one of the domain's errors: size, media type, method. */
export class HttpError extends AppError {
  readonly status: number;

  constructor(status: number, code: string, message: string, options: Pick<AppErrorOptions, "retry"> = {}) {
    super(message, { code, ...options });
    this.status = status;
  }
}

const AWAY_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EPIPE",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
  "57P01",
  "57P02",
  "57P03",
  "53100",
  "53200",
  "53300",
  // A statement, or a transaction, that waited longer than it may: for a lock, or for a server that is too slow.
  "57014",
  "25P03",
  "08000",
  "08003",
  "08006",
  "25006",
]);

/** True for errors of a database that is down, restarting, full, locked, read-only or silent: trying later makes sense. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("code" in error && typeof error.code === "string" && AWAY_CODES.has(error.code)) return true;
  if (error instanceof AggregateError) return error.errors.some(isDatabaseAway);
  return /timeout exceeded when trying to connect|Query read timeout|Connection terminated|is not queryable/u.test(
    error.message,
  );
}

/** Seconds after which a client may come back when the record is away. */
const RETRY_AFTER_S = 2;

/** The answer for an error; messages of unexposed errors stay inside. */
export function toProblemResponse(error: unknown): ProblemResponse {
  const status = toStatus(error);
  const headers: Record<string, string> = {};
  if (status === 401) headers["WWW-Authenticate"] = 'Bearer realm="branchward"';
  const retry = error instanceof AppError ? error.retry : "never";
  if (typeof retry === "object") headers["Retry-After"] = String(Math.ceil(retry.afterMs / 1000));
  else if (status === 503) headers["Retry-After"] = String(RETRY_AFTER_S);
  if (error instanceof AppError && error.expose) {
    const errors = Array.isArray(error.details["errors"]) ? error.details["errors"] : undefined;
    return { status, headers, body: createProblem(status, error.code, error.message, errors) };
  }
  if (status === 503) {
    return {
      status,
      headers,
      body: createProblem(503, "unavailable", "The record is away for the moment; try again."),
    };
  }
  return {
    status: 500,
    headers,
    body: createProblem(500, "internal", "Something failed here; the log has the cause."),
  };
}
