import { explainAccess, parsePolicy, type Policy, type UserId } from "@branchward/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { uuidv7 } from "uuidv7";
import { loadAccessFacts } from "./access-facts.ts";
import { findBranch } from "../branches/incarnations.ts";
import { bindReferences, keepLastMembers } from "../policy/policy-bindings.ts";
import {
  insertGroup,
  insertScope,
  insertTestDelivery,
  insertUser,
  openTestDatabase,
  type TestDatabase,
} from "../testing.ts";
import { loadUserAccessFacts } from "./user-access-facts.ts";

const POLICY = `
endpoints: [{ name: directory, type: builtin }]
policy:
  - repositories: ["**"]
    branches: ["release/**"]
    grants:
      - { entitlement: push, to: ["group:managers", "group:lost", "user:Dave"] }
      - { entitlement: read, to: ["group:everybody"], when: checkout, for: 8h }
      - { entitlement: merge, to: ["group:everybody"] }
    deny:
      - { entitlement: push, to: ["group:contractors"] }
      - { entitlement: merge, to: ["group:nobody-yet"] }
    exclusive: [push, merge]
  - repositories: ["**"]
    branches: ["dev/\${user.department}/*", "dev/\${user.externalId}/*"]
    grants:
      - { entitlement: push, to: ["group:everybody"] }
bots: [{ user: robot, ceiling: { entitlements: [merge], branches: ["release/*"] } }]
`;

function policyOf(text: string): Policy {
  const parsed = parsePolicy(text, "branchward.yaml");
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.policy;
}

