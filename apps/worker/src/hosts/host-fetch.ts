/** The network side of asking a host: guarded addresses, no redirects followed, answers of a bounded size. */
import { describeTransportCause } from "@branchward/scim";
import { Agent, fetch as undiciFetch } from "undici";
import { AddressRefusedError, createGuardedConnector } from "../endpoint/address-guard.ts";

export interface HostFetch extends AsyncDisposable {
  readonly fetch: typeof fetch;
}

export interface HostFetchOptions {
  readonly url: string;
  /** Networks that the host may be in though they are not public. */
  readonly allow: readonly string[];
}

/** A repository or a ref has some kilobytes. */
const MAX_ANSWER_BYTES = 1024 * 1024;
/** Statuses whose answers have no body (Fetch standard). */
const WITHOUT_BODY = new Set([101, 204, 205, 304]);

/** Disposing ends its connections. */
export function openHostFetch({ url, allow }: HostFetchOptions): HostFetch {
  const agent = new Agent({ connect: createGuardedConnector(url, { allow }) });
  return {
    async fetch(input, init) {
      const address = input instanceof Request ? input.url : String(input);
      const { method = "GET", signal = null } = init ?? {};
      const headers = Object.fromEntries(new Headers(init?.headers));
      try {
        const response = await undiciFetch(address, { method, headers, signal, dispatcher: agent, redirect: "manual" });
        const body = WITHOUT_BODY.has(response.status) ? null : await readCapped(response.body);
        return new Response(body, { status: response.status, headers: Object.fromEntries(response.headers) });
      } catch (error) {
        throw toNamedError(error);
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

/** `fetch` keeps what is wrong with a connection in the cause of an error that says nothing. */
function toNamedError(error: unknown): unknown {
  const cause = error instanceof TypeError ? error.cause : undefined;
  if (cause === undefined || cause instanceof AddressRefusedError) return error;
  return new Error(describeTransportCause(cause).text, { cause });
}

async function readCapped(body: AsyncIterable<Uint8Array> | null): Promise<ArrayBuffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`the answer has more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new Blob(chunks).arrayBuffer();
}
