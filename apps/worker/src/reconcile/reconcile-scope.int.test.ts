import { createQueues, migrateQueue, openQueueBackend } from "@branchward/queue";
import { createLogger } from "@branchward/runtime";
import { createGroupType, createScimProvider, createUserType } from "@branchward/scim";
import { createMemoryStore, serveProvider } from "@branchward/scim/testing";
import { createActivePolicy, proposePolicy, seizeLease } from "@branchward/store";
import { insertScope, openTestDatabase } from "@branchward/store/testing";
import { describe, expect, it } from "vitest";
import { openEndpoints } from "../endpoint/open-endpoints.ts";
import { revokeScope } from "./reconcile-scope.ts";

const POLICY = `
endpoints:
  - { name: hg, url: "https://scim.example/scim/v2", token: { env: TOKEN } }
policy:
  - repositories: ["**"]
    branches: ["**"]
    grants:
      - { entitlement: push, to: ["group:engineering"] }
`;

describe("the revocation of a scope", () => {
  it("has not come to its end where another run took the lease meanwhile", async () => {
    await using stack = new AsyncDisposableStack();
    const database = stack.use(await openTestDatabase());
    const { db } = database;
    await proposePolicy(db, ["hg"], { text: POLICY, file: "branchward.yaml", author: "tests", origin: "file" });
    const { scopeId } = await insertScope(db, { branch: "dev/x", endpoint: "hg" });
    const provider = createScimProvider<undefined>({
      store: createMemoryStore(),
      types: [createUserType(), createGroupType()],
      baseUrl: () => "https://endpoint.example/scim/v2",
      maxResults: 100,
    });
    const state = { isTaken: true };
    const { url } = stack.use(
      await serveProvider({
        async handle(request) {
          if (state.isTaken) await seizeLease(db, scopeId, { holder: "another", leaseMs: 30_000 });
          return provider.handle(request);
        },
      }),
    );
    const configuration = {
      name: "hg",
      type: "scim",
      url,
      token: [{ env: "TOKEN" }],
      accounts: false,
      concurrency: 4,
      allow: [],
      probeEveryMs: 30_000,
      ci: "required",
      drift: "repair",
      displayName: "{branch}:{entitlement}",
    } as const;
    const builtin = { url: "", token: "" };
    const sources = { db, env: { TOKEN: "token" }, adopt: "review", builtin } as const;
    const { endpoints } = stack.use(await openEndpoints([configuration], sources));
    const target = { kind: "postgres", url: database.url } as const;
    await migrateQueue(target);
    const backend = stack.use(openQueueBackend(target, () => undefined));
    const queues = stack.use(createQueues(backend, ["hg"]));
    const log = createLogger({ level: "fatal" });
    const deps = { db, queues, activePolicy: createActivePolicy(), endpoints, pairingWindowMs: 30_000, log };
    const run = { jobId: "1", attempt: 1, lastAttempt: true, addedAt: new Date() };
    expect(await revokeScope(deps, scopeId, run)).toBe(false);
    state.isTaken = false;
    expect(await revokeScope(deps, scopeId, run)).toBe(true);
  });
});
