import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalPolicy } from "../policy/canonical-policy.ts";
import { parseConfiguration, parsePolicy } from "./parse-configuration.ts";

const example = `
sources:
  - { name: github, type: github, secret: { env: GITHUB_WEBHOOK_SECRET } }
  - { name: agents, type: agent,  secret: { env: BRANCHWARD_AGENT_SECRET }, may: [checkout, refs] }
endpoints:
  - { name: directory, type: builtin }
  - { name: hg, url: "https://hg.example.com/scim/v2", token: { env: HG_SCIM_TOKEN }, accounts: true, concurrency: 4, ci: required }
policy:
  - repositories: ["acme/*"]
    branches: ["release/**"]
    grants:
      - { entitlement: push,   to: ["group:release-managers"] }
      - { entitlement: read,   to: ["group:engineering"], when: checkout, for: 8h }
      - { entitlement: deploy, to: ["bot:deployer"], endpoints: [hg] }
    deny:
      - { entitlement: push,   to: ["group:contractors"] }
bots:
  - { user: deployer, ceiling: { entitlements: [deploy], branches: ["release/**"] } }
guards: { maxRemovals: 5, maxRemovalShare: 0.1, window: 1h }
ci: { deadline: 60s, onDeadline: { default: neutral, deploy: failure } }
`;

function read(text: string) {
  const parsed = parseConfiguration(text, "branchward.yaml");
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems, null, 1));
  return parsed.configuration;
}

function problemsOf(text: string) {
  const parsed = parseConfiguration(text, "branchward.yaml");
  return "problems" in parsed ? parsed.problems : [];
}

/** Problems as `line path: message`. */
function complaints(text: string): string[] {
  return problemsOf(text).map(({ line, path, message }) => `${line} ${path}: ${message}`);
}

describe("a configuration", () => {
  it("is read as the contract writes it, with defaults filled in", () => {
    const { sources, endpoints, policy, ci, audit, accounts } = read(example);
    expect(sources).toMatchObject([
      {
        name: "github",
        secret: [{ env: "GITHUB_WEBHOOK_SECRET" }],
        may: ["checkout", "refs"],
        isMayGiven: false,
        requireTrust: "claim",
        api: null,
      },
      { name: "agents", type: "agent", identity: { attribute: "userName", match: "key" } },
    ]);
    expect(endpoints).toMatchObject([
      { name: "directory", type: "builtin", url: null, token: null, ci: "required", probeEveryMs: 2_000 },
      { name: "hg", type: "scim", accounts: true, concurrency: 4, allow: [], probeEveryMs: 30_000, drift: "repair" },
    ]);
    expect(policy.rules[0]?.grants).toMatchObject([
      { rule: "policy[0].grants[0]", line: 12, entitlement: "push", endpoints: null, checkout: null, until: null },
      { rule: "policy[0].grants[1]", line: 13, checkout: { forMs: 28_800_000, requireTrust: "claim" } },
      { rule: "policy[0].grants[2]", line: 14, endpoints: ["hg"], to: [{ kind: "bot", userName: "deployer" }] },
    ]);
    expect(policy.rules[0]?.deny).toMatchObject([{ rule: "policy[0].deny[0]", line: 16, file: "branchward.yaml" }]);
    expect(policy).toMatchObject({ ungoverned: "allow", maxCheckoutMs: 86_400_000 });
    expect(policy.guards).toEqual({
      maxRemovals: 5,
      maxRemovalShare: 0.1,
      windowMs: 3_600_000,
      maxDeactivations: 20,
      maxDeactivationShare: 0.05,
    });
    expect(ci).toEqual({
      deadlineMs: 60_000,
      onDeadline: { default: "neutral", byEntitlement: { deploy: "failure" } },
      unverifiable: "degraded",
    });
    expect(audit).toEqual({ intervalMs: 3_600_000, budget: 0.1, minIntervalMs: 60_000 });
    expect(accounts).toEqual({ adopt: "review" });
  });

  it("has the built-in directory where it names no endpoint", () => {
    expect(read("policy: []").endpoints).toMatchObject([{ name: "directory", type: "builtin" }]);
  });

  it("knows every further key", () => {
    const configuration = read(`
sources:
  - name: github
    type: github
    secret: [{ env: NEW }, { file: /run/secrets/old }]
    identity: { attribute: githubLogin, match: key }
    requireTrust: token
    api: { url: "https://github.example.com/api/v3/", token: { file: token } }
  - { name: agents, type: agent, secret: { env: A } }
repositories:
  - { name: acme/web, authority: github, sources: [github, agents] }
endpoints:
  - { name: directory, type: builtin, url: "http://127.0.0.1:8787/scim/v2", token: { env: T }, drift: report, ci: advisory }
policy:
  - repositories: ["**"]
    branches: ["dev/\${user.userName}/**"]
    exclusive: [merge, deploy]
    grants:
      - { entitlement: "artifacts:read", to: ["group:okta/eng/web", "user:a:b"], until: 2026-12-31, atLeast: 1 }
      - { entitlement: push, to: ["group:x"], when: checkout, for: 2d, requireTrust: token, until: "2026-12-31T18:00:00+02:00" }
bots:
  - { user: ci, ceiling: { entitlements: [push], branches: ["*"], repositories: ["acme/*"], hours: "22:00-06:00" } }
guards: { maxDeactivations: 3, maxDeactivationShare: 1 }
ungoverned: deny
maxCheckout: 2d
ci: { unverifiable: failure }
audit: { interval: 15m, budget: 0.5, minInterval: 0s }
accounts: { adopt: auto }
`);
    expect(configuration.sources[0]).toMatchObject({
      secret: [{ env: "NEW" }, { file: "/run/secrets/old" }],
      identity: { attribute: "githubLogin", match: "key" },
      requireTrust: "token",
      api: { url: "https://github.example.com/api/v3", token: [{ file: "token" }], allow: [] },
    });
    expect(configuration.policy.rules[0]).toMatchObject({
      exclusive: { rule: "policy[0].exclusive", entitlements: ["merge", "deploy"], line: 17 },
      grants: [
        {
          to: [
            { kind: "group", client: "okta", name: "eng/web" },
            { kind: "user", userName: "a:b" },
          ],
          until: new Date("2026-12-31T00:00:00Z"),
          atLeast: 1,
        },
        { checkout: { forMs: 172_800_000, requireTrust: "token" }, until: new Date("2026-12-31T16:00:00Z") },
      ],
    });
    expect(configuration.policy.bots[0]?.hours).toEqual({ from: 1_320, to: 360 });
  });
});

