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

/** The endpoint `hg` at this address, which CI waits for, whose drift is repaired, and whose accounts are kept if so said. */
export function openTestEndpoints(
  db: Database,
  url: string,
  accounts?: NonNullable<Endpoint["accounts"]>,
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
  return openEndpoints([configuration], { db, env: { TOKEN: "token" }, adopt: accounts?.adopt ?? "review", builtin });
}
