import { describe, expect, it } from "vitest";
import { parseConfiguration } from "./parse-configuration.ts";

function parse(text: string) {
  const parsed = parseConfiguration(text, "branchward.yaml");
  return "problems" in parsed
    ? parsed.problems.map(({ path, message }) => `${path}: ${message}`)
    : parsed.configuration;
}

describe("what may be given or suspended for a moment", () => {
  it("is approved by another and ends within a working day, unless the file says otherwise", () => {
    expect(parse("policy: []")).toMatchObject({
      grants: { approval: "required", maxMs: 8 * 3_600_000 },
      holds: { maxMs: 24 * 3_600_000 },
    });
    expect(parse("grants: { approval: none, max: 30m }\nholds: { max: 2h }")).toMatchObject({
      grants: { approval: "none", maxMs: 1_800_000 },
      holds: { maxMs: 7_200_000 },
    });
  });

  it.each([
    ["grants: { approval: never }", "grants.approval: must be one of required, none"],
    ["grants: { max: 8d }", "grants.max: must be between 1m and 7d"],
    ["grants: { max: 10s }", "grants.max: must be between 1m and 7d"],
    ["holds: { max: 31d }", "holds.max: must be between 1m and 30d"],
    ["holds: { for: 2h }", 'holds.for: unknown key "for"'],
    ["holds: 2h", "holds: must be a mapping"],
  ])("%s is told to be wrong", (text, problem) => {
    expect(parse(text)).toEqual([problem]);
  });
});
