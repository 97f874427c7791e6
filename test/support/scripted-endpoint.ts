/** A SCIM endpoint that is not ours, on a real socket, which misbehaves on demand. */
import {
  createGroupType,
  createScimClient,
  createScimProvider,
  createUserType,
  type ScimClient,
} from "@branchward/scim";
import { createMemoryStore, serveProvider } from "@branchward/scim/testing";

/**
 * `honest`; `deaf`: answers writes with success and does nothing; `broken`: answers 500; `gone`: drops connections;
 * `slow`: answers when it is let go; `held`: does so with writes alone; `mute`: makes the groups that it is told to, and from the first on answers nothing;
 * `blind`: shows groups without their members, as a replica that lags.
 */
export type Mood = "honest" | "deaf" | "broken" | "gone" | "slow" | "held" | "mute" | "blind";

export interface ScriptedEndpoint extends AsyncDisposable {
  readonly url: string;
  /** Sees and writes what is there, whatever the mood. */
  readonly inside: ScimClient;
  setMood(mood: Mood): void;
  /** Writes that were asked for since the start. */
  countWrites(): number;
  /** Reads of users since the start. */
  countLooks(): number;
}

export interface EndpointTraits {
  /** Keeps no `externalId` of a group, as some do. */
  readonly dropsExternalId?: boolean;
  /** Attributes of users that it keeps as they are, whatever it is told. */
  readonly ownAttributes?: readonly string[];
}

export async function startScriptedEndpoint(traits: EndpointTraits = {}): Promise<ScriptedEndpoint> {
  const state = {
    mood: "honest" as Mood,
    isSilent: false,
    writes: 0,
    looks: 0,
    release: Promise.withResolvers<void>(),
  };
  const store = createMemoryStore();
  const address = { url: "" };
  const provider = createScimProvider<undefined>({
    store,
    types: [createUserType(), createGroupType()],
    baseUrl: () => address.url,
    maxResults: 100,
  });
  const honest = await serveProvider(provider);
  const moody = await serveProvider({
    async handle(request) {
      const isWrite = request.method !== "GET";
      if (isWrite) state.writes += 1;
      else if (request.path.startsWith("/Users")) state.looks += 1;
      if (state.mood === "gone") throw new Error("connection dropped");
      if (state.mood === "broken") return { status: 500, headers: {}, body: { detail: "out of order" } };
      if (state.isSilent) throw new Error("connection dropped");
      const isGroup = request.method === "POST" && request.path === "/Groups";
      const isUser = isWrite && request.path.startsWith("/Users");
      const kept = isUser ? withoutAttributes(request, traits.ownAttributes ?? []) : request;
      const heard = isGroup && traits.dropsExternalId === true ? withoutExternalId(kept) : kept;
      if (isGroup && state.mood === "mute") {
        state.isSilent = true;
        await provider.handle(heard);
        throw new Error("connection dropped");
      }
      if (state.mood === "slow" || (state.mood === "held" && isWrite)) await state.release.promise;
      if (state.mood === "deaf" && isWrite) return pretend(request.method);
      const answer = await provider.handle(heard);
      return state.mood === "blind" && !isWrite ? { ...answer, body: withoutMembers(answer.body) } : answer;
    },
  });
  address.url = moody.url;
  return {
    url: moody.url,
    inside: createScimClient({ url: honest.url, token: () => "inside", deadlineMs: 5_000, maxBytes: 1 << 20 }),
    setMood(mood) {
      state.mood = mood;
      state.isSilent = false;
      if (mood === "slow" || mood === "held") state.release = Promise.withResolvers<void>();
      else state.release.resolve();
    },
    countWrites: () => state.writes,
    countLooks: () => state.looks,
    async [Symbol.asyncDispose]() {
      state.release.resolve();
      await moody[Symbol.asyncDispose]();
      await honest[Symbol.asyncDispose]();
    },
  };
}

function withoutExternalId<Request extends { readonly body: unknown }>(request: Request): Request {
  return { ...request, body: { ...Object(request.body), externalId: undefined } };
}

function withoutAttributes<Request extends { readonly body: unknown }>(
  request: Request,
  names: readonly string[],
): Request {
  const { Operations: operations, ...body } = { Operations: undefined, ...Object(request.body) };
  for (const name of names) delete body[name];
  if (!Array.isArray(operations)) return { ...request, body };
  // It changes something else instead: an empty PATCH would be refused.
  const heard = operations.map((one) => (names.includes(one.path) ? { op: "remove", path: "nickName" } : one));
  return { ...request, body: { ...body, Operations: heard } };
}

function withoutMembers(body: unknown): unknown {
  return JSON.parse(JSON.stringify(body, (key, value: unknown) => (key === "members" ? undefined : value)) ?? "null");
}

/** What a server says that ignores what it is told. */
function pretend(method: string): { status: number; headers: Record<string, string>; body: unknown } {
  const headers = { "content-type": "application/scim+json" };
  if (method !== "POST") return { status: 204, headers: {}, body: undefined };
  const schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"];
  return { status: 201, headers, body: { schemas, id: "made-up", displayName: "made up", members: [] } };
}
