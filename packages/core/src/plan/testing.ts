/** Plan inputs for tests. */
import type { Desired, DesiredMember } from "../desired/types.ts";
import type { IncarnationId, UserId } from "../words.ts";
import { toBranchEntitlement } from "./entitlement-group.ts";
import type { ActualGroup, PlanInput, ScopeBranch } from "./types.ts";

export const windowMs = 30_000;
export const own = parseIncarnation("01890000-aaaa");
export const other = parseIncarnation("01890000-bbbb");
export const endedAt = new Date("2026-06-01T12:00:00Z");

export const branch: ScopeBranch = {
  incarnation: own,
  repository: "acme/web",
  branch: "main",
  refType: "branch",
  vcs: "git",
  state: "active",
  endedAt: null,
};

export function desiredOf(groups: Readonly<Record<string, readonly string[]>>, rest: Partial<Desired> = {}): Desired {
  const entitlements = Object.entries(groups).map(([entitlement, users]) => ({
    entitlement,
    members: users.map(memberOf),
  }));
  return { entitlements, exclusions: [], lostReferences: [], nextChangeAt: null, findings: [], ...rest };
}

export function groupOf(id: string, entitlement: string, rest: Partial<ActualGroup> = {}): ActualGroup {
  return {
    id,
    displayName: `acme/web:main:${entitlement}`,
    externalId: `branchward:${own}:${entitlement}`,
    members: [],
    extension: toBranchEntitlement(branch, entitlement),
    ...rest,
  };
}

export function inputOf(rest: Partial<PlanInput>): PlanInput {
  return {
    branch,
    desired: desiredOf({}),
    actual: [],
    bindings: [],
    displayNameTemplate: "{repository}:{branch}:{entitlement}",
    now: endedAt,
    pairingWindowMs: windowMs,
    accountOf: (userId) => userId,
    ...rest,
  };
}

export function userIdOf(text: string): UserId {
  return parseUser(text);
}

function memberOf(user: string): DesiredMember {
  const reason = {
    rule: "policy[0].grants[0]",
    file: "f",
    line: 1,
    reference: "group:g",
    path: ["g"],
    kind: "standing",
    until: null,
  } as const;
  return { userId: parseUser(user), reasons: [reason] };
}

function parseUser(text: string): UserId {
  return text as UserId;
}

function parseIncarnation(text: string): IncarnationId {
  return text as IncarnationId;
}
