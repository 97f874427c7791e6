import type { NormalizedDelivery } from "@branchward/core";
import { digestBody, hasValidHmac } from "../signature.ts";
import {
  findHeader,
  type ParsedDelivery,
  type SignedRequest,
  type SourceReceiver,
  type Verification,
} from "../source-receiver.ts";
import { type AgentBody, parseAgentBody } from "./body.ts";

/** Standard Webhooks: how far `webhook-timestamp` may be from our clock, in either direction. */
const toleranceMs = 5 * 60_000;
const maxSignatures = 16;
const idPattern = /^[\w-]{1,200}$/;

/** Branchward's own hook agent: Standard Webhooks signatures (standardwebhooks.com, spec 1.0.0), a private body. */
export const agentReceiver: SourceReceiver = { verify, deliveryId, normalize };

function verify({ headers, body, secrets, now }: SignedRequest): Verification {
  const id = findHeader(headers, "webhook-id");
  const timestamp = findHeader(headers, "webhook-timestamp");
  const signatures = findHeader(headers, "webhook-signature");
  if (id === undefined || timestamp === undefined || signatures === undefined) {
    return { ok: false, reason: "webhook-id, webhook-timestamp or webhook-signature missing" };
  }
  if (!idPattern.test(id)) return { ok: false, reason: "malformed webhook-id" };
  if (!/^\d{1,12}$/.test(timestamp)) return { ok: false, reason: "malformed webhook-timestamp" };
  if (Math.abs(now.getTime() - Number(timestamp) * 1000) > toleranceMs) {
    return { ok: false, reason: "webhook-timestamp outside the tolerance" };
  }
  const candidates = signatures
    .split(" ", maxSignatures)
    .filter((signature) => signature.startsWith("v1,"))
    .map((signature) => Buffer.from(signature.slice("v1,".length), "base64"));
  if (!hasValidHmac([`${id}.${timestamp}.`, body], secrets, candidates)) {
    return { ok: false, reason: "signature mismatch" };
  }
  return { ok: true, trust: "claim" };
}

function deliveryId({ headers, body }: Pick<SignedRequest, "headers" | "body">): string {
  const id = findHeader(headers, "webhook-id");
  return id !== undefined && idPattern.test(id) ? id : digestBody(body);
}

function normalize({ payload }: ParsedDelivery): NormalizedDelivery {
  const parsed = parseAgentBody(payload);
  return parsed.ok ? toDelivery(parsed.body) : toIgnored(parsed.reason);
}

function toDelivery({ vcs, hook, repository, actor, ...rest }: AgentBody): NormalizedDelivery {
  return {
    ...rest,
    event: hook,
    repository: { nativeId: null, name: repository, vcs },
    actor: actor === null ? null : { ...actor, trust: "claim" },
    queued: [],
    ignored: null,
  };
}

/** Nothing of a body that breaks our own contract is believed, its site least of all. */
function toIgnored(reason: string): NormalizedDelivery {
  return {
    repository: null,
    site: "client",
    event: "unknown",
    occurredAt: null,
    actor: null,
    groupKey: null,
    changes: [],
    renames: [],
    sightings: [],
    queued: [],
    checkout: null,
    ignored: reason,
  };
}
