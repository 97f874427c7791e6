import { describe, expect, it } from "vitest";
import { parseBridgeConfiguration } from "../configuration/parse-bridge-configuration.ts";

const head = "listen: 127.0.0.1:8790\ntoken: { env: BRIDGE_TOKEN }\nstate: /var/lib/branchward-phabricator\n";

describe("the section phabricator of bridge.yaml", () => {
  it("needs an address and a token, and takes names of repositories and how accounts are named", () => {
    const text = `${head}phabricator:
  url: https://phabricator.example.com/
  token: [{ file: /etc/branchward/conduit.new }, { file: /etc/branchward/conduit }]
  repositories: [{ name: acme/web, repository: web }]
  account: { part: local, case: lower }
`;
    expect(parseBridgeConfiguration(text, "bridge.yaml")).toMatchObject({
      configuration: {
        target: {
          kind: "phabricator",
          url: "https://phabricator.example.com",
          token: [{ file: "/etc/branchward/conduit.new" }, { file: "/etc/branchward/conduit" }],
          repositories: [{ name: "acme/web", repository: "web" }],
          account: { attribute: "userName", part: "local", case: "lower" },
        },
      },
    });
  });

  it.each([
    ["  url: phabricator.example.com\n  token: { env: T }\n", 5, "must be an http or https URL"],
    ["  url: https://admin:secret@phabricator.example.com\n  token: { env: T }\n", 5, "without credentials"],
    ["  url: https://p.example.com\n", 5, "token is required"],
    ["  url: https://p.example.com\n  token: { env: T }\n  poll: 5s\n", 7, "unknown key"],
    [
      "  url: https://p.example.com\n  token: { env: T }\n  repositories: [{ name: acme/web }]\n",
      7,
      "repository is required",
    ],
  ])("names what is wrong, with its line: %j", (section, line, message) => {
    const parsed = parseBridgeConfiguration(`${head}phabricator:\n${section}`, "bridge.yaml");
    expect(parsed).toMatchObject({ problems: [{ line, message: expect.stringContaining(message) }] });
  });

  it("takes a name of a repository once", () => {
    const twice = "  repositories: [{ name: a, repository: R1 }, { name: a, repository: R2 }]\n";
    const parsed = parseBridgeConfiguration(
      `${head}phabricator:\n  url: https://p.example.com\n  token: { env: T }\n${twice}`,
      "f",
    );
    expect(parsed).toMatchObject({ problems: [{ message: "names a twice" }] });
  });
});
