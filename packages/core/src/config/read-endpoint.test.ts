import { describe, expect, it } from "vitest";
import { parseConfiguration } from "./parse-configuration.ts";

describe("an endpoint of a configuration", () => {
  it("may be in networks that are written as such, and is probed with a pause", () => {
    const endpoint = `{ name: hg, url: "https://hg.example.com/scim/v2", token: { env: T }`;
    const parsed = parseConfiguration(
      `endpoints:
  - ${endpoint}, allow: ["10.0.0.0/8", "10.0.0.1", "example.com/8"] }
  - ${endpoint.replace("hg,", "git,")}, allow: [], probeEvery: 0s }
`,
      "branchward.yaml",
    );
    const problems = "problems" in parsed ? parsed.problems : [];
    expect(problems.map(({ line, path, message }) => `${line} ${path}: ${message}`)).toEqual([
      '2 endpoints[0].allow[1]: "10.0.0.1" is not a network: write 10.0.0.0/8 or fd00::/8',
      '2 endpoints[0].allow[2]: "example.com/8" is not a network: write 10.0.0.0/8 or fd00::/8',
      "3 endpoints[1].allow: must not be empty",
      "3 endpoints[1].probeEvery: must be between 250ms and 1h",
    ]);
  });
});
