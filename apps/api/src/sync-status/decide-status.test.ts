import { describe, expect, it } from "vitest";
import { decideStatus, type ScopeReading, type StatusInput } from "./decide-status.ts";

const at = new Date("2026-01-01T00:00:00Z");

function scope(endpoint: string, verdict: ScopeReading["verdict"], reconciled = 1): ScopeReading {
  return {
    id: `scope-${endpoint}`,
    endpoint,
    requested: 1,
    reconciled,
    verdict,
    verdictAt: verdict === null ? null : at,
  };
}

function input(scopes: readonly ScopeReading[], changes: Partial<StatusInput> = {}): StatusInput {
  return {
    scopes,
    endpoints: new Map([
      ["a", "required"],
      ["b", "required"],
      ["c", "advisory"],
    ]),
    needed: {},
    ageMs: 0,
    entitlement: undefined,
    ci: {
      deadlineMs: 60_000,
      onDeadline: { default: "neutral", byEntitlement: { deploy: "failure" } },
      unverifiable: "degraded",
    },
    ...changes,
  };
}

describe("the state that CI is told (rules D1–D3)", () => {
  it("is in_sync where nothing is governed", () => {
    expect(decideStatus(input([]))).toMatchObject({ state: "in_sync", conclusion: "success", endpoints: [] });
  });

  it("is the worst over the required endpoints", () => {
    const worse = ["verified", null, "held", "diverged", "failed"] as const;
    const states = ["in_sync", "pending", "held", "diverged", "failed"];
    worse.forEach((verdict, index) => {
      expect(decideStatus(input([scope("a", "verified"), scope("b", verdict)])).state).toBe(states[index]);
    });
    expect(decideStatus(input([scope("a", "failed"), scope("b", null)])).state).toBe("failed");
  });

  it("is never changed by an advisory endpoint, which is shown", () => {
    const status = decideStatus(input([scope("a", "verified"), scope("c", "failed")]));
    expect(status.state).toBe("in_sync");
    expect(status.endpoints).toContainEqual({ endpoint: "c", verdict: "failed", checkedAt: at });
  });

  it("ignores an endpoint that left the configuration", () => {
    expect(decideStatus(input([scope("gone", "failed")])).state).toBe("in_sync");
  });

  it("is pending until a run has loaded what the revision's event asked for", () => {
    const readings = [scope("a", "verified", 4)];
    expect(decideStatus(input(readings, { needed: { "scope-a": 5 } })).state).toBe("pending");
    expect(decideStatus(input(readings, { needed: { "scope-a": 4 } })).state).toBe("in_sync");
  });

  it("stays with an earlier revision's answer while a later request is under way", () => {
    const reading = { ...scope("a", "verified", 4), requested: 9 };
    expect(decideStatus(input([reading], { needed: { "scope-a": 4 } })).state).toBe("in_sync");
  });

  it("counts unverifiable as in sync and degraded, or as failed where configured", () => {
    const readings = [scope("a", "unverifiable")];
    expect(decideStatus(input(readings))).toMatchObject({ state: "in_sync", degraded: true });
    const strict = input(readings);
    expect(decideStatus({ ...strict, ci: { ...strict.ci, unverifiable: "failure" } }).state).toBe("failed");
  });

  it("turns pending into deadline after the deadline, neutral or failure by entitlement", () => {
    const late = { ageMs: 60_001 };
    expect(decideStatus(input([scope("a", null)], late))).toMatchObject({ state: "deadline", conclusion: "neutral" });
    const deploy = decideStatus(input([scope("a", null)], { ...late, entitlement: "deploy" }));
    expect(deploy).toMatchObject({ state: "deadline", conclusion: "failure" });
    expect(decideStatus(input([scope("a", "verified")], late)).state).toBe("in_sync");
  });
});
