import type { UserId } from "@branchward/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { approvePolicy, rejectPolicy } from "./decide-policy.ts";
import type { Database } from "../connection/database.ts";
import { listFindings, raiseFinding } from "../scopes/findings.ts";
import { withPolicyLead } from "../locks.ts";
import { makePolicyPlan } from "../policy-plan/make-policy-plan.ts";
import { wakePlanned } from "../policy-plan/wake-planned.ts";
import {
  findActivePolicyVersion,
  findPolicyVersion,
  findPolicyVersionAt,
  listPolicyVersions,
} from "./policy-versions.ts";
import { type ProposedPolicy, proposePolicy } from "./propose-policy.ts";
import { parsePolicy } from "@branchward/core";
import { readClock } from "../access/access-facts.ts";
import { insertBranch, insertGroup, insertUser, openTestDatabase, type TestDatabase } from "../testing.ts";

const policyOf = (to: string, branches = "**") =>
  `policy: [{ repositories: ["**"], branches: ["${branches}"], grants: [{ entitlement: push, to: [${to}] }] }]`;
const MANAGERS = policyOf('"group:managers"');

/** The database, telling how often a statement that holds the text was sent through it. */
function countStatements(db: Database, text: string, onCount: (count: number) => void): Database {
  let count = 0;
  return db.withPlugin({
    transformQuery({ node }) {
      if (JSON.stringify(node).includes(text)) onCount((count += 1));
      return node;
    },
    transformResult: async ({ result }) => result,
  });
}

