import { type GrantItem, grantItem, page } from "@branchward/core/api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommand } from "../support/command-line.ts";
import { makeRevision, signAgent, toDeliveryId, toReceiveBody } from "../support/deliveries.ts";
import { addExamplePeople, EXAMPLE_POLICY, startTestSystem, type TestSystem } from "../support/system.ts";

describe("an emergency grant (rule B9)", () => {
  let system: TestSystem;
  let second: string;
  let reader: string;

  beforeAll(async () => {
    system = await startTestSystem({ policy: `${EXAMPLE_POLICY}\ngrants: { max: 4h }` });
    await addExamplePeople(system.people);
    [second, reader] = [await makeToken("olga", "admin"), await makeToken("ivan", "read")];
  });
  afterAll(() => system[Symbol.asyncDispose]());

  async function makeToken(client: string, scope: string): Promise<string> {
    const made = await system.api.request("/v1/tokens", { method: "POST", body: { client, scope } });
    return made.body !== null && typeof made.body === "object" && "secret" in made.body ? String(made.body.secret) : "";
  }

  async function tellRefs(
    repository: string,
    change: { kind: "create" | "delete"; before: string | null; after: string | null },
  ) {
    const body = toReceiveBody({ repository, changes: [{ ...change, name: "release/1" }] });
    toDeliveryId(await system.post("agents", signAgent({ body }), body));
  }
  async function pushRelease(repository: string): Promise<string> {
    await tellRefs(repository, { kind: "create", before: null, after: makeRevision() });
    const { id } = await system.branches.find({ repository, branch: "release/1" });
    await system.branches.expectHolders(id, { push: ["alice"] });
    await system.branches.settle(id);
    return id;
  }

  const post = (path: string, body: unknown, token?: string) =>
    system.api.request(path, { method: "POST", body, ...(token === undefined ? {} : { token }) });
  const ask = (repository: string, over: Readonly<Record<string, unknown>> = {}, token?: string) =>
    post(
      "/v1/grants",
      { user: "bob", entitlement: "push", repository, branch: "release/1", for: "2h", reason: "fire", ...over },
      token,
    );
  async function askAndApprove(repository: string): Promise<GrantItem> {
    const { id } = grantItem.parse((await ask(repository)).body);
    return grantItem.parse((await post(`/v1/grants/${id}/approve`, {}, second)).body);
  }
  async function isAllowed(repository: string): Promise<boolean> {
    const query = new URLSearchParams({ user: "bob", entitlement: "push", repository, branch: "release/1" });
    const { body } = await system.api.request(`/v1/access?${query.toString()}`);
    return typeof body === "object" && body !== null && "allowed" in body && body.allowed === true;
  }

  it("gives nothing until another approves it, then at once, and says so in explain and in the run", async () => {
    const id = await pushRelease("acme/approved");
    const asked = grantItem.parse((await ask("acme/approved", {}, reader)).body);
    expect(asked).toMatchObject({ state: "requested", requestedBy: "ivan", user: "bob", expiresAt: null });
    expect(await isAllowed("acme/approved")).toBe(false);
    const approved = await post(`/v1/grants/${asked.id}/approve`, {}, second);
    expect(approved).toMatchObject({ status: 200, body: { state: "approved", decidedBy: "olga" } });
    expect(await isAllowed("acme/approved")).toBe(true);
    await system.branches.expectHolders(id, { push: ["alice", "bob"] });
    await system.branches.settle(id);
    const shown = await system.api.request(`/v1/branches/${id}`);
    expect(shown.body).toMatchObject({ grants: [{ id: asked.id, state: "approved" }], holds: [] });
    expect(JSON.stringify(shown.body)).toContain('"approvedBy":"olga"');
    const [sync] = await system.api.listSyncs(id);
    expect(sync).toMatchObject({ reason: "grant", added: 1 });
    const details = await system.api.request(`/v1/syncs/${sync?.id ?? ""}`);
    expect(JSON.stringify(details.body)).toContain("an emergency grant approved by olga until ");
  });

  it("is not approved by who asks, nor by who gets it", async () => {
    await pushRelease("acme/own");
    const { id } = grantItem.parse((await ask("acme/own")).body);
    expect(await post(`/v1/grants/${id}/approve`, {})).toMatchObject({ status: 403, body: { code: "own_request" } });
    const bob = await makeToken("bob", "admin");
    expect(await post(`/v1/grants/${id}/approve`, {}, bob)).toMatchObject({
      status: 403,
      body: { code: "own_request" },
    });
    expect((await post(`/v1/grants/${id}/approve`, {}, reader)).status).toBe(403);
    expect(await isAllowed("acme/own")).toBe(false);
  });

  it("ends with its time at read time, and its member is removed then", async () => {
    const id = await pushRelease("acme/expires");
    const grant = await askAndApprove("acme/expires");
    await system.branches.expectHolders(id, { push: ["alice", "bob"] });
    await system.database.db
      .updateTable("emergency_grants")
      .set({ expires_at: new Date(Date.now() + 2_000) })
      .where("id", "=", grant.id)
      .execute();
    await post("/v1/syncs", { repository: "acme/expires", branch: "release/1" });
    await system.branches.expectHolders(id, { push: ["alice"] });
    expect(await isAllowed("acme/expires")).toBe(false);
    const listed = await system.api.request("/v1/grants?state=expired");
    expect(
      page(grantItem)
        .parse(listed.body)
        .items.map((item) => item.id),
    ).toContain(grant.id);
  });

  it("is revoked before its time, which is another end than expiry", async () => {
    const id = await pushRelease("acme/revoked");
    const grant = await askAndApprove("acme/revoked");
    await system.branches.expectHolders(id, { push: ["alice", "bob"] });
    const revoked = await post(`/v1/grants/${grant.id}/revoke`, {});
    expect(revoked.body).toMatchObject({ state: "revoked", endedBy: "admin" });
    expect(await isAllowed("acme/revoked")).toBe(false);
    await system.branches.expectHolders(id, { push: ["alice"] });
    expect(await post(`/v1/grants/${grant.id}/approve`, {}, second)).toMatchObject({ status: 409 });
  });

  it("does not survive its branch: made again under its name it has another life", async () => {
    const id = await pushRelease("acme/reborn");
    const grant = await askAndApprove("acme/reborn");
    await system.branches.expectHolders(id, { push: ["alice", "bob"] });
    const { head } = await system.api.getBranch(id);
    await tellRefs("acme/reborn", { kind: "delete", before: head, after: null });
    await system.branches.find({ repository: "acme/reborn", branch: "release/1" }, "deleted");
    await tellRefs("acme/reborn", { kind: "create", before: null, after: makeRevision() });
    const reborn = await system.branches.find({ repository: "acme/reborn", branch: "release/1" });
    await system.branches.expectHolders(reborn.id, { push: ["alice"] });
    const listed = page(grantItem).parse((await system.api.request(`/v1/grants?incarnation=${id}`)).body);
    expect(listed.items).toMatchObject([{ id: grant.id, state: "expired" }]);
  });

  it("looks again at exactly the scopes of its branch", async () => {
    const [one, other] = [await pushRelease("acme/exact"), await pushRelease("acme/untouched")];
    const before = (await system.api.listSyncs(other)).length;
    await askAndApprove("acme/exact");
    await system.branches.expectHolders(one, { push: ["alice", "bob"] });
    expect((await system.api.listSyncs(other)).length).toBe(before);
  });

  it.each([
    ["above a deny", { user: "carol" }, 409, "grant_withheld"],
    ["of what no grant of the policy carries here", { entitlement: "deploy" }, 409, "not_grantable"],
    ["of a verb that follows another", { entitlement: "force" }, 409, "not_grantable"],
    ["for longer than the configuration allows", { for: "5h" }, 400, "invalid_input"],
    ["for a time that is none", { for: "soon" }, 400, "invalid_input"],
    ["without a reason", { reason: "  " }, 400, "invalid_input"],
    ["for nobody the directory knows", { user: "mallory" }, 404, "unknown_user"],
    ["on a branch that is not there", { branch: "release/2" }, 404, "unknown_branch"],
  ])("%s is refused, and says why", async (_, over, status, code) => {
    const repository = "acme/refused";
    if ((await system.api.listBranches(repository)).length === 0) await pushRelease(repository);
    expect(await ask(repository, over)).toMatchObject({ status, body: { code } });
  });

  it("is asked for, approved, listed and revoked from the command line", async () => {
    await pushRelease("acme/cli");
    const surroundings = (token: string) => ({
      cwd: system.directory,
      env: { BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: token },
    });
    const request = ["grant", "bob", "push", "acme/cli", "release/1", "--for", "90m", "--reason", "the site is down"];
    const asked = await runCommand([...request, "--json"], surroundings(system.adminToken));
    expect(asked.code).toBe(0);
    const { id } = grantItem.parse(JSON.parse(asked.stdout));
    const own = await runCommand(["grant", "approve", id], surroundings(system.adminToken));
    expect([own.code, own.stderr]).toEqual([
      3,
      expect.stringMatching(
        /^branchward: an emergency grant is approved by another than who asks.*\nAnother client's token may/u,
      ),
    ]);
    const narrow = await runCommand(["grant", "approve", id], surroundings(reader));
    expect([narrow.code, narrow.stderr]).toEqual([3, expect.stringContaining("refused the token: this needs")]);
    const approved = await runCommand(["grant", "approve", id], surroundings(second));
    expect(approved.stdout).toContain("approved by olga until ");
    const revoked = await runCommand(["grant", "revoke", id], surroundings(second));
    expect(revoked.stdout).toContain("revoked by olga");
    const listed = await runCommand(["grant", "list", "--state", "revoked"], surroundings(reader));
    expect(listed.stdout).toContain(`${id}  revoked by olga  bob push acme/cli:release/1 for 90m  asked by admin`);
    const spoofed = { for: "10m", reason: "x\r\u001b[2K\nit was approved by olga" };
    await ask("acme/cli", spoofed, reader);
    const shown = await runCommand(["grant", "list", "--limit", "1"], surroundings(reader));
    expect(shown.stdout).toMatch(/^\S+  requested .*: x\ufffd\ufffd\[2K\ufffdit was approved by olga\n$/u);
    const again = await runCommand(["grant", "revoke", id], surroundings(second));
    expect(again.code).toBe(1);
  });
});

describe("an emergency grant where no approval is required (rule B9)", () => {
  it("is given by asking, which then needs a token that administers", async () => {
    await using system = await startTestSystem({ policy: `${EXAMPLE_POLICY}\ngrants: { approval: none }` });
    await addExamplePeople(system.people);
    const changes = [{ kind: "create" as const, name: "release/1", before: null, after: makeRevision() }];
    const pushed = toReceiveBody({ repository: "acme/web", changes });
    toDeliveryId(await system.post("agents", signAgent({ body: pushed }), pushed));
    const branch = await system.branches.find({ repository: "acme/web", branch: "release/1" });
    const made = await system.api.request("/v1/tokens", { method: "POST", body: { client: "ivan", scope: "read" } });
    const reader =
      made.body !== null && typeof made.body === "object" && "secret" in made.body ? String(made.body.secret) : "";
    const body = {
      user: "bob",
      entitlement: "push",
      repository: "acme/web",
      branch: "release/1",
      for: "1h",
      reason: "fire",
    };
    const refused = await system.api.request("/v1/grants", { method: "POST", body, token: reader });
    expect(refused).toMatchObject({ status: 403, body: { code: "missing_scope" } });
    const given = await system.api.request("/v1/grants", { method: "POST", body });
    expect(given).toMatchObject({ status: 201, body: { state: "approved", decidedBy: "admin" } });
    await system.branches.expectHolders(branch.id, { push: ["alice", "bob"] });
  });
});
