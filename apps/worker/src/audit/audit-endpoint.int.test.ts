import { createScimClient, isJsonObject, type ScimClient } from "@branchward/scim";
import { serveProvider } from "@branchward/scim/testing";
import {
  acquireLease,
  ensureAudits,
  listAuditStates,
  listFindings,
  openLedgerEntries,
  saveGroupBindings,
  settleScope,
} from "@branchward/store";
import { insertScope, insertUser, openTestDatabase, type TestDatabase } from "@branchward/store/testing";
import { uuidv7 } from "uuidv7";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestProvider, openTestEndpoints } from "../endpoint/testing.ts";
import { createAuditEndpoint } from "./audit-endpoint.ts";

describe("a round of an audit", () => {
  let stack = new AsyncDisposableStack();
  const context: { database: TestDatabase; url: string; inside: ScimClient } = {} as never;
  /** What the endpoint leaves out of its lists. */
  const state = { listsMembers: true, isEndless: false, isBroken: false, listsUsers: true };

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    Object.assign(state, { listsMembers: true, isEndless: false, isBroken: false, listsUsers: true });
    const database = stack.use(await openTestDatabase());
    const provider = createTestProvider();
    const served = stack.use(
      await serveProvider({
        async handle(request) {
          const answer = await provider.handle(request);
          const { body } = answer;
          if (request.path === "/Groups" && state.isBroken) return { ...answer, body: [] };
          if (request.path === "/Users" && !state.listsUsers) return { ...answer, status: 501, body: {} };
          if (request.path === "/Groups" && state.isEndless)
            return { ...answer, body: { ...Object(body), totalResults: 1e9 } };
          if (state.listsMembers || request.path !== "/Groups" || !isJsonObject(body)) return answer;
          const text = JSON.stringify(body, (key, value: unknown) => (key === "members" ? undefined : value));
          return { ...answer, body: JSON.parse(text) as typeof body };
        },
      }),
    );
    const quiet = stack.use(await serveProvider(provider));
    const inside = createScimClient({ url: quiet.url, token: () => "inside", deadlineMs: 5_000, maxBytes: 1 << 20 });
    Object.assign(context, { database, url: served.url, inside });
    await ensureAudits(database.db, { endpoints: ["hg"], spreadMs: 0 });
  });
  afterEach(() => stack.disposeAsync());

  /** A verified branch with one group of these members. */
  async function settle(branch: string, members: readonly string[]): Promise<{ scopeId: string; groupId: string }> {
    const { db } = context.database;
    const { scopeId, incarnationId } = await insertScope(db, { branch, endpoint: "hg" });
    const lease = await acquireLease(db, scopeId, { holder: "test", leaseMs: 30_000 });
    if (lease === undefined) throw new Error("no lease");
    const externalId = `branchward:${incarnationId}:push`;
    const group = { displayName: branch, externalId, members: members.map((value) => ({ value })) };
    const { id: groupId } = await context.inside.createGroup(group);
    const bound = { entitlement: "push", externalId, displayName: branch, groupId };
    await saveGroupBindings(db, scopeId, { groups: [bound], undecided: [] });
    const openings = members.map((member) => {
      return { entitlement: "push", member, userId: null, origin: "sync", reasons: [], isVerified: true } as const;
    });
    await openLedgerEntries(db, { lease, policyVersion: null }, openings);
    await settleScope(db, lease, { verdict: "verified", mismatches: [], due: [], failures: 0, settledNames: [] });
    return { scopeId, groupId };
  }

  async function openAudit(options: Parameters<typeof openTestEndpoints>[2] = {}) {
    const { db } = context.database;
    const { endpoints } = stack.use(await openTestEndpoints(db, context.url, options));
    const enqueued: string[] = [];
    const queues = {
      enqueueReconcile: async ({ scopeId }: { scopeId: string }) => void enqueued.push(scopeId),
      enqueueAccount: async ({ userId }: { userId: string }) => void enqueued.push(userId),
      enqueueAudit: async () => undefined,
    };
    const audit = { intervalMs: 60_000, budget: 1, minIntervalMs: 60_000 };
    const readPage = createAuditEndpoint({ db, queues, endpoints, audit });
    const isUnderWay = async (): Promise<boolean> => {
      const { rows } = await context.database.pool.query("select from endpoint_audits where position is not null");
      return rows.length > 0;
    };
    return {
      enqueued,
      /** From the first page to the last, whenever they are due. */
      round: async (): Promise<void> => {
        do {
          await context.database.pool.query("update endpoint_audits set due_at = now()");
          await readPage("hg");
        } while (await isUnderWay());
      },
    };
  }

  const listKinds = async (): Promise<readonly string[]> =>
    (await listFindings(context.database.db, 50)).map(({ kind }) => kind);

  it("reads a group by itself where the list does not tell its members", async () => {
    const alice = (await context.inside.createUser({ userName: "alice" })).id;
    const [whole, empty, gone] = [await settle("a", [alice]), await settle("b", []), await settle("c", [alice])];
    state.listsMembers = false;
    const { round, enqueued } = await openAudit();
    await round();
    expect(enqueued).toEqual([]);
    expect(await listAuditStates(context.database.db)).toMatchObject([{ groups: 3, differing: 0 }]);
    await context.inside.patchMembers(gone.groupId, { add: [], remove: [alice] });
    await round();
    expect(enqueued).toEqual([gone.scopeId]);
    expect(enqueued).not.toContain(whole.scopeId);
    expect(enqueued).not.toContain(empty.scopeId);
  });

  /** Somebody of the directory whose account the record has as brought to what they are. */
  async function keepAccount(userName: string, active: boolean): Promise<{ userId: string; accountId: string }> {
    const { pool } = context.database;
    const userId = await insertUser(context.database.db, userName);
    await pool.query("update directory_users set active = $2 where id = $1", [userId, active]);
    const { id: accountId } = await context.inside.createUser({ userName, active });
    await pool.query(
      `insert into account_links (endpoint, user_id, account_id, user_name, state, managed, verified_at)
       values ('hg', $1, $2, $3, 'linked', true, now() - interval '1 minute')`,
      [userId, accountId, userName],
    );
    return { userId, accountId };
  }

  it("has accounts looked at that others opened, renamed or removed, and no others (rule C5)", async () => {
    const [closed, opened] = [await keepAccount("alice", false), await keepAccount("bob", false)];
    const [kept, renamed] = [await keepAccount("carol", true), await keepAccount("dave", true)];
    const [removed, away] = [await keepAccount("erin", true), await keepAccount("frank", false)];
    await context.inside.createUser({ userName: "somebody else", active: true });
    const { round, enqueued } = await openAudit({ accounts: { adopt: "review" } });
    await context.inside.patchUser(opened.accountId, [{ op: "replace", path: "active", value: true }]);
    await context.inside.patchUser(renamed.accountId, [{ op: "replace", path: "userName", value: "david" }]);
    await context.inside.deleteUser(removed.accountId);
    await context.inside.deleteUser(away.accountId);
    await round();
    expect(enqueued.toSorted()).toEqual([opened, renamed, removed].map(({ userId }) => userId).toSorted());
    expect(enqueued).not.toContain(closed.userId);
    expect(enqueued).not.toContain(kept.userId);
    // Asked for already: what is seen meanwhile says nothing.
    await round();
    expect(enqueued).toHaveLength(3);
  });

  it("says where accounts cannot be listed, takes none for removed, and goes on with groups", async () => {
    await keepAccount("alice", true);
    const { round, enqueued } = await openAudit({ accounts: { adopt: "review" } });
    state.listsUsers = false;
    await round();
    expect(enqueued).toEqual([]);
    expect(await listKinds()).toEqual(["accounts-unreadable"]);
    state.listsUsers = true;
    await round();
    expect(await listKinds()).toEqual([]);
  });

  it("ends where an endpoint's pages do not, says so, and has the branches looked at that it did not show", async () => {
    const [shown, hidden] = [await settle("a", []), await settle("b", [])];
    const { round, enqueued } = await openAudit();
    const { pool } = context.database;
    state.isEndless = true;
    // The page before the last of those that a round may have; none of ours is on the last one.
    await pool.query("update endpoint_audits set position = '4999/3', round_started_at = now()");
    await pool.query("update entitlement_groups set audited_at = clock_timestamp() where group_id = $1", [
      shown.groupId,
    ]);
    await context.inside.createGroup({ displayName: "of others", members: [] });
    await round();
    expect(enqueued).toEqual([hidden.scopeId]);
    expect(await listKinds()).toEqual(["audit-endless"]);
    state.isEndless = false;
    await round();
    expect(await listKinds()).toEqual([]);
  });

  it("that cannot be read stands as a finding until it can", async () => {
    const { round } = await openAudit();
    state.isBroken = true;
    await expect(round()).rejects.toThrow("the audit cannot read groups: GET /Groups: not a JSON object");
    expect(await listKinds()).toEqual([]);
    await expect(round()).rejects.toThrow("the audit cannot read groups");
    expect(await listKinds()).toEqual(["audit-unreadable"]);
    state.isBroken = false;
    await round();
    expect(await listKinds()).toEqual([]);
  });

  it("tells of groups that nobody knows until a whole round shows none, whatever page they are on", async () => {
    const externalId = `branchward:${uuidv7()}:push`;
    const orphan = await context.inside.createGroup({ displayName: "orphan", externalId, members: [] });
    for (let n = 0; n < 120; n += 1) await context.inside.createGroup({ displayName: `other ${n}`, members: [] });
    const { round } = await openAudit();
    await round();
    expect(await listKinds()).toContain("orphan-groups");
    await round();
    expect(await listKinds()).toContain("orphan-groups");
    await context.inside.deleteGroup(orphan.id);
    await round();
    expect(await listKinds()).not.toContain("orphan-groups");
  });
});