describe("a proposed policy (rule B1)", () => {
  const context: { database: TestDatabase; users: readonly UserId[]; branch: string } = {} as never;
  beforeEach(async () => {
    const database = await openTestDatabase();
    const users = [await insertUser(database.db, "alice"), await insertUser(database.db, "bob")];
    await insertGroup(database.db, { name: "managers", client: "okta", users });
    Object.assign(context, { database, users, branch: await insertBranch(database.db, "main") });
  });
  afterEach(() => context.database[Symbol.asyncDispose]());

  const proposalOf = (text: string, over: Partial<ProposedPolicy> = {}): ProposedPolicy => ({
    text,
    file: "branchward.yaml",
    author: "file",
    origin: "file",
    ...over,
  });
  const propose = (text: string, over: Partial<ProposedPolicy> = {}) =>
    proposePolicy(context.database.db, ["directory"], proposalOf(text, over));
  const byApi = (text: string, author = "ops") => propose(text, { origin: "api", author });
  const activeText = async () => (await findActivePolicyVersion(context.database.db))?.text;
  const findings = async () =>
    (await listFindings(context.database.db, 10)).map(({ kind, subject }) => `${kind} ${subject}`);
  const scopes = () => context.database.db.selectFrom("scopes").select(["incarnation_id", "requested"]).execute();

  it("is in force at once where there was none, with scopes for every live branch", async () => {
    const { state, woken, version } = await propose(MANAGERS);
    expect([state, woken.map(({ incarnationId }) => incarnationId)]).toEqual(["active", [context.branch]]);
    expect(version).toMatchObject({ state: "active", author: "file", origin: "file" });
    expect(await scopes()).toEqual([{ incarnation_id: context.branch, requested: 1 }]);
  });

  it("wakes the branches that it changes and no other", async () => {
    const other = await insertBranch(context.database.db, "dev");
    await propose(MANAGERS);
    const more = `${MANAGERS.slice(0, -1)}, { repositories: ["**"], branches: ["dev"], grants: [{ entitlement: read, to: ["user:bob"] }] }]`;
    const { state, woken } = await propose(more);
    expect([state, woken.map(({ incarnationId }) => incarnationId)]).toEqual(["active", [other]]);
  });

  it("is nothing new where only lines and remarks move", async () => {
    await propose(MANAGERS);
    expect(await propose(`# a remark\n\n${MANAGERS}`)).toMatchObject({ state: "unchanged", woken: [] });
    expect(await listPolicyVersions(context.database.db, { limit: 10 })).toHaveLength(1);
  });

  it("leaves the version in force where it is broken, with a finding of cause and fix until it is mended", async () => {
    await propose(MANAGERS);
    const broken = await propose("policy: [{ repositories: [] }]");
    expect(broken).toMatchObject({ state: "rejected", version: { state: "rejected" }, woken: [] });
    expect(await activeText()).toBe(MANAGERS);
    const [finding] = await listFindings(context.database.db, 10);
    expect(finding).toMatchObject({ kind: "policy-broken", severity: "critical" });
    expect(finding?.message).toMatch(/branchward\.yaml:1 .*version in force stays.*branchward check/u);
    await propose("policy: [{ repositories: [] }]");
    expect(await listPolicyVersions(context.database.db, { limit: 10 })).toHaveLength(2);
    await propose(MANAGERS);
    expect(await findings()).toEqual([]);
  });

  it("of a file that says what can have no effect is in force all the same, with a finding until it is mended", async () => {
    const { state, warnings } = await propose(policyOf('"group:managers"', "refs/heads/**"));
    expect(state).toBe("active");
    expect(warnings).toMatchObject([{ line: 1, message: expect.stringContaining('write "**"') }]);
    const [finding] = await listFindings(context.database.db, 10);
    expect(finding).toMatchObject({ kind: "policy-warning", subject: "branchward.yaml", severity: "warning" });
    expect(finding?.message).toMatch(/^branchward\.yaml:1 policy\[0\]\.branches\[0\]: .*branchward check/u);
    await propose(MANAGERS);
    expect(await findings()).toEqual([]);
    const past = MANAGERS.replace("entitlement: push,", "entitlement: push, until: 2020-01-01,");
    expect((await byApi(past)).warnings).toMatchObject([{ message: expect.stringContaining("is past") }]);
    // The file says nothing of the kind.
    expect(await findings()).not.toContain("policy-warning branchward.yaml");
  });

  it("is held where it would empty a group, and in force once another approves the plan as it was shown", async () => {
    await propose(MANAGERS);
    const { db } = context.database;
    const { state, version } = await byApi(policyOf('"group:nobody"'));
    expect([state, version?.state, await activeText()]).toEqual(["held", "held", MANAGERS]);
    expect(version?.reason).toContain("push would lose all 2 of 2 members");
    expect(await findings()).toEqual(["policy-held branchward.yaml"]);
    const approval = { id: version?.id ?? "", digest: version?.planDigest ?? "", endpoints: ["directory"] };
    await expect(approvePolicy(db, { ...approval, by: "ops" })).rejects.toMatchObject({ code: "own_proposal" });
    await expect(approvePolicy(db, { ...approval, digest: "other", by: "sec" })).rejects.toMatchObject({
      code: "plan_changed",
    });
    const approved = await approvePolicy(db, { ...approval, by: "sec" });
    expect(approved).toMatchObject({ state: "active", version: { state: "active", decidedBy: "sec" } });
    expect(approved.woken.map(({ incarnationId }) => incarnationId)).toEqual([context.branch]);
    expect(await findings()).toEqual(["group-unbound group:nobody"]);
    const letGo = await db.selectFrom("approved_removals").select(["reference", "user_id"]).execute();
    expect(letGo.toSorted((a, b) => (a.user_id < b.user_id ? -1 : 1))).toEqual(
      context.users.toSorted().map((userId) => ({ reference: "group:managers", user_id: userId })),
    );
    await expect(approvePolicy(db, { ...approval, by: "sec" })).rejects.toMatchObject({ code: "not_held" });
  });

  it("shows its plan anew where others would lose by now, and is approved by that one alone", async () => {
    await propose(MANAGERS);
    const { db } = context.database;
    const { version } = await byApi(policyOf('"user:alice"', "nothing"));
    const carol = await insertUser(db, "carol");
    const { id: group } = await db.selectFrom("directory_groups").select("id").executeTakeFirstOrThrow();
    await db
      .insertInto("directory_members")
      .values({ group_id: group, member_id: carol, member_kind: "User" })
      .execute();
    const approval = { id: version?.id ?? "", by: "sec", endpoints: ["directory"] };
    const approve = (digest: string | null | undefined) => approvePolicy(db, { ...approval, digest: digest ?? "" });
    await expect(approve(version?.planDigest)).rejects.toMatchObject({ code: "plan_changed" });
    const shown = await findPolicyVersion(db, approval.id);
    expect(shown?.planDigest).not.toBe(version?.planDigest);
    expect(await approve(shown?.planDigest)).toMatchObject({ state: "active" });
  });

  it("is not approved by a plan shown more than a day ago", async () => {
    await propose(MANAGERS);
    const { db } = context.database;
    const { version } = await byApi(policyOf('"group:nobody"'));
    const yesterday = new Date(Date.now() - 25 * 3_600_000);
    await db.updateTable("policy_versions").set({ planned_at: yesterday }).where("state", "=", "held").execute();
    const approval = { id: version?.id ?? "", digest: version?.planDigest ?? "", by: "sec", endpoints: ["directory"] };
    await expect(approvePolicy(db, approval)).rejects.toMatchObject({ code: "plan_changed" });
    expect(await approvePolicy(db, approval)).toMatchObject({ state: "active" });
  });

  it("is refused by a person, and not proposed again by the file that still says it", async () => {
    await propose(MANAGERS);
    const held = await propose(policyOf('"group:nobody"'));
    const refusal = { id: held.version?.id ?? "", by: "sec", reason: "too wide" };
    expect(await rejectPolicy(context.database.db, refusal)).toMatchObject({ state: "rejected", reason: "too wide" });
    expect(await propose(policyOf('"group:nobody"'))).toMatchObject({ state: "unchanged" });
    expect([await activeText(), await findings()]).toEqual([MANAGERS, []]);
  });

  it("is withdrawn when the file says again what is in force", async () => {
    await propose(MANAGERS);
    const held = await propose(policyOf('"group:nobody"'));
    expect(held.state).toBe("held");
    await propose(MANAGERS);
    expect(await findPolicyVersion(context.database.db, held.version?.id ?? "")).toMatchObject({ state: "superseded" });
    expect(await findings()).toEqual([]);
  });

  it("is proposed again when the file comes back to it", async () => {
    await propose(MANAGERS);
    const emptying = policyOf('"group:nobody"');
    await propose(emptying);
    await propose(MANAGERS);
    expect(await propose(emptying)).toMatchObject({ state: "held" });
    expect(await findings()).toEqual(["policy-held branchward.yaml"]);
  });

  it("comes in force when the file leaves what the api proposed, though the file said it before", async () => {
    await propose(MANAGERS);
    const wider = policyOf('"group:managers", "user:carol"');
    await byApi(wider);
    expect((await propose(wider)).state).toBe("unchanged");
    expect((await propose(MANAGERS)).state).toBe("active");
    expect(await activeText()).toBe(MANAGERS);
  });

  it("takes the finding of the one that waited with it, whatever file that came from", async () => {
    await propose(MANAGERS);
    const emptying = policyOf('"group:nobody"');
    await propose(emptying);
    await byApi(policyOf('"user:alice"', "nothing"), "ops");
    const other = { file: "other.yaml", origin: "api", author: "ops" } as const;
    expect(await propose(policyOf('"group:nobody", "user:zed"'), other)).toMatchObject({ state: "held" });
    expect(await findings()).toEqual(["policy-held other.yaml"]);
    const wider = policyOf('"group:managers", "user:carol"');
    expect(await propose(wider, { ...other, file: "third.yaml" })).toMatchObject({ state: "active" });
    expect(await findings()).toEqual([]);
  });

  it("ends the findings of groups that it names no more", async () => {
    const { db } = context.database;
    await propose(policyOf('"group:managers", "group:typo"'));
    for (const kind of ["group-lost", "group-renamed"]) {
      for (const subject of ["group:managers", "group:former"]) {
        await raiseFinding(db, { kind, subject, severity: "warning", message: "as the directory changed" });
      }
    }
    await propose(MANAGERS);
    expect((await findings()).toSorted()).toEqual(["group-lost group:managers", "group-renamed group:managers"]);
  });

  it("of the api stays in force although the file goes on saying what it said before", async () => {
    await propose(MANAGERS);
    const wider = policyOf('"group:managers", "user:carol"');
    expect((await byApi(wider)).state).toBe("active");
    expect((await propose(MANAGERS)).state).toBe("unchanged");
    expect(await activeText()).toBe(wider);
    expect((await propose(policyOf('"group:managers", "user:dave"'))).state).toBe("active");
  });

  it("of the api is told all its problems and leaves nothing behind where it is broken", async () => {
    const { state, version, problems } = await byApi("policy: [{ repositories: [], branches: [] }]");
    expect([state, version, problems.length > 1]).toEqual(["rejected", undefined, true]);
    expect(await findings()).toEqual([]);
  });

  it("comes in force once, whoever proposes it at the same time", async () => {
    const outcomes = await Promise.all([propose(MANAGERS), propose(MANAGERS), propose(MANAGERS)]);
    expect(outcomes.map(({ state }) => state).toSorted()).toEqual(["active", "unchanged", "unchanged"]);
    expect(await listPolicyVersions(context.database.db, { limit: 10 })).toHaveLength(1);
  });

  it("is led however many wait for their turn, of whom none keeps a connection from it", async () => {
    const { db, pool } = context.database;
    const many = Array.from({ length: (pool.options.max ?? 0) + 2 }, () => propose(MANAGERS));
    const outcomes = await Promise.all(many);
    expect(outcomes.filter(({ state }) => state === "active")).toHaveLength(1);
    expect(await listPolicyVersions(db, { limit: 10 })).toHaveLength(1);
  });

  it("waits while another is led through its plan, and supersedes what a crash left unfinished", async () => {
    const { db } = context.database;
    const order: string[] = [];
    const led = Promise.withResolvers<void>();
    const refused = Promise.withResolvers<void>();
    const first = withPolicyLead(db, async () => {
      led.resolve();
      await refused.promise;
      order.push("first");
    });
    await led.promise;
    // Who tries for the lead a second time was refused it before.
    const watched = countStatements(db, "pg_try_advisory_lock", (count) => count === 2 && refused.resolve());
    const second = proposePolicy(watched, ["directory"], proposalOf(MANAGERS)).then(() => order.push("second"));
    await Promise.all([first, second]);
    expect(order).toEqual(["first", "second"]);
    await db
      .insertInto("policy_versions")
      .values({
        id: "018f0000-0000-7000-8000-000000000001",
        digest: "d",
        file: "f",
        text: "t",
        author: "a",
        state: "proposed",
      })
      .execute();
    await propose(policyOf('"group:managers", "user:dave"'));
    expect((await listPolicyVersions(db, { limit: 10 })).map(({ state }) => state)).toEqual([
      "active",
      "superseded",
      "superseded",
    ]);
  });

  it("reaches branches that come, or are renamed, while its plan is made", async () => {
    const { db } = context.database;
    await propose(MANAGERS);
    const parsed = parsePolicy(policyOf('"group:managers"', "release/*"), "branchward.yaml");
    if ("problems" in parsed) throw new Error("broken");
    const made = await makePolicyPlan(db, { policy: parsed.policy, endpoints: ["directory"] });
    const late = await insertBranch(db, "release/1");
    const unconcerned = await insertBranch(db, "dev");
    const woken = await db
      .transaction()
      .execute((trx) => wakePlanned(trx, { policy: parsed.policy, endpoints: ["directory"] }, made));
    expect(woken.map(({ incarnationId }) => incarnationId).toSorted()).toEqual([context.branch, late].toSorted());
    expect((await scopes()).map((scope) => scope.incarnation_id)).not.toContain(unconcerned);
  });

  it("foresees which groups would be bound, and names groups and users that are not there", async () => {
    const { db } = context.database;
    await insertUser(db, "jose\u0301");
    await insertGroup(db, { name: "twins", client: "okta", users: [] });
    await insertGroup(db, { name: "twins", client: "entra", users: [] });
    const text = policyOf(
      '"group:managers", "group:twins", "group:okta/twins", "group:later", "user:ghost", "user:JOSÉ"',
    );
    const parsed = parsePolicy(text, "branchward.yaml");
    if ("problems" in parsed) throw new Error("broken");
    const { bindings, unknownUsers, plan } = await makePolicyPlan(db, {
      policy: parsed.policy,
      endpoints: ["directory"],
    });
    expect(bindings.map(({ reference, state }) => [reference, state])).toEqual([
      ["group:later", "unbound"],
      ["group:managers", "would-bind"],
      ["group:okta/twins", "would-bind"],
      ["group:twins", "ambiguous"],
    ]);
    expect([unknownUsers, plan.gains]).toEqual([["ghost"], 3]);
  });

  it("foresees attributes that nobody has, and endpoints that are not in use", async () => {
    const { db, pool } = context.database;
    await pool.query(`update directory_users set attributes = '{"title": "lead", "emails": [{"value": "a@b.c"}]}'`);
    await pool.query(
      `update directory_users set attributes = attributes || '{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "web"}}'
       where user_name = 'bob'`,
    );
    const names = ["title", "department", "Title", "emails", "userName", "externalId"];
    const branches = names.map((name) => `"${name}/\${user.${name}}"`);
    const text = `endpoints: [{ name: directory, type: builtin }, { name: hg, url: "https://hg.example.com", token: { env: T } }]
policy: [{ repositories: ["**"], branches: [${branches.join(", ")}], grants: [
  { entitlement: push, to: ["group:managers"], endpoints: [hg, directory] } ] }]`;
    const parsed = parsePolicy(text, "branchward.yaml");
    if ("problems" in parsed) throw new Error(parsed.problems[0]?.message);
    const question = { policy: parsed.policy, endpoints: ["directory"] };
    const made = await makePolicyPlan(db, question);
    expect([made.unknownAttributes, made.unusedEndpoints]).toEqual([["Title", "emails", "externalId"], ["hg"]]);
    await pool.query("update directory_users set external_id = '00u1' where user_name = 'bob'");
    expect((await makePolicyPlan(db, question)).unknownAttributes).toEqual(["Title", "emails"]);
  });

  it("foresees whom a pattern names by the id that the identity provider gave", async () => {
    const { db, pool } = context.database;
    await pool.query("update directory_users set external_id = '00u' || user_name");
    await insertBranch(db, "own/00ualice/x");
    const text = `policy: [{ repositories: ["**"], branches: ["own/\${user.externalId}/*"], grants: [
  { entitlement: push, to: ["group:managers"] } ] }]`;
    const parsed = parsePolicy(text, "branchward.yaml");
    if ("problems" in parsed) throw new Error(parsed.problems[0]?.message);
    const { plan } = await makePolicyPlan(db, { policy: parsed.policy, endpoints: ["directory"] });
    expect(plan.gains).toBe(1);
  });

  it("is told apart in time from what was in force before and after", async () => {
    const { db } = context.database;
    const before = await readClock(db);
    await propose(MANAGERS);
    const between = await readClock(db);
    await propose(policyOf('"group:managers", "user:dave"'));
    expect(await findPolicyVersionAt(db, before)).toBeUndefined();
    expect(await findPolicyVersionAt(db, between)).toMatchObject({ text: MANAGERS });
    expect((await findPolicyVersionAt(db, await readClock(db)))?.text).toContain("dave");
  });
});
