import { describe, expect, it } from "vitest";
import { parseConfiguration, parsePolicy } from "./parse-configuration.ts";

const now = new Date("2026-07-01T12:00:00Z");

/** Warnings as `line path: message`. */
function warningsOf(text: string): readonly string[] {
  const parsed = parsePolicy(text, "branchward.yaml", { now });
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems, null, 1));
  return parsed.warnings.map(({ line, path, message }) => `${line} ${path}: ${message}`);
}

function warnPattern(pattern: string): readonly string[] {
  return warningsOf(
    [
      "policy:",
      '  - repositories: ["**"]',
      `    branches: [main, ${JSON.stringify(pattern)}]`,
      "    grants:",
      "      - { entitlement: push, to: [user:alice] }",
    ].join("\n"),
  );
}

describe("a pattern that can match nothing", () => {
  it.each([
    ["refs/heads/release/**", /named without refs\/heads\/.*: write "release\/\*\*"$/u],
    ["refs/tags/v*", /named without refs\/heads\/; tags and other refs have no access/u],
    ["refs/**", /named without refs\/heads\//u],
    ["release/{1,2}", /braces stand for themselves.*: write "release\/1", "release\/2", each a pattern of its own$/u],
    ["{a,b}/{c,d}", /: write "a\/c", "a\/d", "b\/c", "b\/d", each/u],
    ["release/{1..9}", /braces stand for themselves.*: write a pattern for each$/u],
    ["{a,b}{c,d}{e,f}{g,h}", /: write a pattern for each$/u],
    ["{a,{b,c}}", /: write "a", "b", "c", each a pattern of its own$/u],
    ["acme/web:main", /has a colon or a line break/u],
    [" main", /begins or ends with a blank.*: write "main"$/u],
  ])("is told of with what to write instead: %s", (pattern, message) => {
    const warnings = warnPattern(pattern);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^3 policy\[0\]\.branches\[1\]: /u);
    expect(warnings[0]).toMatch(message);
  });

  it.each(["release/**", "refsX/1", "heads/x", "a{b}", "{", "a,b", "dev/${user.userName}/**", "[:-@]", "v[!,]"])(
    "is not taken for one: %s",
    (pattern) => expect(warnPattern(pattern)).toEqual([]),
  );

  it("is told of in a repository's name and in a ceiling, too", () => {
    expect(
      warningsOf(
        [
          "policy:",
          '  - { repositories: ["acme/{web,api}"], branches: [main], grants: [{ entitlement: push, to: [bot:ci] }] }',
          "bots:",
          "  - { user: ci, ceiling: { entitlements: [push], branches: [refs/heads/main] } }",
        ].join("\n"),
      ),
    ).toEqual([
      expect.stringMatching(/^2 policy\[0\]\.repositories\[0\]: .*"acme\/web", "acme\/api"/u),
      expect.stringMatching(/^4 bots\[0\]\.ceiling\.branches\[0\]: .*write "main"/u),
    ]);
  });

  it("comes to an end with a hostile one", () => {
    const text = `${"{a,".repeat(300)}${"}".repeat(100)}`;
    expect(warnPattern(text)).toHaveLength(1);
    expect(warnPattern("{a,b}".repeat(200))).toHaveLength(1);
  });
});

describe("a grant that gives nobody anything", () => {
  const grant = (fields: string, rest = "") =>
    warningsOf(
      [
        "policy:",
        '  - repositories: ["**"]',
        "    branches: [main]",
        "    grants:",
        `      - { ${fields} }`,
        rest,
      ].join("\n"),
    );

  it("is told of once it has ended", () => {
    expect(grant("entitlement: push, to: [user:alice], until: 2026-07-01")).toEqual([
      expect.stringMatching(/^5 policy\[0\]\.grants\[0\]\.until: is past: .*push stays governed/u),
    ]);
    expect(grant("entitlement: push, to: [user:alice], until: 2026-07-02")).toEqual([]);
  });

  it("is told of where the same rule denies it to the same, and of no other", () => {
    const deny = "    deny: [{ entitlement: push, to: [group:staff] }]";
    expect(grant("entitlement: push, to: [user:alice, group:staff]", deny)).toEqual([
      expect.stringMatching(
        /^5 policy\[0\]\.grants\[0\]\.to\[1\]: gets nothing by this: policy\[0\]\.deny\[0\] \(line 6\)/u,
      ),
    ]);
    expect(grant("entitlement: read, to: [group:staff]", deny)).toEqual([]);
  });

  it("is told of where a bot's ceiling has no such verb", () => {
    const bots = "bots: [{ user: CI, ceiling: { entitlements: [deploy], branches: [main] } }]";
    expect(grant("entitlement: push, to: [bot:ci]", bots)).toEqual([
      expect.stringMatching(/to\[0\]: gets nothing by this: its ceiling \(line 6\) has no push$/u),
    ]);
    expect(grant("entitlement: deploy, to: [bot:ci]", bots)).toEqual([]);
  });
});

it("Nothing is told of dates where nobody gives the time, nor beside problems", () => {
  const text = `
policy:
  - repositories: ["**"]
    branches: [refs/heads/main]
    grants: [{ entitlement: push, to: [user:alice], until: 2020-01-01 }]
`;
  const parsed = parseConfiguration(text, "branchward.yaml");
  expect(parsed).toMatchObject({ warnings: [{ line: 4, path: "policy[0].branches[0]" }] });
  expect(parseConfiguration(`${text}surprise: 1\n`, "branchward.yaml")).not.toHaveProperty("warnings");
});
