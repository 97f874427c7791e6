import type { RefSighting, RepositoryClaim } from "@branchward/core";

/** How a host is reached. */
export interface HostConnection {
  /** Of the host's API, without a slash at the end. */
  readonly url: string;
  readonly token: () => Promise<string>;
  /** After a 401: a token other than those that this call tried, as long as there is one. */
  readonly nextToken: (tried: readonly string[]) => Promise<string | undefined>;
  /** Bounded in time and size by who gives it; a redirect is answered as it came. */
  readonly fetch: typeof fetch;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What a host showed. `unavailable` is evidence of nothing: no ref is gone because nobody could look (rule A4). */
export type HostReading =
  | { readonly state: "read"; readonly sightings: readonly RefSighting[] }
  | {
      readonly state: "unavailable";
      /** Cause and fix, for people. */
      readonly reason: string;
      /** Milliseconds for which the host wants no further call; null where it does not say. */
      readonly retryAfterMs: number | null;
    };

/** A host that can be asked for the refs that it holds. */
export interface SourceHost {
  /** The heads of these branches now, in the order asked; null for one that the host shows to be gone. Never throws for what the host does. */
  readBranches(repository: RepositoryClaim, names: readonly string[], signal: AbortSignal): Promise<HostReading>;
}
