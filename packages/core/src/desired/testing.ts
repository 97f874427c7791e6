/** Facts for tests, from a policy as it is written in a configuration. */
import { parsePolicy } from "../config/parse-configuration.ts";
import type { Policy } from "../policy/types.ts";
import type { IncarnationId, UserId } from "../words.ts";
import { toDirectoryUsers } from "./resolve-principal.ts";
import type { Checkout, Desired, DesiredFacts, DirectoryUser, EmergencyGrant, GroupResolution } from "./types.ts";

export const noon = new Date("2026-06-01T12:00:00Z");

export function policyOf(text: string): Policy {
  const endpoints = `endpoints: [{ name: directory, type: builtin }, { name: hg, url: "https://hg.example.com", token: { env: T } }]`;
  const parsed = parsePolicy(`${endpoints}\n${text}`, "branchward.yaml");
  if ("problems" in parsed)
    throw new Error(parsed.problems.map(({ path, message }) => `${path}: ${message}`).join("\n"));
  return parsed.policy;
}

/** One rule for every repository and branch. */
export function ruleOf(grants: readonly string[], rest = ""): string {
  return `{ repositories: ["**"], branches: ["**"], grants: [${grants.map((grant) => `{ ${grant} }`).join(", ")}]${rest} }`;
}

export interface FactsOptions {
  readonly policy: string;
  readonly names?: readonly [string, ...string[]];
  readonly state?: "active" | "closed" | "deleted";
  readonly endpoint?: string;
  readonly now?: Date;
  /** Members by group name; the path is the group's name. */
  readonly groups?: Readonly<Record<string, readonly string[]>>;
  readonly lost?: readonly string[];
  /** Who holds what by the ledger. */
  readonly held?: Readonly<Record<string, readonly string[]>>;
  /** All users are called by their id and active, but for these. */
  readonly inactive?: readonly string[];
  readonly attributes?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly checkouts?: readonly (Partial<Checkout> & { readonly user: string })[];
  readonly emergencies?: readonly (Partial<EmergencyGrant> & { readonly user: string })[];
}

const userNames = ["alice", "bob", "carol", "dave", "deployer", "**"];

export function userIdOf(userName: string): UserId {
  return parseId(userName);
}

export function factsOf(options: FactsOptions): DesiredFacts {
  const users = userNames.map((userName): DirectoryUser => {
    const active = !options.inactive?.includes(userName);
    return { id: parseId(userName), userName, active, attributes: options.attributes?.[userName] ?? {} };
  });
  const groups = Object.entries(options.groups ?? {}).map(([name, members]): [string, GroupResolution] => {
    const state = options.lost?.includes(name) ? "lost" : "bound";
    return [
      `group:${name}`,
      { state, members: members.map((userName) => ({ userId: parseId(userName), path: [name] })) },
    ];
  });
  return {
    policy: policyOf(options.policy),
    repository: { name: "acme/web" },
    incarnation: {
      id: parseIncarnation("01890000-1111"),
      refType: "branch",
      state: options.state ?? "active",
      names: options.names ?? ["main"],
    },
    endpoint: { name: options.endpoint ?? "directory" },
    now: options.now ?? noon,
    groups: new Map(groups),
    users: toDirectoryUsers(users),
    checkouts: (options.checkouts ?? []).map(({ user, ...rest }) => ({
      userId: parseId(user),
      startedAt: noon,
      trust: "claim",
      workingCopy: "w",
      ...rest,
    })),
    held: new Map(Object.entries(options.held ?? {}).map(([verb, names]) => [verb, new Set(names.map(parseId))])),
    emergencies: (options.emergencies ?? []).map(({ user, ...rest }) => ({
      id: "e1",
      userId: parseId(user),
      entitlement: "push",
      approvedBy: "carol",
      until: new Date(noon.getTime() + 3_600_000),
      ...rest,
    })),
  };
}

/** Desired as `{ push: ["alice"] }`. */
export function membersOf(desired: Desired): Record<string, readonly string[]> {
  return Object.fromEntries(
    desired.entitlements.map(({ entitlement, members }) => [entitlement, members.map(({ userId }) => userId)]),
  );
}

function parseId(text: string): UserId {
  return text as UserId;
}

function parseIncarnation(text: string): IncarnationId {
  return text as IncarnationId;
}
