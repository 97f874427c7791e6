/** From configuration to endpoints that can be spoken to: address guard, credentials, gate, client. */
import type { lookup as resolveName } from "node:dns";
import { type EndpointConfiguration, UnavailableError, UpstreamError } from "@branchward/core";
import { createScimClient, ScimClientError, type ScimHttpOptions } from "@branchward/scim";
import { type Database, raiseFinding, resolveFinding } from "@branchward/store";
import { Agent } from "undici";
import { AddressRefusedError, createGuardedConnector } from "./address-guard.ts";
import { type Credentials, openCredentials } from "./credentials.ts";
import type { Endpoint } from "./endpoint.ts";
import { createGate } from "./gate.ts";
import { applyProfile, createProfileReader } from "./profiled-client.ts";
import { createGateRecord } from "./gate-record.ts";
import { createSecretWatch } from "./secret-watch.ts";

export interface EndpointSources {
  readonly db: Database;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the built-in directory is and the worker's token for it, unless the configuration says otherwise. */
  readonly builtin: { readonly url: string; readonly token: string };
  /** What an account found by its name is worth. */
  readonly adopt: "review" | "auto";
  /** How names become addresses; the system's way unless given. */
  readonly lookup?: typeof resolveName;
  /** From when it aborts no call is begun: whoever asks for one is told `stopping`. */
  readonly stopping?: AbortSignal;
}

export interface OpenedEndpoints extends AsyncDisposable {
  readonly endpoints: ReadonlyMap<string, Endpoint>;
}

/** Total deadline of one SCIM call, and the most that an answer may hold. */
const CALL_DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 10 * 1024 * 1024;
const CREDENTIALS_FINDING = "endpoint-credentials";

/**
 * Opens the configured endpoints; nothing is sent yet. Disposing ends their connections.
 * @throws {ConfigurationError} naming a secret that is not there
 */
export async function openEndpoints(
  configurations: readonly EndpointConfiguration[],
  sources: EndpointSources,
): Promise<OpenedEndpoints> {
  await using stack = new AsyncDisposableStack();
  const endpoints = new Map<string, Endpoint>();
  for (const configuration of configurations) {
    const url = configuration.url ?? sources.builtin.url;
    // The built-in directory stands in the installation's own network.
    const { type, allow } = configuration;
    const guard = { allow, ...(sources.lookup === undefined ? {} : { lookup: sources.lookup }) };
    const options = type === "builtin" ? {} : { connect: createGuardedConnector(url, guard) };
    const agent = stack.adopt(new Agent(options), (one) => one.destroy());
    endpoints.set(configuration.name, await openEndpoint(configuration, { ...sources, url, agent }));
  }
  const held = stack.move();
  return { endpoints, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

async function openEndpoint(
  configuration: EndpointConfiguration,
  { db, env, builtin, adopt, stopping, url, agent }: EndpointSources & { readonly url: string; readonly agent: Agent },
): Promise<Endpoint> {
  const { name, type, token, concurrency, drift, displayName, probeEveryMs } = configuration;
  const where = `endpoint ${name}`;
  const credentials =
    token === null
      ? createFixedCredentials(builtin.token)
      : await openCredentials({
          references: token,
          env,
          where,
          now: readClock,
          onUnread: createSecretWatch(db, where),
        });
  const record = createGateRecord(db, { endpoint: name, probeEveryMs });
  const gate = createGate({ endpoint: name, concurrency, record, now: readClock });
  const watch = createCredentialWatch(db, name);
  const readProfile = createProfileReader(db, name, readClock);
  const options = {
    url,
    token: () => credentials.current(),
    nextToken: (tried) => credentials.next(tried),
    dispatcher: agent,
    deadlineMs: CALL_DEADLINE_MS,
    maxBytes: MAX_ANSWER_BYTES,
  } satisfies ScimHttpOptions;
  return {
    name,
    builtin: type === "builtin",
    concurrency,
    drift,
    accounts: configuration.accounts && type !== "builtin" ? { adopt } : null,
    displayName,
    findRefusal: () => gate.findRefusal(),
    connect: (onCall, { lane = "reconcile", beforeWrite, isProbe = false } = {}) => {
      const client = createScimClient({
        ...options,
        onCall: (call) => onCall({ ...call, status: call.status ?? null }),
        around: ({ method }, send) => {
          const beforeSend = async (): Promise<void> => {
            if (stopping?.aborted === true) throw createStop();
            if (method !== "GET") await beforeWrite?.();
          };
          return gate
            .run({ lane, beforeSend }, () => watch(send))
            .catch((error: unknown) => {
              throw toNamedError(name, error);
            });
        },
      });
      return isProbe ? client : applyProfile(client, readProfile);
    },
  };
}

function createStop(): UnavailableError {
  return new UnavailableError("the worker stops; another goes on", { code: "stopping" });
}

function readClock(): number {
  return performance.now();
}

function createFixedCredentials(token: string): Credentials {
  return { current: async () => token, next: async (tried) => (tried.includes(token) ? undefined : token) };
}

/** That no token is taken stands as a finding, until one is. */
function createCredentialWatch(db: Database, endpoint: string) {
  const state: { areTaken: boolean | undefined } = { areTaken: undefined };

  async function note(areTaken: boolean): Promise<void> {
    if (state.areTaken === areTaken) return;
    if (areTaken) await resolveFinding(db, CREDENTIALS_FINDING, endpoint);
    else {
      await raiseFinding(db, {
        kind: CREDENTIALS_FINDING,
        subject: endpoint,
        severity: "critical",
        message:
          "it takes none of its tokens (401): put a valid one where token points; files are read again within seconds, variables at the next start",
      });
    }
    state.areTaken = areTaken;
  }

  return async <Result>(send: () => Promise<Result>): Promise<Result> => {
    try {
      const result = await send();
      await note(true);
      return result;
    } catch (error) {
      if (error instanceof ScimClientError && error.status === 401) await note(false);
      throw error;
    }
  };
}

/** What is wrong on our side is told apart from what is wrong with the endpoint. */
function toNamedError(endpoint: string, error: unknown): unknown {
  if (!(error instanceof ScimClientError && error.cause instanceof AddressRefusedError)) return error;
  return new UpstreamError(`endpoint ${endpoint}: ${error.cause.message}`, {
    code: "endpoint_address_refused",
    expose: true,
    cause: error,
  });
}
