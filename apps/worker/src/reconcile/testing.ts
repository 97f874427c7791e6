/** For tests of runs: one scope, and an endpoint in memory whose answers may be changed on the way. */
import { createQueues, migrateQueue, openQueueBackend } from "@branchward/queue";
import { createLogger } from "@branchward/runtime";
import type { ScimRequest, ScimResponse } from "@branchward/scim";
import { serveProvider } from "@branchward/scim/testing";
import { createActivePolicy, proposePolicy } from "@branchward/store";
import { insertScope, openTestDatabase, type TestDatabase } from "@branchward/store/testing";
import { createTestProvider, openTestEndpoints, type TestEndpointOptions } from "../endpoint/testing.ts";
import type { ReconcileDeps } from "./reconcile-scope.ts";

/** A job tried for the last time: what it fails with is recorded. */
export const lastTry = { jobId: "1", attempt: 1, lastAttempt: true, addedAt: new Date() };

type Handle = (request: ScimRequest<undefined>) => Promise<ScimResponse>;

export interface TestScope extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly deps: ReconcileDeps;
  readonly scopeId: string;
  /** The endpoint as it is behind whatever answers in its place. */
  readonly handle: Handle;
}

export interface NewTestScope extends TestEndpointOptions {
  /** Who is granted `push` on every branch. */
  readonly to: string;
  /** Answers in place of the endpoint, or with what it answers. */
  readonly answer: (request: ScimRequest<undefined>, handle: Handle) => Promise<ScimResponse>;
  /** Before the policy is in force. */
  readonly prepare?: (database: TestDatabase) => Promise<void>;
}

/** A scope of the branch `dev/x` at the endpoint `hg`. */
export async function openTestScope({ to, answer, prepare, ...options }: NewTestScope): Promise<TestScope> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await openTestDatabase());
  const { db } = database;
  await prepare?.(database);
  const text = `
endpoints:
  - { name: hg, url: "https://scim.example/scim/v2", token: { env: TOKEN } }
policy:
  - repositories: ["**"]
    branches: ["**"]
    grants:
      - { entitlement: push, to: ["${to}"] }
`;
  await proposePolicy(db, ["hg"], { text, file: "branchward.yaml", author: "tests", origin: "file" });
  const { scopeId } = await insertScope(db, { branch: "dev/x", endpoint: "hg" });
  const provider = createTestProvider();
  const handle: Handle = (request) => provider.handle(request);
  const { url } = stack.use(await serveProvider({ handle: (request) => answer(request, handle) }));
  const { endpoints } = stack.use(await openTestEndpoints(db, url, options));
  const target = { kind: "postgres", url: database.url } as const;
  await migrateQueue(target);
  const backend = stack.use(openQueueBackend(target, () => undefined));
  const queues = stack.use(createQueues(backend, ["hg"]));
  const log = createLogger({ level: "fatal" });
  const deps = { db, queues, activePolicy: createActivePolicy(), endpoints, pairingWindowMs: 30_000, log };
  const held = stack.move();
  return { database, deps, scopeId, handle, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
