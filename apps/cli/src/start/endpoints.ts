import type { Configuration } from "@branchward/core";
import { resolveSecrets } from "@branchward/runtime";
import { createScimClient } from "@branchward/scim";
import type { Endpoint } from "@branchward/worker";

export interface EndpointSecrets {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the built-in directory is and the worker's token for it, unless the configuration says otherwise. */
  readonly builtin: { readonly url: string; readonly token: string };
}

/** Total deadline of one SCIM call, and the most that an answer may hold. */
const CALL_DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 10 * 1024 * 1024;

/** The configured endpoints, ready to be spoken to. */
export async function createEndpoints(
  configuration: Configuration,
  { env, builtin }: EndpointSecrets,
): Promise<ReadonlyMap<string, Endpoint>> {
  const endpoints = new Map<string, Endpoint>();
  for (const { name, type, url, token, concurrency, drift, displayName } of configuration.endpoints) {
    const [secret] = token === null ? [builtin.token] : await resolveSecrets(token, { env }, `endpoint ${name}`);
    const options = {
      url: url ?? builtin.url,
      token: () => secret ?? "",
      deadlineMs: CALL_DEADLINE_MS,
      maxBytes: MAX_ANSWER_BYTES,
    };
    endpoints.set(name, {
      name,
      builtin: type === "builtin",
      concurrency,
      drift,
      displayName,
      connect: (onCall) =>
        createScimClient({ ...options, onCall: (call) => onCall({ ...call, status: call.status ?? null }) }),
    });
  }
  return endpoints;
}
