/** What an endpoint that shows writes late is read from: it does the same writes in the same order, only later. */
import type { ScimProvider, ScimRequest, ScimResponse } from "@branchward/scim";

type Request = ScimRequest<undefined>;

/** Longer than the first pauses between rounds of a scope, shorter than all of them. */
const LAG_MS = 2_000;

export interface Replica {
  /** Does a write later. */
  follow(request: Request): void;
  /** Does what waits, and this, at once: other people's doings are not what is tried here. */
  take(request: Request): Promise<void>;
  read(request: Request): Promise<ScimResponse>;
}

export function createReplica(provider: ScimProvider<undefined>, now: () => number): Replica {
  const pending: { readonly request: Request; readonly at: number }[] = [];
  const state = { last: Promise.resolve() };
  const catchUp = (until: number): Promise<void> => {
    state.last = state.last.then(async () => {
      for (let [first] = pending; first !== undefined && first.at <= until; [first] = pending) {
        pending.shift();
        await provider.handle(first.request);
      }
    });
    return state.last;
  };
  return {
    follow: (request) => void pending.push({ request, at: now() }),
    async take(request) {
      await catchUp(Infinity);
      await provider.handle(request);
    },
    async read(request) {
      await catchUp(now() - LAG_MS);
      return provider.handle(request);
    },
  };
}
