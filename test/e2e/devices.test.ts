import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deviceEnrolled } from "@branchward/core/api";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { runCommand } from "../support/command-line.ts";
import { makeRevision, signAgent, toCheckoutBody, toDeliveryId, toReceiveBody } from "../support/deliveries.ts";
import { openGitRepository, openHgRepository, openWorkshop, type Workshop } from "../support/repositories.ts";
import { addExamplePeople, startTestSystem, type TestSystem } from "../support/system.ts";

const POLICY = `
policy:
  - repositories: ["**"]
    branches: ["**"]
    grants:
      - { entitlement: push, to: ["group:engineering"] }
      - { entitlement: read, to: ["group:engineering"], when: checkout, for: 8h, requireTrust: token }
      - { entitlement: merge, to: ["group:engineering"], when: checkout, for: 8h }
`;
const SOURCES = `
sources:
  - { name: agents, type: agent, secret: { env: AGENT_SECRET } }
  - { name: strict, type: agent, secret: { env: AGENT_SECRET }, may: [checkout], requireTrust: token }
  - { name: github, type: github, secret: { env: GITHUB_SECRET } }
repositories:
  - { name: acme/joined, authority: agents, sources: [agents, strict] }
`;

const codeMade = z.object({ code: z.string() });

describe("an enrolled device (rule B6)", () => {
  let system: TestSystem;
  let workshop: Workshop;
  let home: string;

  beforeAll(async () => {
    system = await startTestSystem({ policy: POLICY, sources: SOURCES });
    workshop = await openWorkshop(system);
    home = join(workshop.directory, "home");
    await addExamplePeople(system.people);
  });
  afterAll(async () => {
    await workshop[Symbol.asyncDispose]();
    await system[Symbol.asyncDispose]();
  });

  const asAdmin = () => ({ BRANCHWARD_URL: system.url, BRANCHWARD_TOKEN: system.adminToken });
  const branchward = (args: readonly string[], env: Readonly<Record<string, string>>) =>
    runCommand(args, { cwd: workshop.directory, env: { HOME: home, ...env } });

  async function makeCode(user: string): Promise<string> {
    const made = await branchward(["token", "create", "--scope", "agent", "--user", user, "--json"], asAdmin());
    expect([made.code, made.stderr]).toEqual([0, expect.any(String)]);
    return codeMade.parse(JSON.parse(made.stdout)).code;
  }

  /** A token of the user's device, without a device. */
  async function enrol(user: string) {
    const code = await makeCode(user);
    const body = { code, device: "laptop" };
    const answer = await system.api.request("/v1/enrolments/redeem", { method: "POST", token: null, body });
    expect(answer.status).toBe(201);
    const { secret, token } = deviceEnrolled.parse(answer.body);
    return { secret, id: token.id };
  }

  async function pushBranch(repository: string, name = "dev/x"): Promise<string> {
    const body = toReceiveBody({
      repository,
      changes: [{ kind: "create", name, before: null, after: makeRevision() }],
    });
    toDeliveryId(await system.post("agents", signAgent({ body }), body));
    return (await system.branches.find({ repository, branch: name })).id;
  }

  const showing = (secret: string) => ({
    "content-type": "application/json",
    "webhook-id": `msg_${crypto.randomUUID()}`,
    authorization: `Bearer ${secret}`,
  });
  const readers = async (id: string) => (await system.branches.holders(id))["read"];

  it("proves in git and hg hooks who checks out, whatever the working copy claims, and its file is for its user alone", async () => {
    const env = { BRANCHWARD_URL: system.url, BRANCHWARD_ENROLMENT_CODE: await makeCode("bob") };
    const enrolled = await branchward(["hooks", "enroll", "--name", "laptop"], env);
    expect([enrolled.code, enrolled.stderr]).toEqual([0, expect.stringContaining("readable for you alone")]);
    expect(enrolled.stdout).toContain("laptop is enrolled as bob");
    const file = join(home, ".config/branchward/devices.json");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const git = await openGitRepository(workshop, "proved");
    const main = await system.branches.find({ repository: git.name, branch: "main" });
    await git.git("checkout", "--quiet", "-b", "dev/y");
    await git.git("checkout", "--quiet", "main");
    await system.branches.expectHolders(main.id, { read: ["bob"], merge: ["bob"] });
    const hg = await openHgRepository(workshop, "proved-hg");
    const branch = await system.branches.find({ repository: hg.name, branch: "default" });
    await hg.hg("update", "--quiet", "null");
    await hg.hg("update", "--quiet", "default");
    await system.branches.expectHolders(branch.id, { read: ["bob"] });
    const again = await branchward(["hooks", "enroll"], env);
    expect([again.code, again.stderr]).toEqual([3, expect.stringContaining("the code is unknown, used, over")]);
    const status = await branchward(["hooks", "status", git.clone], {});
    expect(status.stdout).toContain("checkouts are told as bob, by the token of laptop");
  });

  it("needs no secret of the source, and the secret without the token proves nothing of the user", async () => {
    const id = await pushBranch("acme/claims");
    const body = toCheckoutBody({ repository: "acme/claims", branch: "dev/x" });
    toDeliveryId(await system.post("agents", signAgent({ body }), body));
    expect(await system.branches.holders(id)).toMatchObject({ read: [], merge: ["alice"] });
    const { secret } = await enrol("alice");
    const repeated = toCheckoutBody({ repository: "acme/claims", branch: "dev/x", occurredAt: new Date() });
    toDeliveryId(await system.post("agents", showing(secret), repeated));
    expect(await readers(id)).toEqual(["alice"]);
  });

  it("is its user's, whoever the body names", async () => {
    const id = await pushBranch("acme/named");
    const { secret } = await enrol("bob");
    const body = toCheckoutBody({ repository: "acme/named", branch: "dev/x", actor: "alice" });
    const delivery = toDeliveryId(await system.post("agents", showing(secret), body));
    expect(await readers(id)).toEqual(["bob"]);
    const items = await system.api.listDeliveries();
    expect(items.find((item) => item.id === delivery)).toMatchObject({ actor: "bob", user: "bob" });
    const replayed = await system.api.request(`/v1/deliveries/${delivery}/replay`, { method: "POST", body: {} });
    expect(replayed.status).toBe(200);
    expect(await readers(id)).toEqual(["bob"]);
  });

  it("is no server: what it tells of refs changes nothing", async () => {
    const id = await pushBranch("acme/refs");
    const { secret } = await enrol("alice");
    const { head } = await system.api.getBranch(id);
    const changes = [{ kind: "delete" as const, name: "dev/x", before: head, after: null }];
    const body = toReceiveBody({ repository: "acme/refs", changes });
    const delivery = toDeliveryId(await system.post("agents", showing(secret), body));
    expect((await system.api.getDelivery(delivery)).events).toMatchObject([{ kind: "delete", note: "client-claim" }]);
    expect((await system.api.getBranch(id)).state).toBe("active");
  });

  it("starts what a source that wants tokens takes, where a claim does not", async () => {
    const id = await pushBranch("acme/joined");
    const body = toCheckoutBody({ repository: "acme/joined", branch: "dev/x" });
    toDeliveryId(await system.post("strict", signAgent({ body }), body));
    expect(await system.branches.holders(id)).toMatchObject({ merge: [] });
    const { secret } = await enrol("alice");
    const proved = toCheckoutBody({ repository: "acme/joined", branch: "dev/x", occurredAt: new Date() });
    toDeliveryId(await system.post("strict", showing(secret), proved));
    expect(await system.branches.holders(id)).toMatchObject({ read: ["alice"], merge: ["alice"] });
  });

  it("ends with its token: what it told of at once, and nothing of what it tells after is stored", async () => {
    const id = await pushBranch("acme/revoked");
    const device = await enrol("alice");
    const body = toCheckoutBody({ repository: "acme/revoked", branch: "dev/x" });
    toDeliveryId(await system.post("agents", showing(device.secret), body));
    expect(await readers(id)).toEqual(["alice"]);
    await system.api.request(`/v1/tokens/${device.id}`, { method: "DELETE" });
    await system.branches.expectHolders(id, { read: [] });
    const count = (await system.api.listDeliveries()).length;
    const late = toCheckoutBody({ repository: "acme/revoked", branch: "dev/x", occurredAt: new Date() });
    const answer = await system.post("agents", showing(device.secret), late);
    expect(answer).toMatchObject({ status: 401, body: { code: "token_invalid" } });
    expect((await system.api.listDeliveries()).length).toBe(count);
  });

  it("of a user who was deactivated starts nothing, and is told so", async () => {
    await system.people.addUsers("erin");
    await system.people.join("engineering", "erin");
    const id = await pushBranch("acme/left");
    const { secret } = await enrol("erin");
    await system.people.setActive("erin", false);
    const body = toCheckoutBody({ repository: "acme/left", branch: "dev/x" });
    const delivery = toDeliveryId(await system.post("agents", showing(secret), body));
    expect((await system.api.getDelivery(delivery)).events).toMatchObject([{ note: "inactive-actor" }]);
    expect(await readers(id)).toEqual([]);
    const made = await system.api.request("/v1/enrolments", { method: "POST", body: { user: "erin", device: "d" } });
    expect(made).toMatchObject({ status: 409, body: { code: "user_inactive" } });
  });

  it.each([
    ["no token at all", async () => ({ "content-type": "application/json" })],
    ["an admin's token", async () => showing(system.adminToken)],
    ["a token that nobody has", async () => showing("bw_agent_nobody")],
  ])("is refused with %s, and nothing is stored", async (_, headers) => {
    const count = (await system.api.listDeliveries()).length;
    const body = toCheckoutBody({ repository: "acme/refused", branch: "dev/x" });
    expect((await system.post("agents", await headers(), body)).status).toBe(401);
    expect((await system.api.listDeliveries()).length).toBe(count);
  });

  it("is refused by sources that are no agents, whose signature alone counts", async () => {
    const { secret } = await enrol("alice");
    expect((await system.post("github", showing(secret), "{}")).status).toBe(401);
  });

  it("is a user's own by a code alone: without a user, an admin's token or a code there is none", async () => {
    const bare = await branchward(["token", "create", "--scope", "agent"], asAdmin());
    expect([bare.code, bare.stderr]).toEqual([2, expect.stringContaining("--user")]);
    const codeless = await branchward(["hooks", "enroll"], { BRANCHWARD_URL: system.url, XDG_CONFIG_HOME: home });
    expect([codeless.code, codeless.stderr]).toEqual([2, expect.stringContaining("ask an admin for one")]);
    const unknown = await branchward(["token", "create", "--scope", "agent", "--user", "nobody"], asAdmin());
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining("no user nobody")]);
  });

  it("of somebody whose file is no JSON is not overwritten", async () => {
    const elsewhere = join(workshop.directory, "elsewhere");
    const file = join(elsewhere, "branchward/devices.json");
    const env = { ...asAdmin(), XDG_CONFIG_HOME: elsewhere };
    expect((await branchward(["hooks", "enroll", "--user", "alice"], env)).code).toBe(0);
    await writeFile(file, "not JSON");
    const refused = await branchward(["hooks", "enroll", "--user", "alice"], env);
    expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining("is not JSON")]);
    expect(await readFile(file, "utf8")).toBe("not JSON");
  });

  it("expires by the database's clock", async () => {
    const { secret, id } = await enrol("alice");
    await system.database.db
      .updateTable("tokens")
      .set({ expires_at: new Date(Date.now() - 1_000) })
      .where("id", "=", id)
      .execute();
    const body = toCheckoutBody({ repository: "acme/expired", branch: "dev/x" });
    await vi.waitFor(async () => expect((await system.post("agents", showing(secret), body)).status).toBe(401));
  });
});