describe("problems of a configuration", () => {
  it("are all told at once, with line and path, and one fault hides no other", () => {
    expect(
      complaints(`
sources:
  - { name: GitHub, type: githb, secret: hunter2 }
  - { name: agents, type: agent }
endpoints:
  - { name: hg, url: "http://hg.example.com", token: { env: "1X" } }
policy:
  - repositores: ["acme/*"]
    branches: ["a//b", "[^x]"]
    grants:
      - { entitlement: Push, to: ["grp:x"], when: checkout }
      - { entitlement: read, to: [], endpoints: [gh], for: 8h }
guards:
  maxRemovals: many
  window: 3600
`),
    ).toEqual([
      '3 sources[0].name: "GitHub" is not a name: a small letter, then small letters, digits and hyphens, at most 40',
      '3 sources[0].type: must be one of agent, github; did you mean "github"?',
      expect.stringMatching(
        /^3 sources\[0\]\.secret: must be a reference, never the secret itself: write \{ env: NAME \}/,
      ),
      "4 sources[1]: secret is required",
      "6 endpoints[0].url: must be an https URL (http only for this machine)",
      expect.stringMatching(/^6 endpoints\[0\]\.token: must be a reference/),
      '8 policy[0].repositores: unknown key "repositores"; did you mean "repositories"?',
      "8 policy[0]: repositories is required",
      expect.stringMatching(/^9 policy\[0\]\.branches\[0\]: a pattern has no empty segment/),
      "9 policy[0].branches[1]: write [!…] for a negated class, not [^…]",
      "11 policy[0].grants[0]: for is required with when: checkout",
      expect.stringMatching(/^11 policy\[0\]\.grants\[0\]\.entitlement: "Push" is not an entitlement/),
      expect.stringMatching(/^11 policy\[0\]\.grants\[0\]\.to\[0\]: "grp:x" is not a principal/),
      "12 policy[0].grants[1].to: must not be empty",
      '12 policy[0].grants[1].endpoints[0]: there is no endpoint "gh"',
      "12 policy[0].grants[1].for: belongs to a grant with when: checkout",
      "14 guards.maxRemovals: must be a whole number between 0 and 1000000",
      "15 guards.window: must be a duration such as 30s or 8h",
    ]);
  });

  it.each([
    ["polcy: []", '1 polcy: unknown key "polcy"; did you mean "policy"?'],
    ["", "1 : the file is empty"],
    ["[]", "1 : must be a mapping"],
    ["policy:", "1 policy: must be a list"],
    ["policy: [3]", "1 policy[0]: must be a mapping"],
    ["ungoverned: alow", '1 ungoverned: must be one of allow, deny; did you mean "allow"?'],
    ["maxCheckout: 0s", "1 maxCheckout: must be between 1ms and 365d"],
    ["audit: { budget: 0 }", "1 audit.budget: must be above 0"],
    ["ci: { onDeadline: { deploy: stop } }", "1 ci.onDeadline.deploy: must be one of neutral, failure"],
    ["ci: { onDeadline: { Deploy: failure } }", '1 ci.onDeadline.Deploy: unknown key "Deploy"'],
    ["__proto__: { x: 1 }", '1 __proto__: unknown key "__proto__"'],
    ["constructor: { x: 1 }", '1 constructor: unknown key "constructor"'],
    [
      "policy: [{ repositories: [x], branches: [x] }]",
      "1 policy[0]: says nothing: a rule has grants, deny or exclusive",
    ],
    ["bots: [{ user: ci }]", "1 bots[0]: ceiling is required"],
    [
      "endpoints: [{ name: a, type: builtin }, { name: b, type: builtin }]",
      "1 endpoints[1]: there is one built-in directory only",
    ],
    [
      "endpoints: [{ name: a, type: builtin, displayName: '{branch}' }]",
      "1 endpoints[0].displayName: must hold {repository}, {branch} and {entitlement}, and no other braces",
    ],
    [
      "endpoints: [{ name: a, url: 'https://u:p@x.org', token: { env: A } }]",
      "1 endpoints[0].url: must hold no credentials, query or fragment",
    ],
    ["endpoints: [{ name: a, url: 'https://x.org' }]", "1 endpoints[0]: token is required"],
    [
      "endpoints: [{ name: a, url: 'https://user@x.org', token: { env: A } }]",
      "1 endpoints[0].url: must hold no credentials, query or fragment",
    ],
  ])("name the fault of %j", (text, expected) => {
    expect(complaints(text)).toContain(expected);
  });

  it.each([
    ["{ entitlement: push, to: ['group:a', 'group:a'] }", "to: names something twice"],
    [
      "{ entitlement: push, to: ['group:A/x'] }",
      `to[0]: "group:A/x" is not a principal: write group:name, group:client/name, user:userName or bot:name`,
    ],
    ["{ entitlement: push, to: ['bot:ci'] }", 'to[0]: there is no bot "ci" under bots'],
    ["{ entitlement: push, to: ['user:a'], when: checkout, for: 2d }", "for: must be at most maxCheckout, 1d"],
    ["{ entitlement: push, to: ['user:a'], when: checkout, for: 0s }", "for: must be longer than nothing"],
    [
      "{ entitlement: push, to: ['user:a'], requireTrust: token }",
      "requireTrust: belongs to a grant with when: checkout",
    ],
    [
      "{ entitlement: push, to: ['user:a'], until: 2026-02-30 }",
      `until: "2026-02-30" is not a date: write 2026-12-31 (it ends as that day begins, UTC) or 2026-12-31T18:00:00Z`,
    ],
    ["{ entitlement: push, to: ['user:a'], when: commit }", "when: must be one of checkout"],
  ])("name the fault of the grant %s", (grant, expected) => {
    const text = `policy: [{ repositories: [x], branches: [x], grants: [${grant}] }]`;
    expect(complaints(text)).toContain(`1 policy[0].grants[0].${expected}`);
  });

  it("never repeat a secret", () => {
    for (const secret of [
      "hunter2",
      "[hunter2]",
      "{ value: hunter2 }",
      "{ env: hunter2-x }",
      "[{ env: A }, hunter2]",
    ]) {
      const problems = problemsOf(`sources: [{ name: a, type: agent, secret: ${secret} }]`);
      expect(problems).toHaveLength(1);
      expect(JSON.stringify(problems)).not.toContain("hunter2");
    }
  });

  it("name two things under one name", () => {
    const text = `
sources:
  - { name: a, type: agent, secret: { env: A } }
  - { name: a, type: agent, secret: { env: A } }
bots:
  - { user: ci, ceiling: { entitlements: [x], branches: [x] } }
  - { user: CI, ceiling: { entitlements: [x], branches: [x] } }
`;
    expect(complaints(text)).toEqual(['4 sources[1].name: "a" is there twice', '7 bots[1].user: "CI" is there twice']);
  });

  it("hold a repository to one authority among its sources", () => {
    const text = `
sources:
  - { name: a, type: agent, secret: { env: A }, may: [checkout] }
  - { name: b, type: agent, secret: { env: A } }
repositories:
  - { name: r1, sources: [a, b] }
  - { name: r2, sources: [b], authority: a }
  - { name: r3, sources: [b, c], authority: b }
`;
    expect(complaints(text)).toEqual([
      "6 repositories[0]: authority is required",
      "7 repositories[1].authority: must be one of the sources of the repository",
      '7 repositories[1].authority: the source "a" may not tell of refs',
      expect.stringContaining('8 repositories[2].sources[1]: there is no source "c"'),
    ]);
  });

  it("do not follow from one another", () => {
    const text = `
endpoints: [{ name: hg, url: nowhere, token: { env: A } }]
policy: [{ repositories: [x], branches: [x], grants: [{ entitlement: push, to: ["bot:ci"], endpoints: [hg] }] }]
bots: [{ user: ci, ceiling: { entitlements: [Push], branches: [x] } }]
`;
    expect(problemsOf(text).map(({ path }) => path)).toEqual(["endpoints[0].url", "bots[0].ceiling.entitlements[0]"]);
  });
});

