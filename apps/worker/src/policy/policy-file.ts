/** The configuration file proposes policy versions (rule B1): at start, when it changes, and when it is told to look. */
import { AppError } from "@branchward/core";
import type { Queues } from "@branchward/queue";
import type { Logger } from "@branchward/runtime";
import { type Database, proposePolicy, raiseFinding } from "@branchward/store";
import { followFile } from "./follow-file.ts";

export interface PolicyFileDeps {
  readonly db: Database;
  readonly queues: Queues;
  /** Names of all configured endpoints. */
  readonly endpoints: readonly string[];
  readonly log: Logger;
}

export interface PolicyFile {
  /** Its name, as rules cite it. */
  readonly file: string;
  /** As it was read at start. */
  readonly text: string;
  /** Where it lies, to be followed; left out: it is read at start alone. */
  readonly path?: string;
}

/** Proposes what the file says. The version in force stays where that is broken or needs approval. */
export async function proposeFile(
  { db, queues, endpoints, log }: PolicyFileDeps,
  { file, text }: Pick<PolicyFile, "file" | "text">,
): Promise<void> {
  const proposed = { text, file, author: "file", origin: "file" } as const;
  const { state, version, woken, warnings } = await proposePolicy(db, endpoints, proposed);
  log.info({ state, version: version?.id, scopes: woken.length }, "policy proposed by file");
  if (warnings.length > 0) log.warn({ file, warnings }, "the policy says what can have no effect");
  for (const scope of woken) {
    await queues.enqueueReconcile({ scopeId: scope.id, endpoint: scope.endpoint, lane: "event" });
  }
}

export interface FollowedPolicy extends AsyncDisposable {
  /** Looks at the file now. */
  look(): Promise<void>;
}

/** Follows the file from where `proposeFile` left it. */
export function followPolicyFile(deps: PolicyFileDeps, { file, text, path }: PolicyFile): FollowedPolicy {
  if (path === undefined) return { look: async () => {}, [Symbol.asyncDispose]: async () => {} };
  return followFile({
    path,
    known: text,
    onText: (changed) => proposeFile(deps, { file, text: changed }),
    onError: (error) => tellUnread(deps, file, error),
  });
}

/** A file that is away says nothing: the version in force stays. What fails at our side is tried again at the next look. */
async function tellUnread({ db, log }: PolicyFileDeps, file: string, error: unknown): Promise<void> {
  log.warn({ err: error, file }, "the policy file was not taken in");
  if (!isFileError(error)) return;
  await raiseFinding(db, {
    kind: "policy-broken",
    subject: file,
    severity: "critical",
    message: `the file cannot be read (${error.message}); the policy version in force stays`,
  }).catch((cause: unknown) => log.warn({ err: cause, file }, "finding not recorded"));
}

function isFileError(error: unknown): error is Error {
  if (error instanceof AppError) return error.code === "configuration_invalid";
  return error instanceof Error && "syscall" in error && "path" in error;
}
