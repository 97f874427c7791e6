/** A SCIM endpoint that takes so long for each call, as the benches of the worker want it. */
import { setTimeout as pause } from "node:timers/promises";
import { createGroupType, createScimProvider, createUserType } from "@branchward/scim";
import { createMemoryStore, serveProvider } from "@branchward/scim/testing";

export interface BenchEndpoint extends AsyncDisposable {
  readonly url: string;
  /** Milliseconds of each call. */
  setDelay(delayMs: number): void;
  /** Takes in an account that bears the directory's id. */
  addAccount(userId: string, userName: string): Promise<string>;
  /** Told when a member is taken out. */
  onRemoval(callback: (account: string) => void): void;
}

export async function startBenchEndpoint(delayMs: number): Promise<BenchEndpoint> {
  const state = { delayMs, onRemoval: null as ((account: string) => void) | null };
  const provider = createScimProvider<undefined>({
    store: createMemoryStore(),
    types: [createUserType(), createGroupType()],
    baseUrl: () => "http://endpoint.example/scim/v2",
    maxResults: 200,
  });
  const server = await serveProvider({
    async handle(request) {
      const removed =
        request.method === "PATCH" ? /value eq \\"(?<id>[^"\\]+)\\"/u.exec(JSON.stringify(request.body)) : null;
      if (removed?.groups?.["id"] !== undefined) state.onRemoval?.(removed.groups["id"]);
      if (state.delayMs > 0) await pause(state.delayMs);
      return provider.handle(request);
    },
  });
  return {
    url: server.url,
    setDelay: (next) => void (state.delayMs = next),
    onRemoval: (callback) => void (state.onRemoval = callback),
    async addAccount(userId, userName) {
      const { body } = await provider.handle({
        method: "POST",
        path: "/Users",
        query: new URLSearchParams(),
        headers: {},
        body: { schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"], userName, externalId: userId },
        context: undefined,
      });
      return (body as { readonly id: string }).id;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