describe("hostile YAML", () => {
  it.each([
    ["a syntax error", "policy: [", 1],
    ["a key given twice", "policy: []\npolicy: []", 2],
    ["an unknown tag", "policy: !!js/function x", 1],
    ["two documents", "policy: []\n---\npolicy: []", 2],
    ["a text of more than a megabyte", `policy: [] #${"x".repeat(1_000_000)}`, 1],
    ["an alias without an anchor", "policy: *x", 1],
  ])("is refused with its line: %s", (_, text, line) => {
    const problems = problemsOf(text);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.every((problem) => problem.line >= 1)).toBe(true);
    expect(problems.some((problem) => problem.line === line)).toBe(true);
  });

  it("does not expand a bomb of aliases", () => {
    const levels = Array.from(
      { length: 12 },
      (_, level) => `a${level + 1}: &a${level + 1} [${Array(9).fill(`*a${level}`).join(",")}]`,
    );
    expect(complaints(["a0: &a0 [x,x]", ...levels].join("\n"))).toEqual([
      "1 : the file has too many aliases, or one that expands too far",
    ]);
  });

  it("is told to be too deep in one sentence", () => {
    for (const text of ["[".repeat(20_000), "{a: ".repeat(20_000), "- ".repeat(20_000)]) {
      expect(complaints(text)).toEqual(["1 : the file is nested too deeply"]);
    }
  });

  it("may use an anchor as often as a large configuration does", () => {
    const rules = Array(300).fill(
      "{ repositories: *all, branches: *all, grants: [{ entitlement: push, to: ['user:a'] }] }",
    );
    const first = "{ repositories: &all ['**'], branches: ['**'], grants: [{ entitlement: push, to: ['user:a'] }] }";
    expect(read(`policy: [${[first, ...rules].join(", ")}]`).policy.rules).toHaveLength(301);
  });

  it("is told in at most two hundred problems and a last word", () => {
    const text = Array.from({ length: 2_000 }, (_, index) => `key${index}: 1`).join("\n");
    expect(problemsOf(text)).toHaveLength(201);
  });

  it("never throws", () => {
    const piece = fc.constantFrom(
      "policy",
      ":",
      "- ",
      "\n",
      "  ",
      "{",
      "}",
      "[",
      "]",
      "grants",
      "&a ",
      "*a",
      "!!x ",
      "null",
      "'",
      '"',
      "#",
      "|",
      "? ",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const result = parseConfiguration(pieces.join(""), "f");
        expect("problems" in result ? result.problems.length : 1).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe("the canonical policy", () => {
  const canonical = (text: string) => {
    const parsed = parsePolicy(text, "branchward.yaml");
    return "policy" in parsed ? canonicalPolicy(parsed.policy) : undefined;
  };

  it("is no other for a change elsewhere in the file", () => {
    const moved = `# a comment\n\naudit: { budget: 0.2 }\n${example.replace("concurrency: 4", "concurrency: 5")}`;
    expect(canonical(moved)).toBe(canonical(example));
    expect(canonical(example)).toContain('"release/**"');
  });

  it.each([
    ["a pattern", "release/**", "releases/**"],
    ["a principal", "group:contractors", "group:externals"],
    ["a duration", "8h", "9h"],
    ["a guard", "maxRemovals: 5", "maxRemovals: 6"],
    ["a ceiling", "entitlements: [deploy]", "entitlements: [deploy, push]"],
  ])("is another for a change of %s", (_, from, to) => {
    expect(canonical(example.replace(from, to))).toBeDefined();
    expect(canonical(example.replace(from, to))).not.toBe(canonical(example));
  });
});
