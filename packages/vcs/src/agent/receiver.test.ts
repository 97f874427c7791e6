import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeSecret, findReceiver, type SignedRequest } from "../receive.ts";

const receiver = findReceiver("agent");
const vector = {
  secret: decodeSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp: "1614265330",
  body: Buffer.from('{"test": 2432232314}'),
  signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};

function request(
  changes: { readonly headers?: Record<string, string | undefined> } & Partial<SignedRequest> = {},
): SignedRequest {
  return {
    body: vector.body,
    secrets: [vector.secret],
    now: new Date(Number(vector.timestamp) * 1000),
    ...changes,
    headers: {
      "webhook-id": vector.id,
      "webhook-timestamp": vector.timestamp,
      "webhook-signature": vector.signature,
      ...changes.headers,
    },
  };
}

describe("the agent's signature", () => {
  it("is accepted as the test vector of Standard Webhooks has it, as a claim", () => {
    expect(receiver.verify(request())).toEqual({ ok: true, trust: "claim" });
  });

  it("may be one of several signatures under one of several secrets", () => {
    const signature = `v1,AAAA v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= ${vector.signature}`;
    const secrets = [decodeSecret("another"), vector.secret];
    expect(receiver.verify(request({ headers: { "webhook-signature": signature }, secrets })).ok).toBe(true);
  });

  it.each([
    ["without an id", { headers: { "webhook-id": undefined } }],
    ["without a signature", { headers: { "webhook-signature": "" } }],
    ["with another id", { headers: { "webhook-id": "msg_other" } }],
    ["with another timestamp", { headers: { "webhook-timestamp": "1614265331" } }],
    ["with a timestamp that is no number", { headers: { "webhook-timestamp": "now" } }],
    ["with a signature of another scheme", { headers: { "webhook-signature": vector.signature.replace("v1", "v1a") } }],
    ["with half a signature", { headers: { "webhook-signature": vector.signature.slice(0, 20) } }],
    ["with another body", { body: Buffer.from('{"test": 2432232315}') }],
    ["under no secret", { secrets: [] }],
    ["under an empty secret", { secrets: [new Uint8Array()] }],
  ])("is refused %s", (_, changes) => {
    expect(receiver.verify(request(changes)).ok).toBe(false);
  });

  it("is refused under an empty secret even if it was made with one", () => {
    const signed = createHmac("sha256", "")
      .update(`${vector.id}.${vector.timestamp}.`)
      .update(vector.body)
      .digest("base64");
    const headers = { "webhook-signature": `v1,${signed}` };
    expect(receiver.verify(request({ headers, secrets: [new Uint8Array()] })).ok).toBe(false);
  });

  it.each([
    [-300, true],
    [300, true],
    [-301, false],
    [301, false],
  ])("made %i seconds from now is accepted: %s", (seconds, ok) => {
    const now = new Date((Number(vector.timestamp) + seconds) * 1000);
    expect(receiver.verify(request({ now })).ok).toBe(ok);
  });

  it("breaks with any bit of the body", () => {
    fc.assert(
      fc.property(fc.nat(vector.body.length - 1), fc.integer({ min: 0, max: 7 }), (index, bit) => {
        const body = Buffer.from(vector.body);
        body[index] = (body[index] ?? 0) ^ (1 << bit);
        expect(receiver.verify(request({ body })).ok).toBe(false);
      }),
    );
  });
});

describe("a secret", () => {
  it("is decoded after whsec_, and its UTF-8 bytes otherwise", () => {
    expect(Buffer.from(decodeSecret("whsec_AQID")).toString("hex")).toBe("010203");
    expect(Buffer.from(decodeSecret("é")).toString("hex")).toBe("c3a9");
  });
});

describe("the id of an agent's delivery", () => {
  it("is the webhook-id, or the digest of the body", () => {
    expect(receiver.deliveryId(request())).toBe(vector.id);
    expect(receiver.deliveryId(request({ headers: { "webhook-id": undefined } }))).toMatch(/^[0-9a-f]{64}$/);
  });
});

const oid = "a".repeat(40);
const body = {
  v: 1,
  site: "server",
  vcs: "git",
  hook: "post-receive",
  occurredAt: "2026-01-02T03:04:05.678Z",
  repository: "acme/web",
  groupKey: "g",
  actor: { key: "alice", email: null },
  changes: [{ kind: "create", refType: "branch", name: "x", before: null, after: oid, forced: null, closed: false }],
  renames: [{ refType: "branch", from: "y", to: "x" }],
  sightings: [{ refType: "branch", name: "x", head: oid }],
  checkout: null,
};

const normalize = (payload: unknown) => receiver.normalize({ headers: {}, payload, receivedAt: new Date(0) });

describe("the agent's body", () => {
  it("means what it says, its actor being a claim", () => {
    expect(normalize(body)).toEqual({
      repository: { nativeId: null, name: "acme/web", vcs: "git" },
      site: "server",
      event: "post-receive",
      occurredAt: new Date("2026-01-02T03:04:05.678Z"),
      actor: { key: "alice", email: null, trust: "claim" },
      groupKey: "g",
      changes: body.changes,
      renames: body.renames,
      sightings: body.sightings,
      queued: [],
      checkout: null,
      ignored: null,
    });
  });

  it("may hold a checkout, of no branch too", () => {
    const checkout = { refType: "bookmark", name: null, revision: "b".repeat(64), workingCopy: "w" };
    expect(normalize({ ...body, site: "client", changes: [], checkout })).toMatchObject({ site: "client", checkout });
  });

  it.each([
    ["of another version", { v: 2 }, "version 2"],
    ["with an unknown member", { extra: 1 }, "unknown member"],
    ["of an unknown site", { site: "moon" }, "site"],
    ["without a repository", { repository: "" }, "repository"],
    ["with a broken time", { occurredAt: "yesterday" }, "occurredAt"],
    ["with a short revision", { sightings: [{ refType: "branch", name: "x", head: "abc" }] }, "revision"],
    ["with NUL in a name", { changes: [{ ...body.changes[0], name: "a\0b" }] }, "NUL"],
    ["with half a character in a name", { changes: [{ ...body.changes[0], name: "a\ud800" }] }, "Unicode"],
    ["with a name over 4096 bytes", { changes: [{ ...body.changes[0], name: "é".repeat(2049) }] }, "4096"],
    ["with an unknown ref type", { renames: [{ refType: "tag", from: "a", to: "b" }] }, "refType"],
    ["with changes that are no list", { changes: {} }, "changes"],
  ])("is ignored %s, saying why", (_, changes, reason) => {
    const delivery = normalize({ ...body, ...changes });
    expect(delivery).toMatchObject({ repository: null, site: "client", changes: [], checkout: null });
    expect(delivery.ignored).toContain(reason);
  });

  it("is never an error, whatever it is", () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.record({ v: fc.constant(1), changes: fc.jsonValue() })), (payload) => {
        expect(normalize(payload).ignored).toMatch(/./);
      }),
    );
  });
});
