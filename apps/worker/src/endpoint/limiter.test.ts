import { describe, expect, it } from "vitest";
import { type CallLane, createLimiter, type Limiter, type Slot } from "./limiter.ts";

/** Asks for so many slots of a lane; tells which were given by now. */
async function ask(limiter: Limiter, lane: CallLane, count: number): Promise<Slot[]> {
  const given: Slot[] = [];
  for (let index = 0; index < count; index += 1) void limiter.acquire(lane).then((slot) => given.push(slot));
  await drainMicrotasks();
  return given;
}

async function drainMicrotasks(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

describe("a limiter", () => {
  it("gives reconciliation and audits no more than concurrency together, and audits half of it", async () => {
    const limiter = createLimiter(4);
    expect(await ask(limiter, "audit", 9)).toHaveLength(2);
    const reconciling = await ask(limiter, "reconcile", 9);
    expect(reconciling).toHaveLength(2);
    reconciling[0]?.release();
    await drainMicrotasks();
    expect(reconciling).toHaveLength(3);
  });

  it("has two slots for revocations however busy it is, and not three", async () => {
    const limiter = createLimiter(1);
    expect(await ask(limiter, "reconcile", 5)).toHaveLength(1);
    expect(await ask(limiter, "revocation", 5)).toHaveLength(2);
  });

  it("halves once for calls that were under way together, never below one, and grows back by one a round", async () => {
    const limiter = createLimiter(8);
    const slots = await ask(limiter, "reconcile", 8);
    for (const slot of slots) limiter.shrink(slot);
    expect(limiter.limit()).toBe(4);
    for (const slot of slots) slot.release();
    for (let turn = 0; turn < 9; turn += 1) {
      const [slot] = await ask(limiter, "reconcile", 1);
      if (slot !== undefined) limiter.shrink(slot);
      slot?.release();
    }
    expect(limiter.limit()).toBe(1);
    limiter.grow();
    expect(limiter.limit()).toBe(2);
    limiter.grow();
    expect(limiter.limit()).toBe(2);
    for (let answer = 0; answer < 1_000; answer += 1) limiter.grow();
    expect(limiter.limit()).toBe(8);
  });

  it("takes back a slot once, however often it is given back", async () => {
    const limiter = createLimiter(1);
    const [slot] = await ask(limiter, "reconcile", 1);
    slot?.release();
    slot?.release();
    expect(await ask(limiter, "reconcile", 3)).toHaveLength(1);
  });
});
