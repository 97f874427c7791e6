/** Whether and when trying the same thing again makes sense. */
export type Retry = "never" | "backoff" | { readonly afterMs: number };

export interface AppErrorOptions {
  /** Stable and machine-readable, in snake_case. Subclasses have a default. */
  readonly code?: string;
  readonly retry?: Retry;
  /** True when `message` and `details` may be shown to whoever asked. */
  readonly expose?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** The one error of the project. Its `code` is a contract, its message is for people. */
export class AppError extends Error {
  readonly code: string;
  readonly retry: Retry;
  readonly expose: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(message: string, options: AppErrorOptions & { readonly code: string }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code;
    this.retry = options.retry ?? "never";
    this.expose = options.expose ?? true;
    this.details = options.details ?? {};
  }
}

/** The configuration or the environment cannot be used; the process exits with 78. */
export class ConfigurationError extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super(message, { code: "configuration_invalid", ...options });
  }
}

/** Input from outside breaks a contract. */
export class InvalidInputError extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super(message, { code: "invalid_input", ...options });
  }
}

/** Nobody proved who asks. */
export class UnauthorizedError extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super(message, { code: "unauthorized", ...options });
  }
}

/** Who asks is known and may not. */
export class ForbiddenError extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super(message, { code: "forbidden", ...options });
  }
}

/** What was asked for is not there. */
export class NotFoundError extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super(message, { code: "not_found", ...options });
  }
}

/** The state of a record forbids what was asked, or somebody else was first. */
export class ConflictError extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super(message, { code: "conflict", ...options });
  }
}

/** Something of ours (database, queue) is away for the moment. */
export class UnavailableError extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super(message, { code: "unavailable", retry: "backoff", ...options });
  }
}

/** A system that is not ours failed or answered what it must not. The message stays inside unless `expose` is given. */
export class UpstreamError extends AppError {
  constructor(message: string, options: AppErrorOptions = {}) {
    super(message, { code: "upstream_failed", retry: "backoff", expose: false, ...options });
  }
}
