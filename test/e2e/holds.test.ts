import { holdItem, page } from "@branchward/core/api";
import { toEqualityFilter } from "@branchward/scim";
import { branchEntitlementSchema } from "@branchward/core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { runCommand } from "../support/command-line.ts";
import { makeRevision, signAgent, toDeliveryId, toReceiveBody } from "../support/deliveries.ts";
import { addExamplePeople, startTestSystem, type TestSystem } from "../support/system.ts";

describe("a hold", () => {
  let system: TestSystem;

  beforeAll(async () => {
    system = await startTestSystem();
    await addExamplePeople(system.people);
  });
  afterAll(() => system[Symbol.asyncDispose]());

  async function pushBranch(repository: string): Promise<string> {
    const changes = [{ kind: "create" as const, name: "dev/x", before: null, after: makeRevision() }];
    const body = toReceiveBody({ repository, changes });
    toDeliveryId(await system.post("agents", signAgent({ body }), body));
    const { id } = await system.branches.find({ repository, branch: "dev/x" });
    await system.branches.expectHolders(id, { push: ["alice", "bob"] });
    await system.branches.settle(id);
    return id;
  }
  const post = (path: string, body: unknown) => system.api.request(path, { method: "POST", body });
  async function hold(repository: string, over: Readonly<Record<string, unknown>> = {}) {
    const body = { repository, branch: "dev/x", for: "1h", reason: "by hand", ...over };
    return holdItem.parse((await post("/v1/holds", body)).body);
  }
  const recheck = async (id: string, repository: string) => {
    await post("/v1/syncs", { repository, branch: "dev/x" });
    return system.branches.settle(id);
  };
  async function explainBob(repository: string, ...options: readonly string[]): Promise<string> {
    const env = { BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: system.adminToken };
    const asked = ["explain", "bob", "push", repository, "dev/x", ...options];
    return (await runCommand(asked, { cwd: system.directory, env })).stdout;
  }
  const verdictOf = async (id: string) => (await system.branches.settle(id)).scopes[0]?.verdict;
  /** Somebody at the endpoint takes bob's push away. */
  async function takeFromBob(id: string): Promise<void> {
    const groups = await system.scim.findGroups(toEqualityFilter(`${branchEntitlementSchema}:incarnation`, id));
    const group = groups.find(({ externalId }) => externalId?.endsWith(":push"));
    const bob = await system.people.getUserId("bob");
    const { numDeletedRows } = await system.database.db
      .deleteFrom("directory_members")
      .where("group_id", "=", group?.id ?? "")
      .where("member_id", "=", bob)
      .executeTakeFirst();
    expect(numDeletedRows).toBe(1n);
  }

  it("suspends repair, says so as the verdict and as a finding, and repair comes when it is ended", async () => {
    const id = await pushBranch("acme/held");
    const made = await hold("acme/held");
    expect(made).toMatchObject({ state: "standing", madeBy: "admin", reason: "by hand" });
    const shown = await system.api.request(`/v1/branches/${id}`);
    expect(shown.body).toMatchObject({ grants: [], holds: [{ id: made.id }] });
    expect(await verdictOf(id)).toBe("held");
    await takeFromBob(id);
    await recheck(id, "acme/held");
    await system.branches.expectHolders(id, { push: ["alice"] });
    expect(await verdictOf(id)).toBe("held");
    const told = `; admin holds repair until ${made.until}: by hand (hold ${made.id})`;
    expect(await explainBob("acme/held")).toContain(told);
    const findings = await system.api.listFindings();
    expect(findings.find(({ kind }) => kind === "hold")).toMatchObject({ severity: "warning" });
    const ended = await post(`/v1/holds/${made.id}/end`, {});
    expect(ended).toMatchObject({ status: 200, body: { state: "ended", endedBy: "admin" } });
    await system.branches.expectHolders(id, { push: ["alice", "bob"] });
    await vi.waitFor(async () => expect(await verdictOf(id)).toBe("verified"), 20_000);
    expect(await explainBob("acme/held")).not.toContain(made.id);
    const then = new Date(Date.parse(made.madeAt) + 1).toISOString();
    expect(await explainBob("acme/held", "--at", then)).toContain(told);
    expect((await system.api.listFindings()).filter(({ kind }) => kind === "hold")).toEqual([]);
    expect(await post(`/v1/holds/${made.id}/end`, {})).toMatchObject({ status: 409, body: { code: "hold_over" } });
  });

  it("holds back no revocation: who is deactivated loses at once", async () => {
    await system.people.addUsers("erin");
    await system.people.join("engineering", "erin");
    const { id } = await (async () => {
      const changes = [{ kind: "create" as const, name: "dev/x", before: null, after: makeRevision() }];
      const body = toReceiveBody({ repository: "acme/leaver", changes });
      toDeliveryId(await system.post("agents", signAgent({ body }), body));
      return system.branches.find({ repository: "acme/leaver", branch: "dev/x" });
    })();
    await system.branches.expectHolders(id, { push: ["alice", "bob", "erin"] });
    await hold("acme/leaver");
    await system.people.setActive("erin", false);
    await system.branches.expectHolders(id, { push: ["alice", "bob"] });
    expect(await verdictOf(id)).toBe("held");
    await system.people.leave("engineering", "erin");
  });

  it("ends by itself, by rows alone: also where nobody was there at its end", async () => {
    const id = await pushBranch("acme/over");
    const made = await hold("acme/over", { branch: undefined });
    expect(await verdictOf(id)).toBe("held");
    await takeFromBob(id);
    await system.stop();
    await system.database.db
      .updateTable("holds")
      .set({ until_at: new Date(Date.now() - 1_000) })
      .where("id", "=", made.id)
      .execute();
    await system.start();
    await system.branches.expectHolders(id, { push: ["alice", "bob"] });
    const listed = page(holdItem).parse((await system.api.request("/v1/holds?state=expired")).body);
    expect(listed.items.map((item) => item.id)).toContain(made.id);
    await vi.waitFor(
      async () => {
        const findings = await system.api.listFindings();
        expect(findings.filter(({ subject }) => subject.includes("acme/over"))).toEqual([]);
      },
      { timeout: 20_000, interval: 100 },
    );
  });

  it.each([
    ["for longer than a day", { for: "25h" }, 400, "invalid_input"],
    ["without a reason", { reason: "" }, 400, "invalid_input"],
    ["of a repository that is not there", { repository: "acme/none", branch: undefined }, 404, "unknown_repository"],
    ["at an endpoint that is not configured", { endpoint: "nowhere" }, 404, "unknown_endpoint"],
  ])("%s is refused", async (_, over, status, code) => {
    if ((await system.api.listBranches("acme/refused")).length === 0) await pushBranch("acme/refused");
    const body = { repository: "acme/refused", branch: "dev/x", for: "1h", reason: "by hand", ...over };
    expect(await post("/v1/holds", body)).toMatchObject({ status, body: { code } });
  });

  it("is made, listed and ended from the command line", async () => {
    await pushBranch("acme/cli");
    const surroundings = {
      cwd: system.directory,
      env: { BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: system.adminToken },
    };
    const made = await runCommand(
      ["hold", "acme/cli", "dev/x", "--endpoint", "directory", "--for", "2h", "--reason", "a fire", "--json"],
      surroundings,
    );
    expect([made.code, made.stderr]).toEqual([0, ""]);
    const { id } = holdItem.parse(JSON.parse(made.stdout));
    const listed = await runCommand(["hold", "list", "--state", "standing"], surroundings);
    expect(listed.stdout).toMatch(
      new RegExp(`${id}  standing until .*  acme/cli:dev/x at directory  by admin: a fire`, "u"),
    );
    const ended = await runCommand(["hold", "end", id], surroundings);
    expect(ended.stdout).toContain(`${id}  ended by admin`);
    const usage = await runCommand(["hold", "acme/cli", "--for", "2h"], surroundings);
    expect([usage.code, usage.stderr]).toEqual([2, expect.stringContaining("--reason")]);
  });
});
