import { describe, expect, it } from "vitest";
import { createFailureLimit } from "./failure-limit.ts";

describe("failed sign-ins", () => {
  it("are refused after ten within a minute, for that address alone", () => {
    const clock = { now: 0 };
    const limit = createFailureLimit(() => clock.now);
    for (let n = 0; n < 9; n += 1) limit.fail("10.0.0.1");
    expect(() => limit.check("10.0.0.1")).not.toThrow();
    limit.fail("10.0.0.1");
    expect(() => limit.check("10.0.0.1")).toThrow(
      expect.objectContaining({ status: 429, retry: { afterMs: 60_000 } }) as Error,
    );
    expect(() => limit.check("10.0.0.2")).not.toThrow();
    clock.now = 60_000;
    expect(() => limit.check("10.0.0.1")).not.toThrow();
  });
});
