/** Clients of the directory: tokens, ownership, adoption, warnings (rules C5–C7). */
import { tokenMade } from "@branchward/core/api";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type Conformance,
  create,
  createSend,
  group,
  listMembers,
  patch,
  type Send,
  startConformance,
  user,
} from "./scim-client.ts";

let conformance: Conformance;
let one: Send;
let two: Send;

beforeAll(async () => {
  conformance = await startConformance();
  one = await conformance.connect("one");
  two = await conformance.connect("two");
});
afterAll(() => conformance[Symbol.asyncDispose]());

const request = (path: string, method: string, body?: unknown) =>
  conformance.system.api.request(path, { method, ...(body === undefined ? {} : { body }) });

describe("a client of the directory", () => {
  it("neither sees nor touches what another provisioned, and cannot take its names", async () => {
    const id = await create(one, "/Users", user("owned", { externalId: "x-1" }));
    const team = await create(one, "/Groups", group("team", { members: [{ value: id }] }));
    expect((await two('GET /Users?filter=userName eq "owned"')).body.totalResults).toBe(0);
    for (const line of [`GET /Users/${id}`, `DELETE /Users/${id}`, `GET /Groups/${team}`, `DELETE /Groups/${team}`]) {
      expect((await two(line)).status).toBe(404);
    }
    expect((await two(`PUT /Users/${id}`, user("stolen"))).status).toBe(404);
    expect((await two(`PATCH /Groups/${team}`, patch({ op: "remove", path: "members" }))).status).toBe(404);
    const bulk = { method: "DELETE", path: `/Users/${id}` };
    const schemas = ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"];
    const answer = await two("POST /Bulk", { schemas, Operations: [bulk] });
    expect(answer.body.Operations).toMatchObject([{ status: "404" }]);
    expect((await two("POST /Users", user("owned"))).body.scimType).toBe("uniqueness");
    const other = await create(two, "/Users", user("mine", { externalId: "x-1" }));
    const foreign = patch({ op: "add", path: "members", value: [{ value: other }] });
    expect((await one(`PATCH /Groups/${team}`, foreign)).status).toBe(400);
    expect(await listMembers(one, team)).toEqual([id]);
  });

  it("takes over what an administrator lets it adopt, and the other lets go", async () => {
    const id = await create(one, "/Users", user("moving"));
    const adopted = await request("/v1/clients/two/adopt", "POST", { resources: [id] });
    expect(adopted).toMatchObject({ status: 200, body: { adopted: 1 } });
    expect((await one(`GET /Users/${id}`)).status).toBe(404);
    expect((await two(`GET /Users/${id}`)).body.userName).toBe("moving");
    expect((await two("GET /Users?count=0")).body.totalResults).toBe((await two("GET /Users")).body.Resources?.length);
  });

  it("adopts nothing where its externalId is taken", async () => {
    const id = await create(one, "/Users", user("clash-1", { externalId: "clash" }));
    await create(two, "/Users", user("clash-2", { externalId: "clash" }));
    const refused = await request("/v1/clients/two/adopt", "POST", { resources: [id] });
    expect(refused).toMatchObject({ status: 400, body: { code: "adoption_conflict" } });
    expect((await one(`GET /Users/${id}`)).status).toBe(200);
  });

  it("has two tokens that live at once, and a rotated one that overlaps", async () => {
    const { system } = conformance;
    const make = async (path: string, body: object) => tokenMade.parse((await request(path, "POST", body)).body);
    const first = await make("/v1/tokens", { client: "rotating", scope: "scim" });
    const second = await make(`/v1/tokens/${first.token.id}/rotate`, { overlapHours: 1 });
    const [old, successor] = [createSend(system.url, first.secret), createSend(system.url, second.secret)];
    const id = await create(old, "/Users", user("rotated"));
    expect((await successor(`GET /Users/${id}`)).status).toBe(200);
    const { body } = await request("/v1/clients", "GET");
    expect(body).toMatchObject({
      items: expect.arrayContaining([expect.objectContaining({ client: "rotating", liveTokens: 2 })]),
    });
  });
});

describe("a client whose last token ends soon", () => {
  it("stands as a finding until it has a successor", async () => {
    await using other = await startConformance();
    const { api } = other.system;
    const made = await api.request("/v1/tokens", {
      method: "POST",
      body: { client: "ending", scope: "scim", expiresInDays: 1 },
    });
    const { secret, token } = tokenMade.parse(made.body);
    await createSend(other.system.url, secret)("GET /Users?count=0");
    await api.request("/v1/clients");
    const findEnding = async () => (await api.listFindings()).filter(({ kind }) => kind === "token-ends");
    expect(await findEnding()).toMatchObject([{ subject: "ending/scim", severity: "critical" }]);
    await api.request(`/v1/tokens/${token.id}/rotate`, { method: "POST", body: { overlapHours: 1 } });
    await api.request("/v1/clients");
    expect(await findEnding()).toEqual([]);
  });

  it("is noticed without a word of its own: the sweeper looks", async () => {
    await using other = await startConformance();
    const { api } = other.system;
    await api.request("/v1/tokens", { method: "POST", body: { client: "ci", scope: "status", expiresInDays: 10 } });
    await other.system.stop();
    await other.system.start();
    await vi.waitFor(async () => {
      const findings = await api.listFindings();
      expect(findings).toContainEqual(
        expect.objectContaining({ kind: "token-ends", subject: "ci/status", severity: "warning" }),
      );
    }, 20_000);
  });
});