describe("the facts about one user", () => {
  const policy = policyOf(POLICY);
  const context: { database: TestDatabase; branches: string[] } = {} as never;
  const people = ["alice", "bob", "carol", "dave", "erin", "robot", "gone"] as const;
  const ids = new Map<string, UserId>();

  beforeAll(async () => {
    context.database = await openTestDatabase();
    const { db } = context.database;
    for (const name of people) ids.set(name, await insertUser(db, name));
    const users = (...names: readonly string[]) => names.flatMap((name) => ids.get(name) ?? []);
    const inner = await insertGroup(db, { name: "leads", client: "okta", users: users("alice", "bob", "gone") });
    const middle = await insertGroup(db, { name: "squads", client: "okta", groups: [inner], users: users("robot") });
    await insertGroup(db, { name: "managers", client: "okta", groups: [middle, inner] });
    await insertGroup(db, { name: "everybody", client: "okta", users: users("alice", "bob", "carol", "robot") });
    await insertGroup(db, { name: "contractors", client: "okta", users: users("bob") });
    const lost = await insertGroup(db, { name: "lost", client: "okta", users: users("erin") });
    // A cycle ends nowhere, and must not hang.
    await db
      .insertInto("directory_members")
      .values({ group_id: inner, member_id: middle, member_kind: "Group" })
      .execute();
    await bindReferences(
      db,
      ["managers", "everybody", "contractors", "lost", "nobody-yet"].map((name) => `group:${name}`),
    );
    await keepLastMembers(db, lost);
    await db.deleteFrom("directory_groups").where("id", "=", lost).execute();
    await db.updateTable("directory_users").set({ active: false }).where("user_name", "=", "gone").execute();
    await db
      .updateTable("directory_users")
      .set({ attributes: JSON.stringify({ department: "web" }) })
      .where("user_name", "=", "carol")
      .execute();
    await db.updateTable("directory_users").set({ external_id: "web" }).where("user_name", "=", "bob").execute();
    const scopes = await Promise.all(
      ["release/1", "dev/web/x", "other"].map(async (branch) => await insertScope(db, { branch })),
    );
    context.branches = scopes.map(({ incarnationId }) => incarnationId);
    const [release = ""] = context.branches;
    await db
      .updateTable("scopes")
      .set({ strict_names: ["dev/web/y"] })
      .where("incarnation_id", "=", release)
      .execute();
    const { repositoryId = "" } = (await findBranch(db, release)) ?? {};
    for (const [name, hours] of [
      ["carol", 1],
      ["bob", 9],
    ] as const) {
      await db
        .insertInto("checkouts")
        .values({
          id: uuidv7(),
          repository_id: repositoryId,
          working_copy: `of-${name}`,
          actor: name,
          trust: "claim",
          delivery_id: await insertTestDelivery(db),
          user_id: ids.get(name) ?? null,
          incarnation_id: release,
          ref_type: "branch",
          name: "release/1",
          name_key: "key",
          started_at: new Date(Date.now() - hours * 3_600_000),
        })
        .execute();
    }
    // Somebody who left, what a guard withholds, and an emergency: each of one user on one branch.
    await context.database.pool.query("update checkouts set ended_at = now() where working_copy = 'of-bob'");
    await context.database.pool.query(
      `insert into withheld_removals (scope_id, entitlement, member, user_id, cause, sync_id)
       select id, 'push', 'm', $1, 'policy', gen_random_uuid() from scopes where incarnation_id = $2`,
      [ids.get("carol"), release],
    );
    // While `group:lost` is, these two hold what they held, and nobody else is given anything.
    await context.database.pool.query(
      `insert into ledger_entries (id, scope_id, incarnation_id, endpoint, entitlement, member, user_id, origin, granted_at)
       select gen_random_uuid(), id, incarnation_id, endpoint, 'push', member, member, 'sync', now()
       from scopes cross join unnest($1::uuid[]) as member where incarnation_id = $2`,
      [[ids.get("alice"), ids.get("erin")], release],
    );
    await context.database.pool.query(
      `insert into emergency_grants
         (id, user_id, entitlement, incarnation_id, state, for_ms, reason, requested_by, decided_by, decided_at, expires_at)
       select gen_random_uuid(), $1, entitlement, $2, 'approved', 1, 'r', 'a', 'b', now(), now() + after
       from (values ('push', interval '1 hour'), ('merge', interval '-1 hour')) as e (entitlement, after)`,
      [ids.get("robot"), context.branches[2]],
    );
  });
  afterAll(() => context.database[Symbol.asyncDispose]());

  const questions = [...people, "nobody"].flatMap((name) =>
    ["push", "read", "merge", "force", "delete"].flatMap((verb) =>
      [0, 1, 2].map((index) => [name, verb, index] as const),
    ),
  );

  it("answer as all facts together answer, whoever asks, for every verb and branch", async () => {
    const { db } = context.database;
    const seen = new Set<boolean>();
    const pushers: string[] = [];
    for (const [name, entitlement, index] of questions) {
      const branch = await findBranch(db, context.branches[index] ?? "");
      if (branch === undefined) throw new Error("no branch");
      const strictNames = index === 0 ? ["dev/web/y"] : [];
      const userId = ids.get(name) ?? null;
      const all = await loadAccessFacts(db, { policy, branch, strictNames, userIds: userId === null ? [] : [userId] });
      const {
        user,
        findBranch: find,
        ...facts
      } = await loadUserAccessFacts(db, {
        policy,
        userName: name.toUpperCase(),
        incarnationIds: [branch.id],
      });
      expect(user?.id ?? null).toBe(userId);
      const expected = explainAccess({ ...all, userId, entitlement });
      const { strictNames: strict, ...branchFacts } = find(branch.id);
      const incarnation = { ...all.incarnation, names: [branch.name, ...strict] } as const;
      const repository = { name: branch.repository };
      const answer = explainAccess({ ...facts, ...branchFacts, repository, incarnation, userId, entitlement });
      expect(answer, `${name} ${entitlement} ${branch.name}`).toEqual(expected);
      seen.add(answer.allowed);
      if (answer.allowed && entitlement === "push" && branch.name === "dev/web/x") pushers.push(name);
    }
    expect(seen).toEqual(new Set([true, false]));
    // One by the department, one by the identity provider's id.
    expect(pushers).toEqual(["bob", "carol"]);
  });

  it("hold what was given by emergency and what a guard withholds, and no stay that ended", async () => {
    const { db } = context.database;
    const [release = "", , other = ""] = context.branches;
    const load = async (userName: string) =>
      await loadUserAccessFacts(db, { policy, userName, incarnationIds: context.branches });
    expect((await load("carol")).findBranch(release).withheld.get("push")?.size).toBe(1);
    for (const name of ["alice", "erin"]) expect((await load(name)).findBranch(release).held.has("push")).toBe(true);
    expect((await load("bob")).findBranch(release).held.size).toBe(0);
    expect((await load("robot")).findBranch(other).emergencies.map(({ entitlement }) => entitlement)).toEqual([
      "merge",
      "push",
    ]);
    expect((await load("bob")).findBranch(release).checkouts).toMatchObject([{ endedAt: expect.any(Date) }]);
  });

  it("are of all branches asked for in one answer, and of nobody where nobody is named", async () => {
    const { db } = context.database;
    const facts = await loadUserAccessFacts(db, { policy, userName: "carol", incarnationIds: context.branches });
    expect(context.branches.map((id) => facts.findBranch(id).checkouts.length)).toEqual([1, 0, 0]);
    const none = await loadUserAccessFacts(db, { policy, userName: null, incarnationIds: context.branches });
    expect([none.user, none.groups.size, none.users.byId.size]).toEqual([undefined, 0, 0]);
    expect(none.findBranch(context.branches[0] ?? "").strictNames).toEqual(["dev/web/y"]);
  });
});
