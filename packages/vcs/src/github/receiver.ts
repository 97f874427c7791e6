import { findQueueBase, type NormalizedDelivery, type QueuedHead, type RefChange } from "@branchward/core";
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
    queued: [],
    checkout: null,
    ignored: null,
  };
  const reading = readEvent(event, json);
  if ("ignored" in reading) return { ...delivery, ignored: reading.ignored };
  if (delivery.repository === null) return { ...delivery, ignored: "no repository" };
  return { ...delivery, ...reading };
}

type Reading = { readonly ignored: string } | Partial<Pick<NormalizedDelivery, "changes" | "queued">>;

function readEvent(event: string, json: Json): Reading {
  switch (event) {
    case "push":
      return readPush(json);
    case "create":
    case "delete":
      return readRefEvent(event, json);
    case "merge_group":
      return readMergeGroup(json);
    case "repository":
      return readRepositoryEvent(json);
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
  const base = findQueueBase(name);
  if (base !== undefined && to !== null) return readQueueBranch(base, to);
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

/** `repository` of another name: that the repository now bears it is all that it tells (rule A2). */
function readRepositoryEvent({ action }: Json): Reading {
  return action === "renamed" || action === "transferred" ? {} : { ignored: "repository" };
}

/** `create` and `delete` name the ref without a revision. */
function readRefEvent(kind: "create" | "delete", { ref, ref_type: refType }: Json): Reading {
  if (refType === "tag") return { ignored: "tag" };
  if (refType !== "branch" || typeof ref !== "string") return { ignored: "not a branch" };
  if (kind === "create" && findQueueBase(ref) !== undefined) return { ignored: "merge queue" };
  return toReading({ kind, refType: "branch", name: ref, before: null, after: null, forced: null, closed: false });
}

/**
 * `merge_group` tells of a group that a merge queue tries (rule D3). That it was `destroyed` changes nothing: what was
 * told of the group stays true.
 */
function readMergeGroup({ action, merge_group: group }: Json): Reading {
  if (action !== "checks_requested") return { ignored: "merge queue" };
  if (!isRecord(group) || !isRevision(group["head_sha"])) return { ignored: "merge group without a revision" };
  const { base_ref: ref } = group;
  if (typeof ref !== "string" || !ref.startsWith(branchPrefix)) return { ignored: "merge group without a branch" };
  return toQueued({ name: ref.slice(branchPrefix.length), head: toRevision(group["head_sha"]), isBaseSeen: true });
}

/**
 * The temporary branch of a group is no branch to us: the queue alone makes, moves and deletes it, and it takes no part in
 * policy, nor in renames. Its push tells of the group where `merge_group` is not subscribed, or may not be. Its delete is
 * read like any other, and ends nothing that is not known.
 */
function readQueueBranch(base: string, head: string): Reading {
  return toQueued({ name: base, head, isBaseSeen: false });
}

function toQueued({ head, ...base }: Omit<QueuedHead, "refType" | "head"> & { readonly head: string | null }): Reading {
  if (head === null) return { ignored: "merge queue" };
  const problem = findNameProblem(base.name);
  return problem === undefined ? { queued: [{ refType: "branch", ...base, head }] } : { ignored: problem };
}

function toReading(change: RefChange): Reading {
  const problem = findNameProblem(change.name);
  return problem === undefined ? { changes: [change] } : { ignored: problem };
}
