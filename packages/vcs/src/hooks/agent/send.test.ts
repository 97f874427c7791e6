import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeSecret, findReceiver } from "../../receive.ts";
import { decide, toRetryAfterMs, toSignedHeaders } from "./send.js";

describe("an answer", () => {
  it.each([
    [202, "sent"],
    [0, "kept"],
    [200, "kept"],
    [204, "kept"],
    [301, "kept"],
    [401, "kept"],
    [408, "kept"],
    [429, "kept"],
    [500, "kept"],
    [503, "kept"],
    [400, "refused"],
    [404, "refused"],
    [413, "refused"],
    [415, "refused"],
  ])("of %i means that the event is %s", (status, decision) => {
    expect(decide(status)).toBe(decision);
  });
});

describe("Retry-After", () => {
  const now = Date.UTC(2026, 0, 1);
  it.each([
    [undefined, 0],
    ["7", 7_000],
    ["Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["soon", 0],
    ["999999999", 3_600_000],
  ])("of %s is %i ms", (value, afterMs) => {
    expect(toRetryAfterMs(value, now)).toBe(afterMs);
  });
});

describe("the agent's signature", () => {
  it("is what the receiver accepts, for any body and secret", () => {
    const secret = fc.string({ minLength: 1, unit: "binary" }).filter((text) => !text.startsWith("whsec_"));
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        secret,
        fc.uuid(),
        fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("2100-01-01") }),
        (body, text, id, now) => {
          const headers = toSignedHeaders({ id, body, secret: decodeSecret(text), now: now.getTime() });
          const request = { headers, body: Buffer.from(body), secrets: [decodeSecret(text)], now };
          expect(findReceiver("agent").verify(request)).toEqual({ ok: true, trust: "claim" });
        },
      ),
    );
  });
});
