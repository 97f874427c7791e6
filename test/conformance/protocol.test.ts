/** RFC 7644 and RFC 9865 beyond single resources, and what configuration adds. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGithubRepository, makeRevision } from "../support/deliveries.ts";
import { EXAMPLE_POLICY } from "../support/system.ts";
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
  userUrn,
} from "./scim-client.ts";

const device = "urn:acme:scim:Device";
const badge = "urn:acme:scim:Badge";
const configuration = `
scim:
  resourceTypes:
    - name: Device
      endpoint: /Devices
      schema:
        id: "${device}"
        attributes:
          - { name: serial, required: true, uniqueness: server }
          - { name: price, type: decimal }
          - { name: pin, mutability: writeOnly, returned: never }
          - { name: model, mutability: immutable }
          - name: parts
            type: complex
            multiValued: true
            subAttributes: [{ name: value }, { name: count, type: integer }]
    - name: User
      extensions:
        - { id: "${badge}", attributes: [{ name: number, type: integer }] }
${EXAMPLE_POLICY}`;

let conformance: Conformance;
let send: Send;
let admin: Send;

beforeAll(async () => {
  conformance = await startConformance({ policy: configuration });
  send = await conformance.connect("idp");
  admin = createSend(conformance.system.url, conformance.system.adminToken);
});
afterAll(() => conformance[Symbol.asyncDispose]());

const bulk = (Operations: readonly object[], more: object = {}): object => ({
  schemas: ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
  Operations,
  ...more,
});

describe("/Bulk", () => {
  it("creates users and a group that refers to them, in whatever order they stand", async () => {
    const members = [{ value: "bulkId:a" }, { value: "bulkId:b" }];
    const answer = await send(
      "POST /Bulk",
      bulk([
        { method: "POST", path: "/Groups", bulkId: "g", data: group("bulk group", { members }) },
        { method: "POST", path: "/Users", bulkId: "a", data: user("bulk-a") },
        { method: "post", path: "/Users", bulkId: "b", data: user("bulk-b") },
        { method: "PATCH", path: "/Users/bulkId:a", data: patch({ op: "add", path: "title", value: "Dr" }) },
      ]),
    );
    expect(answer.status).toBe(200);
    expect(answer.body.Operations?.map(({ status }) => status)).toEqual(["201", "201", "201", "200"]);
    const { body } = await send('GET /Users?filter=userName eq "bulk-a"');
    expect(body.Resources).toMatchObject([{ title: "Dr" }]);
    const groups = await send('GET /Groups?filter=displayName eq "bulk group"');
    expect(await listMembers(send, groups.body.Resources?.[0]?.id ?? "")).toHaveLength(2);
  });

  it("ends after as many errors as the client allows, and tells each", async () => {
    const broken = { method: "DELETE", path: "/Users/nobody" };
    const Operations = [broken, broken, { method: "POST", path: "/Users", bulkId: "z", data: user("bulk-z") }];
    const answer = await send("POST /Bulk", bulk(Operations, { failOnErrors: 2 }));
    expect(answer.body.Operations).toMatchObject([{ status: "404", response: { status: "404" } }, { status: "404" }]);
    expect(answer.body.Operations).toHaveLength(2);
  });

  it("answers 409 to references in a circle or to nothing, and goes on", async () => {
    const to = (id: string) => ({ members: [{ value: `bulkId:${id}` }] });
    const answer = await send(
      "POST /Bulk",
      bulk([
        { method: "POST", path: "/Groups", bulkId: "p", data: group("circle p", to("q")) },
        { method: "POST", path: "/Groups", bulkId: "q", data: group("circle q", to("p")) },
        { method: "POST", path: "/Users", bulkId: "r", data: user("bulk-r") },
      ]),
    );
    expect(answer.body.Operations?.map(({ status }) => status).toSorted()).toEqual(["201", "409", "409"]);
  });

  it.each([
    ["no operations", [], 400],
    ["more than a thousand", Array.from({ length: 1_001 }, () => ({ method: "DELETE", path: "/Users/x" })), 413],
    ["a POST without a bulkId", [{ method: "POST", path: "/Users", data: user("x") }], 400],
    ["a GET", [{ method: "GET", path: "/Users" }], 400],
  ])("refuses %s", async (_, operations, status) => {
    expect((await send("POST /Bulk", bulk(operations))).status).toBe(status);
  });

  it("is not performed within itself", async () => {
    const answer = await send("POST /Bulk", bulk([{ method: "POST", path: "/Bulk", bulkId: "b", data: bulk([]) }]));
    expect(answer.body.Operations).toMatchObject([{ status: "400" }]);
  });
});

describe("/Me", () => {
  it("stands for the user who bears the client's name, and is 404 where nobody does", async () => {
    const bot = await conformance.connect("deployer");
    expect((await bot("GET /Me")).status).toBe(404);
    const id = await create(bot, "/Users", user("deployer"));
    expect((await bot("GET /Me")).body).toMatchObject({ id, userName: "deployer" });
    expect((await bot("PATCH /Me", patch({ op: "add", path: "title", value: "Bot" }))).status).toBe(200);
    expect((await bot(`GET /Users/${id}`)).body["title"]).toBe("Bot");
  });
});

describe("cursors", () => {
  it.each(["", "&sortBy=userName&sortOrder=descending"])("lead through every resource once%s", async (order) => {
    const pager = await conformance.connect(order === "" ? "pager" : "sorter");
    const ids = await Promise.all(
      Array.from({ length: 25 }, (_, index) => create(pager, "/Users", user(`page${order.length}-${index}`))),
    );
    const seen: string[] = [];
    for (let cursor: string | undefined = ""; cursor !== undefined;) {
      const { body } = await pager(`GET /Users?cursor=${cursor}&count=10${order}`);
      seen.push(...(body.Resources ?? []).map(({ id = "" }) => id));
      expect(body).not.toHaveProperty("startIndex");
      cursor = body.nextCursor;
      expect(cursor ?? "").toMatch(/^[\w.~-]*$/u);
    }
    expect(seen).toHaveLength(25);
    expect(seen.toSorted()).toEqual(ids.toSorted());
  });

  it("are refused when forged, of another query, or with a count of nothing", async () => {
    await create(send, "/Users", user("cursor-1"));
    await create(send, "/Users", user("cursor-2"));
    const { nextCursor } = (await send("GET /Users?cursor=&count=1")).body;
    const forged = `${nextCursor?.slice(0, -2)}AA`;
    for (const [query, scimType] of [
      [`cursor=${forged}`, "invalidCursor"],
      ["cursor=nonsense", "invalidCursor"],
      [`cursor=${nextCursor}&filter=userName pr`, "invalidCursor"],
      ["cursor=&count=0", "invalidCount"],
    ]) {
      expect((await send(`GET /Users?${query}`)).body.scimType).toBe(scimType);
    }
  });

  it("work in /.search too", async () => {
    const schemas = ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"];
    const { body } = await send("POST /Users/.search", { schemas, cursor: "", count: 1 });
    expect(body.Resources).toHaveLength(1);
    expect(body.nextCursor).toBeDefined();
  });
});

describe("discovery", () => {
  it("tells every limit in ServiceProviderConfig", async () => {
    const { body } = await send("GET /ServiceProviderConfig");
    expect(body).toMatchObject({
      bulk: { supported: true, maxOperations: 1000, maxPayloadSize: 8 << 20 },
      filter: { supported: true, maxResults: 200 },
      pagination: {
        cursor: true,
        index: true,
        defaultPaginationMethod: "index",
        maxPageSize: 200,
        cursorTimeout: 3600,
      },
      limits: { maxFilterLength: 2048, maxFilterDepth: 16, maxFilterTerms: 64 },
    });
  });

  it("lists the resource types and schemas that configuration adds", async () => {
    const types = await send("GET /ResourceTypes");
    expect(types.body.Resources?.map(({ id }) => id)).toEqual(["User", "Group", "Device", "Role", "Entitlement"]);
    expect((await send(`GET /Schemas/${device}`)).body).toMatchObject({ id: device, name: "Device" });
    expect((await send(`GET /Schemas/${badge}`)).body).toMatchObject({ id: badge });
  });
});

describe("a resource type of configuration", () => {
  const toDevice = (serial: string, more: object = {}): object => ({ schemas: [device], serial, ...more });

  it("is stored, filtered, sorted, patched and deleted like a core one", async () => {
    const id = await create(
      send,
      "/Devices",
      toDevice("S1", { price: 9.5, parts: [{ value: "fan", count: 2 }], pin: "1" }),
    );
    await create(send, "/Devices", toDevice("S2", { price: 3 }));
    const find = async (filter: string) => (await send(`GET /Devices?filter=${filter}`)).body.Resources?.length;
    expect(await find('serial eq "s1"')).toBe(1);
    expect(await find("price gt 3")).toBe(1);
    expect(await find('parts[value eq "fan" and count ge 2]')).toBe(1);
    const sorted = await send("GET /Devices?sortBy=price");
    expect(sorted.body.Resources).toMatchObject([{ serial: "S2" }, { serial: "S1" }]);
    const operations = [
      { op: "replace", path: "price", value: 12 },
      { op: "add", path: "parts", value: [{ value: "disk" }] },
    ];
    const patched = await send(`PATCH /Devices/${id}`, patch(...operations));
    expect(patched.body).toMatchObject({ price: 12, parts: [{ value: "fan" }, { value: "disk" }] });
    expect(patched.body).not.toHaveProperty("pin");
    expect((await send(`DELETE /Devices/${id}`)).status).toBe(204);
    expect((await send(`GET /Devices/${id}`)).status).toBe(404);
  });

  it("has its required, unique and immutable attributes honoured", async () => {
    expect((await send("POST /Devices", { schemas: [device] })).body.scimType).toBe("invalidValue");
    const id = await create(send, "/Devices", toDevice("Unique", { model: "A" }));
    expect((await send("POST /Devices", toDevice("UNIQUE"))).body).toMatchObject({ scimType: "uniqueness" });
    const changed = await send(`PATCH /Devices/${id}`, patch({ op: "replace", path: "model", value: "B" }));
    expect(changed.body.scimType).toBe("mutability");
    const unchanged = await send(`PATCH /Devices/${id}`, patch({ op: "replace", path: "serial", value: "Unique" }));
    expect(unchanged.body.meta?.version).toBe('W/"1"');
  });

  it("belongs to the client that made it", async () => {
    const id = await create(send, "/Devices", toDevice("Mine"));
    const other = await conformance.connect("other");
    expect((await other(`GET /Devices/${id}`)).status).toBe(404);
    expect((await admin(`GET /Devices/${id}`)).status).toBe(200);
  });

  it("may be an extension of a core type", async () => {
    const id = await create(send, "/Users", user("badged", { schemas: [userUrn, badge], [badge]: { number: 7 } }));
    const { body } = await send(`GET /Users?filter=${badge}:number eq 7`);
    expect(body.Resources).toMatchObject([{ id, [badge]: { number: 7 } }]);
  });
});

describe("what a user holds", () => {
  it("is shown as groups, direct and through nesting, and as entitlements that the catalogue lists", async () => {
    const { people, post } = conformance.system;
    await people.addUsers("alice");
    await people.addGroup("engineering", ["alice"]);
    await people.addGroup("everybody", ["group:engineering"]);
    const github = createGithubRepository(post, "acme/views");
    await github.push({ branch: "dev/views", after: makeRevision() });
    const id = await people.getUserId("alice");
    const holds = async () => (await admin(`GET /Users/${id}`)).body["entitlements"];
    await expect.poll(holds, { timeout: 20_000 }).toMatchObject([{ display: "acme/views:dev/views:push" }]);
    const { body } = await admin(`GET /Users/${id}`);
    expect(body["groups"]).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ display: "engineering", type: "direct" }),
        expect.objectContaining({ display: "everybody", type: "indirect" }),
      ]),
    );
    const [entitlement] = (body["entitlements"] ?? []) as readonly { value: string }[];
    const listed = await send(`GET /Entitlements?filter=value eq "${entitlement?.value}"`);
    expect(listed.body.Resources).toMatchObject([{ value: entitlement?.value, type: "branch", supported: true }]);
    const roles = await send("GET /Roles?sortBy=value");
    expect(roles.body.Resources).toMatchObject([{ value: "push" }, { value: "read" }]);
    const found = await admin(`GET /Users?filter=groups.display eq "engineering"`);
    expect(found.body.Resources).toMatchObject([{ id }]);
  });

  it("cannot be written", async () => {
    const id = await create(send, "/Users", user("holder"));
    const answer = await send(
      `PATCH /Users/${id}`,
      patch({ op: "add", path: "entitlements", value: [{ value: "x" }] }),
    );
    expect(answer.body.scimType).toBe("mutability");
    expect((await send("POST /Entitlements", {})).status).toBe(405);
  });
});

describe("hostile input", () => {
  it.each([
    ["GET", `/Users?filter=${"(".repeat(2_000)}`, "invalidFilter"],
    ["GET", `/Users?filter=title eq "${"\\a".repeat(900)}"`, "invalidFilter"],
    ["GET", `/Users?filter=${Array.from({ length: 100 }, () => "title pr").join(" or ")}`, "invalidFilter"],
    ["GET", '/Users?filter=__proto__ eq "x"', "invalidFilter"],
    ["GET", '/Users?filter=constructor.prototype eq "x"', "invalidFilter"],
  ])("%s %s is refused", async (method, path, scimType) => {
    const answer = await send(`${method} ${path}`);
    expect(answer).toMatchObject({ status: 400, body: { scimType } });
  });

  it.each(["__proto__.polluted", "constructor.prototype.polluted", "toString"])(
    "a PATCH of %s pollutes nothing",
    async (path) => {
      const id = await create(send, "/Users", user(`hostile-${path}`));
      const answer = await send(`PATCH /Users/${id}`, patch({ op: "add", path, value: "x" }));
      expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidPath" } });
      expect({}).not.toHaveProperty("polluted");
    },
  );
});
