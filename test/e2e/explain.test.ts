/** May somebody, and why; and could they, last Tuesday. */
import { access } from "@branchward/core/api";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { runCommand } from "../support/command-line.ts";
import { createGithubRepository, makeRevision } from "../support/deliveries.ts";
import { EXAMPLE_POLICY, addExamplePeople, startTestSystem, type TestSystem } from "../support/system.ts";

const REPOSITORY = "acme/web";

describe("an explanation", () => {
  let system: TestSystem;
  const moments: Date[] = [];
  let branchId: string;

  beforeAll(async () => {
    system = await startTestSystem({ policy: EXAMPLE_POLICY, pairingWindow: "300ms" });
    await addExamplePeople(system.people);
    const repository = createGithubRepository(system.post, REPOSITORY);
    const head = makeRevision();
    await repository.push({ branch: "main", after: head });
    branchId = (await system.branches.find({ repository: REPOSITORY, branch: "main" })).id;
    await system.branches.expectHolders(branchId, { push: ["alice", "bob"] });
    await readMoment();
    await system.people.leave("engineering", "bob");
    await system.branches.expectHolders(branchId, { push: ["alice"] });
    await readMoment();
    await system.people.setActive("alice", false);
    await system.branches.expectHolders(branchId, { push: [] });
    await readMoment();
    await repository.push({ branch: "main", before: head });
    await system.branches.find({ repository: REPOSITORY, branch: "main" }, "deleted");
    await readMoment();
  });
  afterAll(() => system[Symbol.asyncDispose]());

  /** Notes a moment once every scope is settled and its verdict recorded, by the record's clock. */
  async function readMoment(): Promise<void> {
    await system.branches.settle(branchId);
    const { rows } = await system.database.pool.query<{ now: Date }>("select clock_timestamp() as now");
    const [row] = rows;
    if (row !== undefined) moments.push(row.now);
  }

  const ask = (user: string, at?: Date, branch = "main") => {
    const query = { user, repository: REPOSITORY, branch, entitlement: "push", details: "true" };
    const when = at === undefined ? {} : { at: at.toISOString() };
    return system.api.request(`/v1/access?${new URLSearchParams({ ...query, ...when }).toString()}`);
  };
  const explain = async (...asked: Parameters<typeof ask>) => access.parse((await ask(...asked)).body);
  const allowedAt = (user: string) =>
    Promise.all(moments.slice(0, 3).map(async (at) => (await explain(user, at)).allowed));

  it("of past moments is what was held then, whoever left, was deactivated or deleted since", async () => {
    expect(await allowedAt("alice")).toEqual([true, true, false]);
    expect(await allowedAt("bob")).toEqual([true, false, false]);
    expect(await allowedAt("nobody")).toEqual([false, false, false]);
  });

  it("of a past moment names the rule, the group path, the version, and how the endpoint stood", async () => {
    const answer = await explain("bob", moments[0]);
    const active = (await system.api.request("/v1/policy")).body as { id: string };
    expect(answer).toMatchObject({ incarnation: branchId, policyVersion: active.id, governed: true });
    expect(answer.reasons.filter(({ decides }) => decides)).toMatchObject([
      { rule: "policy[1].grants[0]", file: "branchward.yaml", group: "group:engineering", path: ["engineering"] },
    ]);
    expect(answer.endpoints).toMatchObject([
      {
        endpoint: "directory",
        verdict: "verified",
        withheld: false,
        held: { origin: "sync", endedAt: expect.any(String) },
      },
    ]);
    expect(answer.endpoints?.[0]?.verifiedAgeMs).toBeGreaterThanOrEqual(0);
  });

  it("of a branch that did not live then, of the future and of no time is refused", async () => {
    const born = new Date((await system.api.listBranches(REPOSITORY, "main"))[0]?.bornAt ?? "");
    expect(await ask("alice", new Date(born.getTime() - 60_000))).toMatchObject({ status: 404 });
    expect(await ask("alice", moments[3])).toMatchObject({ status: 404, body: { code: "unknown_branch" } });
    const future = new Date(Date.now() + 3_600_000);
    expect(await ask("alice", future)).toMatchObject({ status: 400, body: { code: "future" } });
    const query = `user=a&repository=${REPOSITORY}&branch=main&entitlement=push&at=yesterday`;
    expect((await system.api.request(`/v1/access?${query}`)).status).toBe(400);
  });

  it("of the moment before the ledger began says that it is unknown", async () => {
    const later = new Date(Date.now() + 3_600_000).toISOString();
    const { rows } = await system.database.pool.query<{ timestamp: string }>(
      "select timestamp from migrations where name = '0011-ledger'",
    );
    const move = (to: string | undefined) =>
      system.database.pool.query("update migrations set timestamp = $1 where name = '0011-ledger'", [to]);
    await move(later);
    const unknown = await explain("nobody", moments[0]);
    await move(rows[0]?.timestamp);
    expect(unknown).toMatchObject({
      allowed: null,
      reasons: expect.arrayContaining([expect.objectContaining({ text: `unknown: the ledger begins at ${later}` })]),
    });
  });

  it("takes the moments that the command takes: a time with its zone, or a day", async () => {
    const query = `/v1/access?user=bob&repository=${REPOSITORY}&branch=main&entitlement=push`;
    const codeAt = async (at: string) => (await system.api.request(`${query}&at=${at}`)).body;
    expect(await codeAt("2026-02-27")).toMatchObject({ code: "unknown_branch" });
    for (const none of ["2026-02-30", "2026-02-27T09:00:00", "1772182800", "noon"]) {
      const detail = expect.stringMatching(/^at: expected a time with its zone, such as .*, or a day/u);
      expect(await codeAt(none)).toMatchObject({ code: "invalid_input", detail });
    }
  });

  it("follows a branch under the name that it bore then", async () => {
    const repository = createGithubRepository(system.post, "acme/renamed");
    const head = makeRevision();
    await repository.push({ branch: "dev/a", after: head });
    const { id } = await system.branches.find({ repository: "acme/renamed", branch: "dev/a" });
    await system.branches.settle(id);
    const before = new Date((await system.database.pool.query("select clock_timestamp() as now")).rows[0].now);
    await repository.push({ branch: "dev/a", before: head });
    await repository.push({ branch: "dev/b", after: head });
    await vi.waitFor(async () => expect((await system.api.getBranch(id)).name).toBe("dev/b"), { timeout: 20_000 });
    const at = async (branch: string, moment: Date) => {
      const query = { user: "bob", repository: "acme/renamed", branch, entitlement: "push", at: moment.toISOString() };
      const { status, body } = await system.api.request(`/v1/access?${new URLSearchParams(query).toString()}`);
      return status === 200 ? access.parse(body).incarnation : status;
    };
    const now = new Date((await system.database.pool.query("select clock_timestamp() as now")).rows[0].now);
    expect([await at("dev/a", before), await at("dev/b", before)]).toEqual([id, 404]);
    expect([await at("dev/a", now), await at("dev/b", now)]).toEqual([404, id]);
  });

  it("is told on the command line, now and as it was", async () => {
    await createGithubRepository(system.post, "acme/now").push({ branch: "main", after: makeRevision() });
    const { id } = await system.branches.find({ repository: "acme/now", branch: "main" });
    await system.branches.settle(id);
    const env = { BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: system.adminToken };
    const run = (...args: string[]) => runCommand(["explain", ...args], { cwd: system.directory, env });
    const now = await run("carol", "push", "acme/now", "main");
    expect(now).toMatchObject({ code: 0, stderr: "" });
    expect(now.stdout).toMatch(/^carol may not push acme\/now:main\n/u);
    expect(now.stdout).toMatch(/at directory: verified \d+ s before; not held there/u);
    const past = await run("bob", "push", REPOSITORY, "main", "--at", moments[0]?.toISOString() ?? "");
    expect(past.stdout).toMatch(/^bob could push acme\/web:main at .*\n/u);
    expect(past.stdout).toContain("held push (standing) at directory since");
    for (const none of ["soon", "5", "2026-02-30T00:00:00Z"]) {
      expect(await run("bob", "push", REPOSITORY, "main", "--at", none)).toMatchObject({ code: 2, stdout: "" });
    }
  });

  it("of a moment at which a group was missing names who was not added, also once another is bound", async () => {
    await createGithubRepository(system.post, "acme/missing").push({ branch: "release/1", after: makeRevision() });
    const { id } = await system.branches.find({ repository: "acme/missing", branch: "release/1" });
    await system.branches.settle(id);
    const asked = {
      user: "bob",
      repository: "acme/missing",
      branch: "release/1",
      entitlement: "push",
      details: "true",
    };
    const explainBob = async (at?: Date) => {
      const query = new URLSearchParams({ ...asked, ...(at && { at: at.toISOString() }) });
      return access.parse((await system.api.request(`/v1/access?${query.toString()}`)).body);
    };
    await system.people.deleteGroup("contractors");
    await system.people.join("release-managers", "bob");
    const why =
      /^policy\[0\]\.grants\[0\] \(branchward\.yaml:\d+\) via release-managers; withheld since group:contractors was missing$/u;
    await vi.waitFor(async () => expect((await explainBob()).endpoints?.[0]?.notAdded).toMatch(why), {
      timeout: 20_000,
    });
    const { rows } = await system.database.pool.query<{ now: Date }>("select clock_timestamp() as now");
    const group = await system.people.addGroup("contractors", ["carol"]);
    await system.api.request("/v1/policy/bindings", {
      method: "POST",
      body: { reference: "group:contractors", groupId: group },
    });
    await vi.waitFor(async () => expect(await explainBob()).toMatchObject({ allowed: true }), { timeout: 20_000 });
    const then = await explainBob(rows[0]?.now);
    expect(then.allowed).toBe(false);
    const text = expect.stringMatching(
      /^would have been granted at directory by policy\[0\].*contractors was missing$/u,
    );
    expect(then.reasons.filter(({ decides }) => decides)).toMatchObject([{ withheld: true, text }]);
  });
});
