import { ConfigurationError } from "@branchward/core";

/** What can keep embedded PostgreSQL from starting. */
export type PostgresErrorCode =
  | "data_dir_in_use"
  | "data_dir_unusable"
  | "postgres_cluster_unusable"
  | "postgres_no_account"
  | "postgres_not_started"
  | "postgres_unsupported";

/** An error of this folder: something about the machine or the data directory that the operator has to put right. */
export function postgresError(
  code: PostgresErrorCode,
  { message, details, cause }: { message: string; details?: Readonly<Record<string, unknown>>; cause?: unknown },
): ConfigurationError {
  return new ConfigurationError(message, { code, expose: false, details: details ?? {}, cause });
}

/** The last lines of a program's output, indented, for an error's message. */
export function toOutputTail(output: string): string {
  return output
    .trim()
    .split("\n")
    .slice(-12)
    .map((line) => `  ${line}`)
    .join("\n");
}
