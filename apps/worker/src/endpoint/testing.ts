/** An endpoint for integration tests: a service provider in memory, and the worker's way to where it is served. */
import { createGroupType, createScimProvider, createUserType } from "@branchward/scim";
import { createMemoryStore } from "@branchward/scim/testing";
import type { Database } from "@branchward/store";
import type { Endpoint } from "./endpoint.ts";
import { openEndpoints } from "./open-endpoints.ts";

/** Users and groups, kept in memory. */
export function createTestProvider() {
  return createScimProvider<undefined>({
    store: createMemoryStore(),
    types: [createUserType(), createGroupType()],
    baseUrl: () => "https://endpoint.example/scim/v2",
    maxResults: 100,
  });
}

export interface TestEndpointOptions {
  /** How accounts are kept; left out where they are not. */
  readonly accounts?: NonNullable<Endpoint["accounts"]> | undefined;
  /** Of the process, which makes no further call. */
  readonly stopping?: AbortSignal | undefined;
}

/** The endpoint `hg` at this address, which CI waits for and whose drift is repaired. */
export function openTestEndpoints(
  db: Database,
  url: string,
  { accounts, stopping = new AbortController().signal }: TestEndpointOptions = {},
): ReturnType<typeof openEndpoints> {
  const configuration = {
    name: "hg",
    type: "scim",
    url,
    token: [{ env: "TOKEN" }],
    accounts: accounts !== undefined,
    concurrency: 4,
    allow: [],
    probeEveryMs: 30_000,
    ci: "required",
    drift: "repair",
    displayName: "{branch}:{entitlement}",
  } as const;
  const builtin = { url: "", token: "" };
  const adopt = accounts?.adopt ?? "review";
  return openEndpoints([configuration], { db, env: { TOKEN: "token" }, adopt, builtin, stopping });
}
