import { randomUUID } from "node:crypto";
import { access, accessDecisions } from "@branchward/core/api";
import {
  bindReferences,
  deleteLink,
  findUserByUserName,
  insertToken,
  keepLastMembers,
  listFindings,
  type TokenScope,
  upsertLink,
} from "@branchward/store";
import { insertGroup, insertScope, insertTestDelivery, insertUser } from "@branchward/store/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { openTestApi, type TestApi } from "../testing.ts";

const POLICY = `
endpoints: [{ name: directory, type: builtin }]
policy:
  - repositories: ["acme/*"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["group:release-managers"] }
      - { entitlement: push, to: ["group:engineering"], when: checkout, for: 1h }
      - { entitlement: delete, to: ["group:nobody"] }
`;

describe("POST /v1/access/decisions", () => {
  const context: { api: TestApi; token: string; incarnationId: string } = {} as never;

  beforeAll(async () => {
    context.api = await openTestApi();
    const { db } = context.api.database;
    const alice = await insertUser(db, "alice");
    const bob = await insertUser(db, "bob");
    await insertGroup(db, { name: "release-managers", client: "okta", users: [alice] });
    await insertGroup(db, { name: "engineering", client: "okta", users: [alice, bob] });
    await bindReferences(db, ["group:release-managers", "group:engineering"]);
    await context.api.database.pool.query(
      "insert into policy_versions (id, digest, file, text, author, state, activated_at) values ($1, 'd', 'branchward.yaml', $2, 'test', 'active', now())",
      [randomUUID(), POLICY],
    );
    const { incarnationId } = await insertScope(db, { branch: "release/1.0" });
    context.incarnationId = incarnationId;
    const { repository_id: repositoryId } = await db
      .selectFrom("incarnations")
      .select("repository_id")
      .where("id", "=", incarnationId)
      .executeTakeFirstOrThrow();
    await db.updateTable("repositories").set({ name: "acme/web" }).where("id", "=", repositoryId).execute();
    await db
      .insertInto("repository_bindings")
      .values({ id: randomUUID(), repository_id: repositoryId, source: "agents", native_id: null, name: "srv/web" })
      .execute();
    context.token = await tokenOf("agent");
  });
  afterAll(() => context.api[Symbol.asyncDispose]());

  async function tokenOf(scope: TokenScope): Promise<string> {
    const { secret } = await insertToken(context.api.database.db, { client: `${scope}-test`, scope, expiresAt: null });
    return secret;
  }

  const post = async (body: unknown, token = context.token): Promise<Response> =>
    await context.api.call("/v1/access/decisions", {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });

  async function ask(
    user: string | null,
    changes: readonly [branch: string, entitlement: string][],
    repository = "srv/web",
  ) {
    const asked = changes.map(([branch, entitlement]) => ({ branch, entitlement }));
    const response = await post({ user, source: "agents", repository, changes: asked });
    expect(response.status).toBe(200);
    return accessDecisions.parse(await response.json());
  }

  it("decides each change of a push, by the repository that its source means", async () => {
    expect(
      await ask("Alice", [
        ["release/1.0", "push"],
        ["release/1.0", "delete"],
        ["feature/x", "push"],
      ]),
    ).toEqual({
      allowed: false,
      decisions: [
        { branch: "release/1.0", refType: "branch", entitlement: "push", allowed: true, governed: true, message: [] },
        {
          branch: "release/1.0",
          refType: "branch",
          entitlement: "delete",
          allowed: false,
          governed: true,
          message: [
            "alice may not delete release/1.0 of acme/web",
            "no rule grants delete to alice",
            "policy[0].grants[2] (branchward.yaml:9) gives delete to group:nobody",
            "ask: group:nobody",
          ],
        },
        { branch: "feature/x", refType: "branch", entitlement: "push", allowed: true, governed: false, message: [] },
      ],
    });
  });

  it("decides about branches and repositories that were not told of yet", async () => {
    const create = [
      ["release/2.0", "create"],
      ["feature/x", "create"],
    ] as [string, string][];
    expect((await ask("alice", create)).decisions.map(({ allowed }) => allowed)).toEqual([true, true]);
    expect((await ask("bob", create)).decisions.map(({ allowed }) => allowed)).toEqual([false, true]);
    expect((await ask("bob", create, "acme/brand-new")).decisions[0]?.message[0]).toBe(
      "bob may not create release/2.0 in acme/brand-new",
    );
  });

  it("gives the unknown nothing that is governed, and leaves them what is not", async () => {
    for (const user of ["mallory", null]) {
      const { decisions } = await ask(user, [
        ["release/1.0", "push"],
        ["feature/x", "force"],
      ]);
      expect(decisions.map(({ allowed }) => allowed)).toEqual([false, true]);
      expect(decisions[0]?.message[0]).toBe(`${user ?? "an unknown user"} may not push to release/1.0 of acme/web`);
    }
  });

  it("knows a pusher by what links say of the source's actors, and takes a disputed one for nobody", async () => {
    const { db } = context.api.database;
    const idOf = async (userName: string) => {
      const user = await findUserByUserName(db, userName);
      if (user === undefined) throw new Error(`no user ${userName}`);
      return user.id;
    };
    const mayPush = async (user: string) => (await ask(user, [["release/1.0", "push"]])).decisions[0]?.allowed;
    expect(await mayPush("alice@laptop")).toBe(false);
    await upsertLink(db, { source: "agents", actor: "alice@laptop", userId: await idOf("alice"), linkedBy: "test" });
    expect(await mayPush("alice@laptop")).toBe(true);
    await upsertLink(db, { source: "agents", actor: "alice", userId: await idOf("bob"), linkedBy: "test" });
    expect(await mayPush("alice")).toBe(false);
    await deleteLink(db, "agents", "alice");
    expect(await mayPush("alice")).toBe(true);
  });

  it("takes a pusher for nobody whom the source's identity rule does not name, whoever bears that userName", async () => {
    const { db } = context.api.database;
    await db.updateTable("directory_users").set({ external_id: "E-17" }).where("user_name", "=", "alice").execute();
    const mayPush = async (user: string, source: string) => {
      const changes = [{ branch: "release/1.0", entitlement: "push" }];
      const response = await post({ user, source, repository: "acme/web", changes });
      return accessDecisions.parse(await response.json()).allowed;
    };
    expect(await mayPush("E-17", "staff")).toBe(true);
    expect(await mayPush("e-17", "staff")).toBe(false);
    expect(await mayPush("alice", "staff")).toBe(false);
    expect(await mayPush("alice", "gone-from-the-configuration")).toBe(false);
    const unknown = (await listFindings(db, 100)).filter(({ kind }) => kind === "unknown-actor");
    expect(unknown.map(({ subject }) => subject)).toEqual(expect.arrayContaining(["staff: alice", "staff: e-17"]));
    expect(unknown.filter(({ subject }) => subject === "staff: E-17")).toEqual([]);
  });

  it("counts a just-in-time grant while it lasts, at read time, and never for a branch made anew", async () => {
    const { db } = context.api.database;
    const { incarnationId } = context;
    const { repository_id: repositoryId } = await db
      .selectFrom("incarnations")
      .select("repository_id")
      .where("id", "=", incarnationId)
      .executeTakeFirstOrThrow();
    const { id: bob } = await db
      .selectFrom("directory_users")
      .select("id")
      .where("user_name", "=", "bob")
      .executeTakeFirstOrThrow();
    const id = randomUUID();
    const startedAt = (ms: number) => new Date(Date.now() - ms);
    await db
      .insertInto("checkouts")
      .values({
        id,
        repository_id: repositoryId,
        working_copy: "w",
        delivery_id: await insertTestDelivery(db),
        actor: "bob",
        trust: "claim",
        user_id: bob,
        incarnation_id: incarnationId,
        ref_type: "branch",
        name: "release/1.0",
        name_key: "k",
        started_at: startedAt(60_000),
      })
      .execute();
    const both = [
      ["release/1.0", "push"],
      ["release/1.0", "create"],
    ] as [string, string][];
    expect((await ask("bob", both)).decisions.map(({ allowed }) => allowed)).toEqual([true, false]);
    await db
      .updateTable("checkouts")
      .set({ started_at: startedAt(3_600_001) })
      .where("id", "=", id)
      .execute();
    const [expired] = (await ask("bob", both)).decisions;
    expect(expired).toMatchObject({ allowed: false });
    expect(expired?.message).toContain("policy[0].grants[1] (branchward.yaml:8) would grant, but has expired");
  });

  it("lets whoever holds a standing grant open a closed branch again", async () => {
    const { db } = context.api.database;
    const setState = async (state: "active" | "closed") =>
      await db.updateTable("incarnations").set({ state }).where("id", "=", context.incarnationId).execute();
    await setState("closed");
    expect((await ask("alice", [["release/1.0", "push"]])).allowed).toBe(true);
    expect((await ask("bob", [["release/1.0", "push"]])).allowed).toBe(false);
    await setState("active");
  });

  it("denies the deactivated at once, whatever is governed", async () => {
    const { db } = context.api.database;
    const setActive = async (active: boolean) =>
      await db.updateTable("directory_users").set({ active }).where("user_name", "=", "alice").execute();
    await setActive(false);
    const { decisions } = await ask("alice", [
      ["release/1.0", "push"],
      ["feature/x", "push"],
    ]);
    expect(decisions.map(({ allowed }) => allowed)).toEqual([false, false]);
    expect(decisions[1]?.message).toContain("alice is deactivated");
    await setActive(true);
  });

  it("answers tokens of scope agent and admin alone, which open nothing else", async () => {
    const question = {
      user: "alice",
      source: "agents",
      repository: "srv/web",
      changes: [{ branch: "x", entitlement: "push" }],
    };
    expect((await post(question, await tokenOf("admin"))).status).toBe(200);
    for (const scope of ["read", "status", "scim"] as const)
      expect((await post(question, await tokenOf(scope))).status).toBe(403);
    expect((await post(question, "wrong")).status).toBe(401);
    const { token, secret } = await insertToken(context.api.database.db, {
      client: "laptop",
      scope: "agent",
      expiresAt: null,
    });
    const { rows } = await context.api.database.pool.query("select id from directory_users limit 1");
    await context.api.database.pool.query("update tokens set user_id = $1, device = 'laptop' where id = $2", [
      String(rows[0]?.["id"]),
      token.id,
    ]);
    expect((await post(question, secret)).status).toBe(403);
    const headers = { authorization: `Bearer ${context.token}` };
    for (const path of [
      "/v1/branches",
      "/v1/access?user=a&repository=b&branch=c&entitlement=d",
      "/v1/sync-status?repository=a&branch=b",
    ]) {
      expect((await context.api.call(path, { headers })).status).toBe(403);
    }
  });

  it("takes no question without changes, with too many, or with what it does not know", async () => {
    const change = { branch: "x", entitlement: "push" };
    const question = { user: "alice", source: "agents", repository: "srv/web" };
    expect((await post({ ...question, changes: [] })).status).toBe(400);
    expect((await post({ ...question, changes: Array.from({ length: 501 }, () => change) })).status).toBe(400);
    expect((await post({ ...question, changes: [change], at: "now" })).status).toBe(400);
    expect((await post({ ...question, changes: Array.from({ length: 500 }, () => change) })).status).toBe(200);
  });

  it("withholds what nobody held yet while a group of the branch's rules is missing, as GET /v1/access does", async () => {
    const { pool, db } = context.api.database;
    const mayPush = async (user: string) => {
      const query = new URLSearchParams({ user, repository: "acme/web", branch: "release/1.0", entitlement: "push" });
      const { allowed, reasons } = access.parse(
        await (await context.api.call(`/v1/access?${query.toString()}`)).json(),
      );
      const { decisions } = await ask(user, [["release/1.0", "push"]]);
      expect(decisions[0]?.allowed).toBe(allowed);
      return { allowed, message: decisions[0]?.message, withheld: reasons.find(({ withheld }) => withheld)?.text };
    };
    expect(await mayPush("alice")).toMatchObject({ allowed: true });
    const { rows } = await pool.query<{ id: string }>(
      "select id from directory_groups where display_name = 'engineering'",
    );
    await keepLastMembers(db, rows[0]?.id ?? "");
    await pool.query("delete from directory_groups where display_name = 'engineering'");
    const text = "would be granted; withheld since group:engineering is missing, until bound again";
    expect(await mayPush("alice")).toEqual({
      allowed: false,
      message: ["alice may not push to release/1.0 of acme/web", text, expect.stringContaining("keeps the directory")],
      withheld: text,
    });
    expect((await ask("alice", [["release/2.0", "create"]])).allowed).toBe(false);
    expect((await ask("alice", [["feature/x", "create"]])).allowed).toBe(true);
    await pool.query(
      `insert into ledger_entries (id, scope_id, incarnation_id, endpoint, entitlement, member, user_id, origin, granted_at)
       select gen_random_uuid(), s.id, incarnation_id, endpoint, 'push', u.id, u.id, 'sync', now()
       from scopes s cross join directory_users u where incarnation_id = $1 and user_name = 'alice'`,
      [context.incarnationId],
    );
    expect(await mayPush("alice")).toMatchObject({ allowed: true });
  });
});
