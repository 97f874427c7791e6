import { describe, expect, it } from "vitest";
import { parseConfiguration } from "./parse-configuration.ts";

function read(text: string): ReturnType<typeof parseConfiguration> {
  return parseConfiguration(text, "branchward.yaml");
}

function complaints(scim: string): readonly string[] {
  const parsed = read(`scim:\n${scim}`);
  return "problems" in parsed ? parsed.problems.map(({ path, message }) => `${path}: ${message}`) : [];
}

const device = (attributes: string, more = ""): string =>
  `  resourceTypes: [{ name: Device, endpoint: /Devices, schema: { id: "urn:acme:Device", attributes: [${attributes}] }${more} }]`;

describe("the scim section", () => {
  it("may be left out", () => {
    const parsed = read("sources: []\n");
    expect(parsed).toMatchObject({ configuration: { scim: { catalogues: "auto", resourceTypes: [] } } });
  });

  it("gives attributes the defaults of RFC 7643", () => {
    expect(read(`scim:\n${device("{ name: serial, uniqueness: server }")}`)).toMatchObject({
      configuration: {
        scim: {
          resourceTypes: [
            {
              name: "Device",
              endpoint: "/Devices",
              schema: {
                id: "urn:acme:Device",
                name: "Device",
                attributes: [{ name: "serial", type: "string", mutability: "readWrite", uniqueness: "server" }],
              },
            },
          ],
        },
      },
    });
  });

  it.each([
    [device("{ name: constructor }"), "not allowed as an attribute name"],
    [device("{ name: id }"), "an attribute of every resource"],
    [device("{ name: a }, { name: A }"), "there twice"],
    [device("{ name: a, type: complex }"), "needs subAttributes"],
    [device("{ name: a, multiValued: true, uniqueness: server }"), "single, simple attributes"],
    [device("{ name: a }").replace("/Devices", "/Users"), "taken"],
    [device("{ name: a }").replace("urn:acme", "urn:ietf"), "a name space of others"],
    ["  resourceTypes: [{ name: User, endpoint: /Users }]", "given by the core type"],
    ["  catalogues: both", "must be one of"],
  ])("refuses %s", (text, message) => {
    expect(complaints(text).join("\n")).toContain(message);
  });
});
