import { createLogger } from "@branchward/runtime";
import { createScimClient, type ScimClient, type ScimRequest, type ScimResponse } from "@branchward/scim";
import { serveProvider } from "@branchward/scim/testing";
import {
  acquireLease,
  createActivePolicy,
  openLedgerEntries,
  retireEndpoint,
  saveGroupBindings,
  settleScope,
} from "@branchward/store";
import { insertScope, insertUser, openTestDatabase, type TestDatabase } from "@branchward/store/testing";
import type { UserId } from "@branchward/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestProvider, openTestEndpoints } from "../endpoint/testing.ts";
import { revokeUser } from "./revoke-user.ts";
import { createTurns, SCOPES_AT_ONCE } from "./turns.ts";

type Answer = (request: ScimRequest<undefined>) => Promise<ScimResponse | undefined>;

interface Held {
  readonly scopeId: string;
  /** Entitlement → the group's id at the endpoint. */
  readonly groups: ReadonlyMap<string, string>;
}

describe("the revocation of a user (rule C3)", () => {
  let stack = new AsyncDisposableStack();
  const context: { database: TestDatabase; url: string; inside: ScimClient; userId: UserId; member: string } =
    {} as never;
  /** What the endpoint does in place of the ordinary. */
  const state: { answer: Answer; patched: string[] } = { answer: async () => undefined, patched: [] };

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    Object.assign(state, { answer: async () => undefined, patched: [] });
    const database = stack.use(await openTestDatabase());
    const provider = createTestProvider();
    const served = stack.use(
      await serveProvider({
        async handle(request) {
          if (request.method === "PATCH") state.patched.push(request.path);
          return (await state.answer(request)) ?? provider.handle(request);
        },
      }),
    );
    const quiet = stack.use(await serveProvider(provider));
    const inside = createScimClient({ url: quiet.url, token: () => "inside", deadlineMs: 5_000, maxBytes: 1 << 20 });
    const { id: member } = await inside.createUser({ userName: "alice", active: true });
    const userId = await insertUser(database.db, "alice");
    Object.assign(context, { database, url: served.url, inside, userId, member });
    await setActive(false);
  });
  afterEach(() => stack.disposeAsync());

  async function setActive(active: boolean): Promise<void> {
    const { database, userId } = context;
    await database.db.updateTable("directory_users").set({ active }).where("id", "=", userId).execute();
  }

  /** A branch of which alice holds these entitlements, by the record and at the endpoint. */
  async function give(branch: string, entitlements: readonly string[] = ["push"]): Promise<Held> {
    const { database, inside, member, userId } = context;
    const { db } = database;
    const { scopeId } = await insertScope(db, { branch, endpoint: "hg" });
    const lease = await acquireLease(db, scopeId, { holder: "test", leaseMs: 30_000 });
    if (lease === undefined) throw new Error("no lease");
    const groups = new Map<string, string>();
    for (const entitlement of entitlements) {
      const displayName = `${branch}:${entitlement}`;
      groups.set(entitlement, (await inside.createGroup({ displayName, members: [{ value: member }] })).id);
    }
    const bound = [...groups].map(([entitlement, groupId]) => {
      return { entitlement, groupId, displayName: `${branch}:${entitlement}`, externalId: `${branch}:${entitlement}` };
    });
    await saveGroupBindings(db, scopeId, { groups: bound, undecided: [] });
    await openLedgerEntries(
      db,
      { lease, policyVersion: null },
      entitlements.map((entitlement) => {
        return { entitlement, member, userId, origin: "sync", reasons: [], isVerified: true };
      }),
    );
    await settleScope(db, lease, { verdict: "verified", mismatches: [], due: [], failures: 0, settledNames: [] });
    return { scopeId, groups };
  }

  async function isHeld(groupId: string | undefined): Promise<boolean> {
    const { members = [] } = await context.inside.getGroup(groupId ?? "");
    return members.some(({ value }) => value === context.member);
  }

  async function isAskedFor(scopeId: string): Promise<boolean> {
    const { rows } = await context.database.pool.query<{ asked: boolean }>(
      "select requested > reconciled as asked from scopes where id = $1",
      [scopeId],
    );
    return rows[0]?.asked === true;
  }

  /** Runs it; also the scopes that were enqueued. */
  async function revoke() {
    const { database, url, userId } = context;
    const { endpoints } = stack.use(await openTestEndpoints(database.db, url));
    const enqueued: string[] = [];
    const queues = { enqueueReconcile: async ({ scopeId }: { scopeId: string }) => void enqueued.push(scopeId) };
    const deps = {
      db: database.db,
      queues,
      activePolicy: createActivePolicy(),
      endpoints,
      takeTurn: createTurns(SCOPES_AT_ONCE),
      log: createLogger({ level: "fatal" }),
    };
    return { ...(await revokeUser(deps, userId, "inactive")), enqueued };
  }

  it("takes no more from somebody who is active again meanwhile, and has what it took looked at again", async () => {
    const held = [await give("a"), await give("b"), await give("c"), await give("d"), await give("e")];
    state.answer = async ({ method }) => {
      if (method === "PATCH") await setActive(true);
      return undefined;
    };
    const { outstanding, enqueued } = await revoke();
    expect(outstanding).toBe(0);
    // Two scopes are worked on at once: what was under way may still be taken.
    expect(state.patched.length).toBeLessThanOrEqual(2);
    for (const { scopeId, groups } of held) {
      const isTaken = !(await isHeld(groups.get("push")));
      expect({ isTaken, isAsked: await isAskedFor(scopeId), isEnqueued: enqueued.includes(scopeId) }).toEqual({
        isTaken,
        isAsked: isTaken,
        isEnqueued: isTaken,
      });
    }
  });

  it("looks again at a scope that was asked for while it had the lease", async () => {
    const { scopeId } = await give("a");
    state.answer = async ({ method }) => {
      if (method === "PATCH")
        await context.database.pool.query("update scopes set requested = requested + 1 where id = $1", [scopeId]);
      return undefined;
    };
    expect(await revoke()).toMatchObject({ outstanding: 0, enqueued: [scopeId] });
  });

  it.each([403, 500])("goes on with the other groups of a branch where one is answered %i", async (status) => {
    const { groups } = await give("a", ["deploy", "push"]);
    state.answer = async ({ method, path }) =>
      method === "PATCH" && path === `/Groups/${groups.get("deploy")}` ? { status, headers: {}, body: {} } : undefined;
    expect(await revoke()).toMatchObject({ total: 1, outstanding: 1 });
    expect(await isHeld(groups.get("deploy"))).toBe(true);
    expect(await isHeld(groups.get("push"))).toBe(false);
  });

  it("writes nothing to an endpoint whose groups are left", async () => {
    const { groups } = await give("a");
    await context.database.db
      .transaction()
      .execute((trx) => retireEndpoint(trx, { endpoint: "hg", mode: "leave", by: "admin" }));
    expect(await revoke()).toMatchObject({ outstanding: 0 });
    expect(state.patched).toEqual([]);
    expect(await isHeld(groups.get("push"))).toBe(true);
  });
});
