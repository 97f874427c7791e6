import type { Reason } from "@branchward/core";
import { createQueues, migrateQueue, openQueueBackend } from "@branchward/queue";
import { createLogger } from "@branchward/runtime";
import { type ScimResponse } from "@branchward/scim";
import { serveProvider } from "@branchward/scim/testing";
import {
  acquireLease,
  createActivePolicy,
  findOpenRevocation,
  listFindings,
  openLedgerEntries,
  proposePolicy,
  releaseLease,
  seizeLease,
} from "@branchward/store";
import { insertScope, openTestDatabase, type TestDatabase } from "@branchward/store/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestProvider, openTestEndpoints } from "../endpoint/testing.ts";
import { createReconcileScope, type ReconcileDeps, revokeScope } from "./reconcile-scope.ts";

const POLICY = `
endpoints:
  - { name: hg, url: "https://scim.example/scim/v2", token: { env: TOKEN } }
policy:
  - repositories: ["**"]
    branches: ["**"]
    grants:
      - { entitlement: push, to: ["group:engineering"] }
`;

const run = { jobId: "1", attempt: 1, lastAttempt: true, addedAt: new Date() };

describe("the run of a scope", () => {
  let stack = new AsyncDisposableStack();
  const context: { database: TestDatabase; deps: ReconcileDeps; scopeId: string } = {} as never;
  /** What the endpoint does before it answers, and answers in place of the ordinary. */
  const state: { answer: () => Promise<ScimResponse | undefined> } = { answer: async () => undefined };

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    state.answer = async () => undefined;
    const database = stack.use(await openTestDatabase());
    const { db } = database;
    await proposePolicy(db, ["hg"], { text: POLICY, file: "branchward.yaml", author: "tests", origin: "file" });
    const { scopeId } = await insertScope(db, { branch: "dev/x", endpoint: "hg" });
    const provider = createTestProvider();
    const { url } = stack.use(
      await serveProvider({ handle: async (request) => (await state.answer()) ?? provider.handle(request) }),
    );
    const { endpoints } = stack.use(await openTestEndpoints(db, url));
    const target = { kind: "postgres", url: database.url } as const;
    await migrateQueue(target);
    const backend = stack.use(openQueueBackend(target, () => undefined));
    const queues = stack.use(createQueues(backend, ["hg"]));
    const log = createLogger({ level: "fatal" });
    const deps = { db, queues, activePolicy: createActivePolicy(), endpoints, pairingWindowMs: 30_000, log };
    Object.assign(context, { database, deps, scopeId });
  });
  afterEach(() => stack.disposeAsync());

  it("that revokes has not come to its end where another took the lease meanwhile", async () => {
    const { database, deps, scopeId } = context;
    state.answer = async () => {
      await seizeLease(database.db, scopeId, { holder: "another", leaseMs: 30_000 });
      return undefined;
    };
    expect(await revokeScope(deps, scopeId, run)).toBe(false);
    state.answer = async () => undefined;
    expect(await revokeScope(deps, scopeId, run)).toBe(true);
  });

  /** A membership that ends at each of these times; null stands for never. */
  async function give(...ends: readonly (Date | null)[]): Promise<void> {
    const { database, scopeId } = context;
    const lease = await acquireLease(database.db, scopeId, { holder: "test", leaseMs: 30_000 });
    if (lease === undefined) throw new Error("no lease");
    const reasons = ends.map((until): Reason => {
      const kind = until === null ? "standing" : "just-in-time";
      return { rule: "0", file: "", line: 0, reference: "group:engineering", path: [], kind, until };
    });
    const entry = {
      entitlement: "push",
      member: "7",
      userId: null,
      origin: "sync",
      reasons,
      isVerified: true,
    } as const;
    await openLedgerEntries(database.db, { lease, policyVersion: null }, [entry]);
    await releaseLease(database.db, lease);
  }

  const [past, future] = [new Date(Date.now() - 60_000), new Date(Date.now() + 3_600_000)];

  it.each([
    ["a revocation stands", [past], true],
    ["none does while another reason lasts", [past, future], false],
    ["none does for what stands anyway", [past, null], false],
  ] as const)("that fails while somebody's time is over says so: %s", async (_, ends, stands) => {
    const { database, deps, scopeId } = context;
    await give(...ends);
    state.answer = async () => ({ status: 503, headers: {}, body: {} });
    const reconcile = createReconcileScope(deps);
    await reconcile(scopeId, run);
    const revocation = await findOpenRevocation(database.db, { kind: "scope", id: scopeId });
    expect(revocation?.cause).toBe(stands ? "expired" : undefined);
    await database.pool.query("update scopes set requested = requested + 1");
    await reconcile(scopeId, run);
    // Asked for once: what is asked again is tried again without a pause.
    expect((await findOpenRevocation(database.db, { kind: "scope", id: scopeId }))?.requested).toBe(
      revocation?.requested,
    );
  });

  it("that fails again and again stands as a finding of its endpoint, until one comes through", async () => {
    const { database, deps, scopeId } = context;
    const listKinds = async () =>
      (await listFindings(database.db, 50)).map(({ kind, subject }) => `${kind} ${subject}`);
    state.answer = async () => ({ status: 200, headers: { "content-type": "text/html" }, body: "a page" });
    const reconcile = createReconcileScope(deps);
    for (let round = 1; round <= 5; round += 1) {
      expect(await listKinds()).not.toContain("endpoint-failing hg");
      await database.pool.query("update scopes set requested = requested + 1");
      await reconcile(scopeId, run);
    }
    expect(await listKinds()).toContain("endpoint-failing hg");
    state.answer = async () => undefined;
    await database.pool.query("update scopes set requested = requested + 1");
    await reconcile(scopeId, run);
    expect(await listKinds()).not.toContain("endpoint-failing hg");
  });
});
