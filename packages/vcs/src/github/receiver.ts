import type { NormalizedDelivery, RefChange } from "@branchward/core";
import { findNameProblem, isRevision, toRevision } from "../ref.ts";
import { digestBody, hasValidHmac } from "../signature.ts";
import {
  findHeader,
  type ParsedDelivery,
  type SignedRequest,
  type SourceReceiver,
  type Verification,
} from "../source-receiver.ts";
import { findActor, findRepository, isRecord, type Json } from "./payload.ts";

const maxDeliveryIdLength = 200;
const branchPrefix = "refs/heads/";

/** GitHub repository, organization and App webhooks (docs.github.com/webhooks). */
export const githubReceiver: SourceReceiver = { verify, deliveryId, normalize };

function verify({ headers, body, secrets }: SignedRequest): Verification {
  const signature = findHeader(headers, "x-hub-signature-256");
  if (signature === undefined) return { ok: false, reason: "no X-Hub-Signature-256" };
  const hex = /^sha256=([0-9a-f]{64})$/.exec(signature)?.[1];
  if (hex === undefined) return { ok: false, reason: "malformed X-Hub-Signature-256" };
  if (!hasValidHmac([body], secrets, [Buffer.from(hex, "hex")])) return { ok: false, reason: "signature mismatch" };
  return { ok: true, trust: "claim" };
}

function deliveryId({ headers, body }: Pick<SignedRequest, "headers" | "body">): string {
  const id = findHeader(headers, "x-github-delivery");
  return id !== undefined && id.length <= maxDeliveryIdLength ? id : digestBody(body);
}

function normalize({ headers, payload }: ParsedDelivery): NormalizedDelivery {
  const event = findHeader(headers, "x-github-event") ?? "unknown";
  const json = isRecord(payload) ? payload : {};
  const delivery: NormalizedDelivery = {
    repository: findRepository(json),
    site: "server",
    event,
    occurredAt: null,
    actor: findActor(json),
    groupKey: null,
    changes: [],
    renames: [],
    sightings: [],
    checkout: null,
    ignored: null,
  };
  const reading = readChange(event, json);
  if (reading.ignored !== null) return { ...delivery, ignored: reading.ignored };
  if (delivery.repository === null) return { ...delivery, ignored: "no repository" };
  return { ...delivery, changes: [reading.change] };
}

type Reading = { readonly change: RefChange; readonly ignored: null } | { readonly ignored: string };

function readChange(event: string, json: Json): Reading {
  switch (event) {
    case "push":
      return readPush(json);
    case "create":
    case "delete":
      return readRefEvent(event, json);
    default:
      return { ignored: event };
  }
}

function readPush({ ref, before, after, forced }: Json): Reading {
  if (typeof ref !== "string") return { ignored: "push without a ref" };
  if (!ref.startsWith(branchPrefix)) return { ignored: ref.startsWith("refs/tags/") ? "tag" : "not a branch" };
  if (!isRevision(before) || !isRevision(after)) return { ignored: "malformed revision" };
  const name = ref.slice(branchPrefix.length);
  const from = toRevision(before);
  const to = toRevision(after);
  if (from === null && to === null) return { ignored: "push from nothing to nothing" };
  const kind = to === null ? "delete" : from === null ? "create" : "push";
  return toReading({
    kind,
    refType: "branch",
    name,
    before: from,
    after: to,
    forced: kind === "push" && typeof forced === "boolean" ? forced : null,
    closed: false,
  });
}

/** `create` and `delete` name the ref without a revision. */
function readRefEvent(kind: "create" | "delete", { ref, ref_type: refType }: Json): Reading {
  if (refType === "tag") return { ignored: "tag" };
  if (refType !== "branch" || typeof ref !== "string") return { ignored: "not a branch" };
  return toReading({ kind, refType: "branch", name: ref, before: null, after: null, forced: null, closed: false });
}

function toReading(change: RefChange): Reading {
  const problem = findNameProblem(change.name);
  return problem === undefined ? { change, ignored: null } : { ignored: problem };
}
