/** Characteristics of sub-attributes (RFC 7643 §2.2, §7), on a type that has all of them. */
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../json.ts";
import { patchSchema } from "../patch/operations.ts";
import { attribute } from "../schema/definitions.ts";
import { defineResourceType } from "../schema/resource-type.ts";
import { createMemoryStore } from "../testing.ts";
import { createScimProvider } from "./provider.ts";

const schema = "urn:example:scim:schemas:Device";
const extension = "urn:example:scim:schemas:Warranty";

const text = (name: string, more: Partial<Parameters<typeof attribute>[0]> = {}) =>
  attribute({ name, description: name, ...more });

const deviceType = defineResourceType({
  name: "Device",
  endpoint: "/Devices",
  description: "A device",
  schema: {
    id: schema,
    name: "Device",
    description: "A device",
    attributes: [
      text("serial", { required: true }),
      text("pin", { mutability: "writeOnly" }),
      text("lock", {
        type: "complex",
        subAttributes: [
          text("model", { returned: "always" }),
          text("code", { mutability: "writeOnly" }),
          text("hint", { returned: "request" }),
          text("place"),
        ],
      }),
      text("ports", {
        type: "complex",
        multiValued: true,
        subAttributes: [
          text("number", { required: true }),
          text("key", { returned: "never" }),
          text("primary", { type: "boolean" }),
        ],
      }),
    ],
  },
  extensions: [
    {
      required: false,
      schema: {
        id: extension,
        name: "Warranty",
        description: "A warranty",
        attributes: [text("until"), text("code", { returned: "never" }), text("note", { returned: "request" })],
      },
    },
  ],
});

const device = {
  schemas: [schema, extension],
  serial: "s1",
  pin: "1234",
  lock: { model: "m", code: "secret", hint: "h", place: "p" },
  ports: [
    { number: "1", key: "secret", primary: true },
    { number: "2", key: "secret" },
  ],
  [extension]: { until: "2030", code: "secret", note: "n" },
};

function createFixture() {
  const provider = createScimProvider({
    store: createMemoryStore(),
    types: [deviceType],
    baseUrl: () => "https://scim.example/scim/v2",
    maxResults: 5,
  });
  return async (line: string, body?: unknown) => {
    const [, method = "", path = "", query = ""] = /^(\S+) ([^?]*)\??(.*)$/su.exec(line) ?? [];
    const request = { method, path, query: new URLSearchParams(query), headers: {}, body, context: undefined };
    const { status, body: answer } = await provider.handle(request);
    return { status, json: parseAnswer(answer) };
  };
}

function parseAnswer(body: unknown): JsonObject & { readonly id: string } {
  return body as JsonObject & { readonly id: string };
}

describe("sub-attributes", () => {
  it("that are never returned, or only written, are shown to nobody, however they are asked for", async () => {
    const send = createFixture();
    const made = await send("POST /Devices", device);
    expect(made.status).toBe(201);
    const id = made.json.id;
    const queries = [
      "",
      "attributes=lock,ports,pin",
      `attributes=lock.code,ports.key,${extension}`,
      "excludedAttributes=serial",
    ];
    for (const query of queries) {
      expect(JSON.stringify((await send(`GET /Devices/${id}?${query}`)).json)).not.toMatch(/secret|1234/u);
    }
    expect(JSON.stringify(made.json)).not.toMatch(/secret|1234/u);
    expect(made.json).toMatchObject({ ports: [{ number: "1", primary: true }, { number: "2" }] });
  });

  it("are shown on request alone, or always, where they are defined so", async () => {
    const send = createFixture();
    const id = (await send("POST /Devices", device)).json.id;
    const read = async (query: string) => (await send(`GET /Devices/${id}?${query}`)).json;
    expect((await read(""))["lock"]).toEqual({ model: "m", place: "p" });
    expect((await read("attributes=lock.hint"))["lock"]).toEqual({ model: "m", hint: "h" });
    expect((await read("excludedAttributes=lock.place,lock.model"))["lock"]).toEqual({ model: "m" });
    expect((await read(""))[extension]).toEqual({ until: "2030" });
    expect((await read(`attributes=${extension}:note`))[extension]).toEqual({ note: "n" });
    expect((await read(`attributes=${extension}`))[extension]).toEqual({ until: "2030", note: "n" });
    expect((await read(`excludedAttributes=${extension}`))[extension]).toBeUndefined();
  });

  it("that are hidden are neither filtered nor sorted by, so that nobody finds them out", async () => {
    const send = createFixture();
    await send("POST /Devices", device);
    const filters = ['pin eq "1234"', 'lock.code sw "s"', 'ports[key eq "secret"]', `${extension}:code pr`];
    for (const filter of filters) {
      const refused = await send(`GET /Devices?filter=${encodeURIComponent(filter)}`);
      expect(refused.json).toMatchObject({ status: "400", scimType: "invalidFilter" });
    }
    for (const name of ["pin", "lock.code"]) {
      expect((await send(`GET /Devices?sortBy=${name}`)).json).toMatchObject({ scimType: "invalidValue" });
    }
  });

  it("that are required must be there in each value, also after a PATCH", async () => {
    const send = createFixture();
    const without = { ...device, ports: [{ number: "1" }, { key: "k" }] };
    expect(await send("POST /Devices", without)).toMatchObject({
      status: 400,
      json: { scimType: "invalidValue", detail: "ports.number is required" },
    });
    const id = (await send("POST /Devices", device)).json.id;
    const remove = { schemas: [patchSchema], Operations: [{ op: "remove", path: 'ports[number eq "2"].number' }] };
    expect((await send(`PATCH /Devices/${id}`, remove)).status).toBe(400);
    const { ports: _, ...none } = device;
    expect((await send(`PUT /Devices/${id}`, none)).status).toBe(200);
  });

  it("keep one primary value: a new one takes it from the old one, and two at once are refused", async () => {
    const send = createFixture();
    const id = (await send("POST /Devices", device)).json.id;
    const add = [{ op: "add", path: "ports", value: [{ number: "3", primary: true }] }];
    const patched = await send(`PATCH /Devices/${id}`, { schemas: [patchSchema], Operations: add });
    expect(patched.json["ports"]).toEqual([
      { number: "1", primary: false },
      { number: "2" },
      { number: "3", primary: true },
    ]);
    const two = {
      ...device,
      ports: [
        { number: "1", primary: true },
        { number: "2", primary: true },
      ],
    };
    expect((await send("POST /Devices", two)).json).toMatchObject({ status: "400", scimType: "invalidValue" });
  });
});
