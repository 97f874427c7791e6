import type { CheckoutClaim, RefChange, RefSighting, RefType, Site, Vcs } from "@branchward/core";
import { findNameProblem, isRevision, toRevision } from "../ref.ts";

/** What the hook agent (`src/hooks/agent/`) sends. Private to this package: both ends change together, `v` tells them apart. */
export interface AgentBody {
  readonly site: Site;
  readonly vcs: Vcs;
  readonly hook: string;
  readonly occurredAt: Date;
  readonly repository: string;
  readonly groupKey: string | null;
  readonly actor: { readonly key: string; readonly email: string | null } | null;
  readonly changes: readonly RefChange[];
  readonly renames: readonly { readonly refType: RefType; readonly from: string; readonly to: string }[];
  readonly sightings: readonly RefSighting[];
  readonly checkout: CheckoutClaim | null;
}

export type ParsedAgentBody =
  | { readonly ok: true; readonly body: AgentBody }
  | { readonly ok: false; readonly reason: string };

/** The first thing found wrong; becomes the reason for which the delivery is ignored. */
class BodyProblem extends Error {}

/** Strict: an unknown version, key or value makes the whole body unusable, with the reason and where it stands. */
export function parseAgentBody(payload: unknown): ParsedAgentBody {
  try {
    return { ok: true, body: readBody(payload) };
  } catch (error) {
    if (error instanceof BodyProblem) return { ok: false, reason: `agent body: ${error.message}` };
    throw error;
  }
}

const bodyKeys = [
  "v",
  "site",
  "vcs",
  "hook",
  "occurredAt",
  "repository",
  "groupKey",
  "actor",
  "changes",
  "renames",
  "sightings",
  "checkout",
];

function readBody(payload: unknown): AgentBody {
  const version = typeof payload === "object" && payload !== null && "v" in payload ? payload.v : undefined;
  if (version !== 1) throw new BodyProblem(`version ${JSON.stringify(version) ?? "missing"} is not understood`);
  const body = readObject(payload, bodyKeys, "body");
  return {
    site: readOneOf(body.site, ["client", "server"] as const, "site"),
    vcs: readOneOf(body.vcs, ["git", "hg"] as const, "vcs"),
    hook: readText(body.hook, "hook", 100),
    occurredAt: readInstant(body.occurredAt),
    repository: readText(body.repository, "repository", 1024),
    groupKey: orNull(body.groupKey, (value) => readText(value, "groupKey", 512)),
    actor: orNull(body.actor, readActor),
    changes: readList(body.changes, "changes", readChange),
    renames: readList(body.renames, "renames", readRename),
    sightings: readList(body.sightings, "sightings", readSighting),
    checkout: orNull(body.checkout, readCheckout),
  };
}

function readActor(value: unknown): AgentBody["actor"] {
  const { key, email } = readObject(value, ["key", "email"], "actor");
  return { key: readText(key, "actor.key", 512), email: orNull(email, (text) => readText(text, "actor.email", 512)) };
}

function readChange(value: unknown, at: string): RefChange {
  const change = readObject(value, ["kind", "refType", "name", "before", "after", "forced", "closed"], at);
  return {
    kind: readOneOf(change.kind, ["create", "delete", "push"] as const, `${at}.kind`),
    refType: readRefType(change.refType, at),
    name: readName(change.name, at),
    before: readRevision(change.before, at),
    after: readRevision(change.after, at),
    forced: orNull(change.forced, (flag) => readFlag(flag, `${at}.forced`)),
    closed: readFlag(change.closed, `${at}.closed`),
  };
}

function readRename(value: unknown, at: string): AgentBody["renames"][number] {
  const { refType, from, to } = readObject(value, ["refType", "from", "to"], at);
  return { refType: readRefType(refType, at), from: readName(from, at), to: readName(to, at) };
}

function readSighting(value: unknown, at: string): RefSighting {
  const { refType, name, head } = readObject(value, ["refType", "name", "head"], at);
  return { refType: readRefType(refType, at), name: readName(name, at), head: readRevision(head, at) };
}

function readCheckout(value: unknown): CheckoutClaim {
  const at = "checkout";
  const checkout = readObject(value, ["refType", "name", "revision", "workingCopy"], at);
  return {
    refType: readRefType(checkout.refType, at),
    name: orNull(checkout.name, (name) => readName(name, at)),
    revision: readRevision(checkout.revision, at),
    workingCopy: readText(checkout.workingCopy, `${at}.workingCopy`, 128),
  };
}

function readObject(value: unknown, keys: readonly string[], at: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new BodyProblem(`${at} is no object`);
  const record: Record<string, unknown> = { ...value };
  if (Object.keys(record).some((key) => !keys.includes(key))) throw new BodyProblem(`${at} has an unknown member`);
  return record;
}

function readList<Item>(value: unknown, at: string, read: (item: unknown, at: string) => Item): readonly Item[] {
  if (!Array.isArray(value)) throw new BodyProblem(`${at} is no list`);
  return value.map((item, index) => read(item, `${at}[${index}]`));
}

function readText(value: unknown, at: string, maxLength: number): string {
  if (typeof value !== "string" || value === "") throw new BodyProblem(`${at} is no text`);
  if (value.length > maxLength) throw new BodyProblem(`${at} is over ${maxLength} characters`);
  if (value.includes("\0") || !value.isWellFormed()) throw new BodyProblem(`${at} is not valid Unicode text`);
  return value;
}

function readName(value: unknown, at: string): string {
  if (typeof value !== "string") throw new BodyProblem(`${at} has no name`);
  const problem = findNameProblem(value);
  if (problem !== undefined) throw new BodyProblem(`${at}: ${problem}`);
  return value;
}

function readRefType(value: unknown, at: string): RefType {
  return readOneOf(value, ["branch", "bookmark", "topic"] as const, `${at}.refType`);
}

function readRevision(value: unknown, at: string): string | null {
  if (value === null) return null;
  if (!isRevision(value)) throw new BodyProblem(`${at}: malformed revision`);
  return toRevision(value);
}

function readFlag(value: unknown, at: string): boolean {
  if (typeof value !== "boolean") throw new BodyProblem(`${at} is neither true nor false`);
  return value;
}

function readInstant(value: unknown): Date {
  const instant = typeof value === "string" ? new Date(value) : undefined;
  if (instant === undefined || Number.isNaN(instant.getTime())) throw new BodyProblem("occurredAt is no instant");
  return instant;
}

function readOneOf<Value extends string>(value: unknown, values: readonly Value[], at: string): Value {
  const found = values.find((candidate) => candidate === value);
  if (found === undefined) throw new BodyProblem(`${at} is not one of ${values.join(", ")}`);
  return found;
}

function orNull<Value>(value: unknown, read: (value: unknown) => Value): Value | null {
  return value === null ? null : read(value);
}
