import { ScimClientError, type ScimClientFailure } from "@branchward/scim";
import { describe, expect, it } from "vitest";
import { createGate, type Gate } from "./gate.ts";
import { type GateRecord, isGateRefusal } from "./breaker.ts";

interface Shared {
  nowMs: number;
  breaker: "closed" | "open" | "half-open";
  blockedUntil: number;
  probeAt: number;
}

const PROBE_EVERY_MS = 30_000;

/** A record as several processes share it, in memory. */
function createRecord(shared: Shared): GateRecord {
  return {
    find: async () => ({
      breaker: shared.breaker,
      blockedForMs: Math.max(0, shared.blockedUntil - shared.nowMs),
      probeInMs: shared.breaker === "closed" ? 0 : Math.max(0, shared.probeAt - shared.nowMs),
    }),
    async open() {
      Object.assign(shared, { breaker: "open", probeAt: shared.nowMs + PROBE_EVERY_MS });
    },
    async close() {
      shared.breaker = "closed";
    },
    async claimProbe() {
      if (shared.breaker === "closed" || shared.probeAt > shared.nowMs) return false;
      Object.assign(shared, { breaker: "half-open", probeAt: shared.nowMs + PROBE_EVERY_MS });
      return true;
    },
    async block(forMs) {
      shared.blockedUntil = Math.max(shared.blockedUntil, shared.nowMs + forMs);
    },
    unblocked: async () => undefined,
    saveLimit: async () => undefined,
  };
}

function createFixture(concurrency = 4) {
  const shared: Shared = { nowMs: 1_000_000, breaker: "closed", blockedUntil: 0, probeAt: 0 };
  const create = (): Gate =>
    createGate({ endpoint: "hg", concurrency, record: createRecord(shared), now: () => shared.nowMs });
  const calls = { count: 0 };
  const call = (gate: Gate, failure?: Partial<ScimClientFailure>): Promise<string> =>
    gate
      .run({ lane: "reconcile" }, async () => {
        calls.count += 1;
        if (failure === undefined) return "answered";
        throw new ScimClientError("GET /Groups", { kind: "http", outcomeUnknown: false, ...failure });
      })
      .catch((error: { code?: string; retry?: unknown }) =>
        error.code === undefined ? "failed" : `${error.code} ${JSON.stringify(error.retry)}`,
      );
  return { shared, create, calls, call };
}

describe("a gate", () => {
  it.each([
    ["500s", { status: 500 }],
    ["deadlines", { kind: "timeout" }],
    ["cut connections", { kind: "connection" }],
  ] as const)("opens after ten %s in a row, and then makes no call", async (_, failure) => {
    const { create, call, calls } = createFixture();
    const gate = create();
    for (let turn = 0; turn < 50; turn += 1) await call(gate, failure);
    expect(calls.count).toBe(10);
    expect(await call(gate)).toBe('endpoint_open {"afterMs":30000}');
  });

  it.each([400, 401, 404, 409, 412, 429, 501])("does not open for %i", async (status) => {
    const { create, call, calls } = createFixture();
    const gate = create();
    for (let turn = 0; turn < 50; turn += 1) await call(gate, { status });
    expect(calls.count).toBe(50);
  });

  it("counts failures in a row alone: an answer between them begins anew, be it a refusal", async () => {
    const { create, call, calls } = createFixture();
    const gate = create();
    for (let turn = 0; turn < 30; turn += 1) await call(gate, { status: turn % 9 === 8 ? 404 : 502 });
    expect(calls.count).toBe(30);
  });

  it("tries one call each 30 s while open, in all processes together, and lets all through after an answer", async () => {
    const { shared, create, call, calls } = createFixture();
    const [gate, other] = [create(), create()];
    for (let turn = 0; turn < 10; turn += 1) await call(gate, { status: 503 });
    calls.count = 0;
    shared.nowMs += PROBE_EVERY_MS;
    const failing = [gate, gate, other, gate, other].map((one) => call(one, { status: 503 }));
    expect((await Promise.all(failing)).filter((outcome) => outcome === "failed")).toHaveLength(1);
    expect(calls.count).toBe(1);
    shared.nowMs += PROBE_EVERY_MS;
    expect(await Promise.all([call(gate), call(gate), call(gate)])).toEqual(["answered", "answered", "answered"]);
    shared.nowMs += 500;
    expect(await call(other)).toBe("answered");
  });

  it("makes no call for as long as Retry-After says, in other processes and after a restart neither", async () => {
    const { shared, create, call, calls } = createFixture();
    const gate = create();
    expect(await call(gate, { status: 429, retryAfterMs: 7_000 })).toBe("failed");
    calls.count = 0;
    for (const one of [gate, create(), create()]) {
      expect(await call(one)).toBe('endpoint_blocked {"afterMs":7000}');
    }
    shared.nowMs += 6_999;
    expect(await call(create())).toBe('endpoint_blocked {"afterMs":1}');
    expect(calls.count).toBe(0);
    shared.nowMs += 1;
    expect(await call(gate)).toBe("answered");
  });

  it("tells its own refusal from the answer of the endpoint that led to it", async () => {
    const gate = createFixture().create();
    const fail = async (): Promise<never> => {
      throw new ScimClientError("GET", { kind: "http", status: 503, retryAfterMs: 7_000, outcomeUnknown: false });
    };
    const errors = [];
    for (let turn = 0; turn < 2; turn += 1)
      errors.push(await gate.run({ lane: "reconcile" }, fail).catch(isGateRefusal));
    expect(errors).toEqual([false, true]);
  });

  it("takes a Retry-After of a billion seconds for an hour", async () => {
    const { create, call } = createFixture();
    const gate = create();
    await call(gate, { status: 503, retryAfterMs: 1e12 });
    expect(await call(gate)).toBe('endpoint_blocked {"afterMs":3600000}');
  });

  it("sends nothing when what runs before the call throws, and holds that against nobody", async () => {
    const { create, call, calls } = createFixture(1);
    const gate = create();
    const beforeSend = (): Promise<void> => Promise.reject(new Error("the lease is lost"));
    for (let turn = 0; turn < 20; turn += 1) {
      await expect(gate.run({ lane: "reconcile", beforeSend }, async () => (calls.count += 1))).rejects.toThrow(
        "lease",
      );
    }
    expect(calls.count).toBe(0);
    expect(await call(gate)).toBe("answered");
  });
});
