/** A service provider that misbehaves as some were seen to: it claims what it did not do, loses, lags, refuses, drips. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createGroupType, createScimProvider, createUserType, type ScimResponse } from "@branchward/scim";
import { createMemoryStore } from "@branchward/scim/testing";

export interface Misbehaviour {
  /** Writes are answered 200 and not made. */
  readonly ignoresWrites?: boolean;
  /** Of the members in one request, those after this many are lost without a word. */
  readonly keepsMembers?: number;
  /** Reads show what was so before the last write, until `catchUp`. */
  readonly lags?: boolean;
  /** The next requests are answered 429 with this `Retry-After`, one each. */
  readonly refusals?: readonly string[];
  /** Answers come a byte at a time, so long as the client listens. */
  readonly drips?: boolean;
  /** Every PATCH is 405, as where PUT alone is known. */
  readonly hasNoPatch?: boolean;
  /** Groups with a schema of their own beside the core's are refused. */
  readonly hasNoExtensions?: boolean;
  /** The connection ends after the write, before its answer. */
  readonly cutsAnswers?: boolean;
}

export interface HostileScim extends AsyncDisposable {
  readonly url: string;
  /** `METHOD /path` of everything that came. */
  readonly requests: readonly string[];
  behave(misbehaviour: Misbehaviour): void;
  catchUp(): void;
}

function createProvider() {
  return createScimProvider({
    store: createMemoryStore(),
    types: [createUserType(), createGroupType()],
    baseUrl: () => "https://hostile.example/scim/v2",
    maxResults: 100,
  });
}

const NO_PATCH: ScimResponse = { status: 405, headers: {}, body: { status: "405", detail: "PUT it" } };
const UNKNOWN_SCHEMA: ScimResponse = {
  status: 400,
  headers: {},
  body: { status: "400", detail: "schemas must contain only the core schema" },
};

function hasExtension(body: unknown): boolean {
  return JSON.stringify(body).includes(":extension:");
}

export async function startHostileScim(): Promise<HostileScim> {
  const provider = createProvider();
  const requests: string[] = [];
  const state: { misbehaviour: Misbehaviour; refused: number; stale: Map<string, ScimResponse> } = {
    misbehaviour: {},
    refused: 0,
    stale: new Map(),
  };

  async function perform(method: string, url: URL, sent: unknown): Promise<ScimResponse> {
    const { ignoresWrites, keepsMembers, lags } = state.misbehaviour;
    const path = url.pathname.replace("/scim/v2", "");
    const handle = (asMethod: string, body: unknown): Promise<ScimResponse> =>
      provider.handle({ method: asMethod, path, query: url.searchParams, headers: {}, body, context: undefined });
    if (method === "GET") return state.stale.get(path) ?? handle("GET", undefined);
    if (method === "PATCH" && state.misbehaviour.hasNoPatch === true) return NO_PATCH;
    if (state.misbehaviour.hasNoExtensions === true && method === "POST" && hasExtension(sent)) return UNKNOWN_SCHEMA;
    if (ignoresWrites === true && method !== "POST") return handle("GET", undefined);
    if (lags === true && !state.stale.has(path)) state.stale.set(path, await handle("GET", undefined));
    return handle(method, keepsMembers === undefined ? sent : dropMembers(sent, keepsMembers));
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET" } = request;
    const url = new URL(request.url ?? "/", "http://hostile.example");
    requests.push(`${method} ${url.pathname.replace("/scim/v2", "")}`);
    const text = (await request.toArray()).join("");
    const { refusals = [], drips, cutsAnswers } = state.misbehaviour;
    const retryAfter = refusals[state.refused];
    if (retryAfter !== undefined) {
      state.refused += 1;
      response.writeHead(429, { "retry-after": retryAfter }).end();
      return;
    }
    const { status, headers, body } = await perform(method, url, text === "" ? undefined : JSON.parse(text));
    if (cutsAnswers === true && method !== "GET") {
      response.destroy();
      return;
    }
    response.writeHead(status, headers);
    if (drips === true) drip(response);
    else response.end(body === undefined ? undefined : JSON.stringify(body));
  }

  const { url, close } = await listen(answer);
  return {
    url,
    requests,
    behave(misbehaviour) {
      Object.assign(state, { misbehaviour, refused: 0 });
    },
    catchUp: () => state.stale.clear(),
    [Symbol.asyncDispose]: close,
  };
}

async function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? (address?.port ?? "") : ""}/scim/v2`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function drip(response: ServerResponse): void {
  const timer = setInterval(() => response.write(" "), 20);
  response.on("close", () => clearInterval(timer));
}

/** Keeps the first members of every list in a body. */
function dropMembers(body: unknown, kept: number): unknown {
  if (body === undefined) return undefined;
  return JSON.parse(JSON.stringify(body), (_, value: unknown) => (Array.isArray(value) ? value.slice(0, kept) : value));
}
