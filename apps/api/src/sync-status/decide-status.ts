/** Rules D1–D3, pure: what CI is told about one incarnation. */
import type { CiConfiguration, Verdict } from "@branchward/core";

export type State = "in_sync" | "pending" | "failed" | "diverged" | "held" | "deadline";

export interface ScopeReading {
  readonly id: string;
  readonly endpoint: string;
  readonly requested: number;
  readonly reconciled: number;
  readonly verdict: Verdict | null;
  readonly verdictAt: Date | null;
}

export interface StatusInput {
  readonly scopes: readonly ScopeReading[];
  /** Endpoints of the configuration; scopes of others do not count. */
  readonly endpoints: ReadonlyMap<string, "required" | "advisory">;
  /** Scope id → the value that the revision's event set; a scope not named must reach its own `requested`. */
  readonly needed: Readonly<Record<string, number>>;
  /** Age of that event. */
  readonly ageMs: number;
  readonly entitlement: string | undefined;
  readonly ci: CiConfiguration;
}

export interface Status {
  readonly state: State;
  /** What CI makes of it: `deadline` is neutral or a failure by configuration. */
  readonly conclusion: "success" | "waiting" | "failure" | "neutral";
  /** True when an endpoint cannot be verified and that counts as in sync. */
  readonly degraded: boolean;
  readonly endpoints: readonly {
    readonly endpoint: string;
    readonly verdict: Verdict | "pending";
    readonly checkedAt: Date | null;
  }[];
}

/** From best to worst. */
const ORDER = ["in_sync", "pending", "held", "diverged", "failed"] as const;
type Reached = (typeof ORDER)[number];

/** The worst over the required endpoints; pending becomes `deadline` when the event is older than CI waits. */
export function decideStatus(input: StatusInput): Status {
  const counted = input.scopes.filter((scope) => input.endpoints.has(scope.endpoint));
  const required = counted.filter((scope) => input.endpoints.get(scope.endpoint) === "required");
  const states = required.map((scope) => toState(scope, input));
  const worst = states.reduce<Reached>((a, b) => (ORDER.indexOf(a) >= ORDER.indexOf(b) ? a : b), "in_sync");
  const late = worst === "pending" && input.ageMs > input.ci.deadlineMs;
  const state: State = late ? "deadline" : worst;
  return {
    state,
    conclusion: late ? concludeDeadline(input) : concludeState(worst),
    degraded: required.some((scope) => isReached(scope, input) && scope.verdict === "unverifiable"),
    endpoints: counted.map((scope) => ({
      endpoint: scope.endpoint,
      verdict: isReached(scope, input) ? (scope.verdict ?? "pending") : "pending",
      checkedAt: scope.verdictAt,
    })),
  };
}

function isReached(scope: ScopeReading, { needed }: StatusInput): boolean {
  return scope.verdict !== null && scope.reconciled >= (needed[scope.id] ?? scope.requested);
}

function toState(scope: ScopeReading, input: StatusInput): Reached {
  if (!isReached(scope, input) || scope.verdict === null) return "pending";
  switch (scope.verdict) {
    case "verified":
      return "in_sync";
    case "unverifiable":
      return input.ci.unverifiable === "failure" ? "failed" : "in_sync";
    case "diverged":
    case "held":
    case "failed":
      return scope.verdict;
  }
}

function concludeState(state: Reached): Status["conclusion"] {
  if (state === "in_sync") return "success";
  return state === "pending" ? "waiting" : "failure";
}

function concludeDeadline({ ci, entitlement }: StatusInput): "neutral" | "failure" {
  const forEntitlement = entitlement === undefined ? undefined : ci.onDeadline.byEntitlement[entitlement];
  return forEntitlement ?? ci.onDeadline.default;
}
