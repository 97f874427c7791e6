/** Policies as the oracle reads them, and as text for the code under test. Which names a pattern means is written down, not computed. */

import type { EndpointName, Setting } from "../setting.ts";

/** Every branch name that a schedule may use. */
export const NAMES = ["main", "release/1", "release/2", "dev/a", "users/bea/x", "users/cal/x"] as const;
export type Name = (typeof NAMES)[number];

/** Every verb that a version names. */
export const ENTITLEMENTS = ["push", "read"] as const;

const PATTERNS = {
  "release/**": ["release/1", "release/2"],
  "**": NAMES,
  "*": ["main"],
  "dev/*": ["dev/a"],
} as const satisfies Readonly<Record<string, readonly Name[]>>;

/** A pattern that names another branch for each user. */
const OWN = "users/${user.userName}/*";

type PatternText = keyof typeof PATTERNS | typeof OWN;

export interface GrantModel {
  readonly entitlement: string;
  readonly to: readonly string[];
  /** Just-in-time, for so long after a checkout. */
  readonly forMs?: number;
  /** Left out: at all of them (rule B2). */
  readonly endpoints?: readonly EndpointName[];
}

export interface RuleModel {
  readonly branches: readonly PatternText[];
  readonly grants: readonly GrantModel[];
  readonly deny?: readonly { readonly entitlement: string; readonly to: readonly string[] }[];
  readonly exclusive?: readonly string[];
}

export interface PolicyModel {
  readonly rules: readonly RuleModel[];
  /** What the bot `robot` may hold at most, and where. */
  readonly ceiling: { readonly entitlements: readonly string[]; readonly branches: keyof typeof PATTERNS };
}

/** Whether the rule is about the branch, for a user of this name. */
export function isAbout(rule: RuleModel, name: string, userName: string): boolean {
  return rule.branches.some((pattern) =>
    pattern === OWN ? name === `users/${userName}/x` : isOneOf(PATTERNS[pattern], name),
  );
}

/** Whether the rule is about the branch for somebody. */
export function isAboutForSomebody(rule: RuleModel, name: string): boolean {
  return rule.branches.some((pattern) =>
    pattern === OWN ? name.startsWith("users/") : isOneOf(PATTERNS[pattern], name),
  );
}

export function isWithinCeiling({ ceiling }: PolicyModel, name: string, entitlement: string): boolean {
  return ceiling.entitlements.includes(entitlement) && isOneOf(PATTERNS[ceiling.branches], name);
}

function isOneOf(names: readonly string[], name: string): boolean {
  return names.includes(name);
}

/** The text of `branchward.yaml`. */
export function toPolicyText({ rules, ceiling }: PolicyModel, setting: Setting): string {
  const endpoints = setting.endpoints.map(({ name }) => name);
  return JSON.stringify({
    endpoints: endpoints.map((name) => ({
      name,
      url: `https://${name}.example.com/scim/v2`,
      token: { env: "TOKEN" },
    })),
    policy: rules.map(({ branches, grants, deny = [], exclusive }) => ({
      repositories: ["**"],
      branches,
      grants: grants
        .map((grant) => ({ ...grant, at: grant.endpoints?.filter((name) => endpoints.includes(name)) }))
        .filter(({ at }) => at?.length !== 0)
        .map(({ entitlement, to, forMs, at }) => ({
          entitlement,
          to,
          ...(forMs === undefined ? {} : { when: "checkout", for: `${forMs / 60_000}m` }),
          ...(at === undefined ? {} : { endpoints: at }),
        })),
      ...(deny.length === 0 ? {} : { deny }),
      ...(exclusive === undefined ? {} : { exclusive }),
    })),
    bots: [{ user: "robot", ceiling: { entitlements: ceiling.entitlements, branches: [ceiling.branches] } }],
    guards: setting.guards === null ? WIDE : { ...setting.guards, maxDeactivationShare: 0, window: "1h" },
  });
}

const WIDE = { maxRemovals: 1_000_000, maxRemovalShare: 1, maxDeactivations: 1_000_000, maxDeactivationShare: 1 };
export const HOUR_MS = 3_600_000;
const OPEN = { entitlements: ["push", "read"], branches: "**" } as const;
const NARROW = { entitlements: ["push"], branches: "dev/*" } as const;

/**
 * The versions that a schedule may activate. `zed` holds everything that is granted at all and is never taken away,
 * so that no removal empties a group: what the guard says to that (rule C1) has tests of its own.
 */
export const POLICIES: readonly PolicyModel[] = [
  {
    rules: [
      { branches: ["release/**"], grants: [{ entitlement: "push", to: ["group:managers", "user:zed"] }] },
      { branches: ["*", "dev/*"], grants: [{ entitlement: "push", to: ["group:engineering", "user:zed"] }] },
      { branches: ["**"], grants: [{ entitlement: "read", to: ["group:engineering", "user:zed"], forMs: HOUR_MS }] },
    ],
    ceiling: OPEN,
  },
  {
    rules: [
      {
        branches: ["**"],
        grants: [
          { entitlement: "push", to: ["group:engineering", "bot:robot", "user:zed"] },
          { entitlement: "read", to: ["group:engineering", "group:managers", "user:zed"] },
        ],
        deny: [{ entitlement: "push", to: ["group:contractors"] }],
      },
    ],
    ceiling: NARROW,
  },
  {
    rules: [
      {
        branches: ["release/**"],
        grants: [
          { entitlement: "push", to: ["user:bea", "user:zed"] },
          { entitlement: "read", to: ["user:bea", "group:managers"] },
        ],
        exclusive: ["push", "read"],
      },
      { branches: [OWN], grants: [{ entitlement: "push", to: ["group:engineering"] }] },
      { branches: ["*"], grants: [{ entitlement: "push", to: ["group:managers"], forMs: 10 * 60_000 }] },
    ],
    ceiling: OPEN,
  },
  {
    rules: [
      { branches: ["release/**", "dev/*"], grants: [{ entitlement: "push", to: ["group:managers", "user:zed"] }] },
      {
        branches: ["**"],
        grants: [{ entitlement: "read", to: ["group:engineering"], forMs: HOUR_MS }],
        deny: [{ entitlement: "read", to: ["group:contractors"] }],
      },
    ],
    ceiling: OPEN,
  },
  {
    rules: [
      {
        branches: ["release/**", "*"],
        grants: [
          { entitlement: "push", to: ["group:managers", "user:zed"], endpoints: ["hg"] },
          { entitlement: "push", to: ["group:engineering", "user:zed"], endpoints: ["mirror"] },
        ],
      },
      {
        branches: ["**"],
        grants: [
          { entitlement: "read", to: ["group:engineering", "user:zed"], endpoints: ["hg"] },
          { entitlement: "read", to: ["group:engineering", "user:zed"], forMs: HOUR_MS, endpoints: ["mirror"] },
        ],
        deny: [{ entitlement: "push", to: ["group:contractors"] }],
      },
    ],
    ceiling: OPEN,
  },
];
