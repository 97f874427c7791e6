/** The part of the configuration that says who may do what. */
import { z } from "zod";
import type { Pattern } from "../policy/pattern.ts";
import type { Bot, Deny, Exclusive, Grant, Guards, Place, Policy, PolicyRule } from "../policy/types.ts";
import { foldName } from "../fold-name.ts";
import { formatDuration } from "../duration.ts";
import * as field from "./fields.ts";
import { childOf, formatPath, quote, type Node, type Reader } from "./reader.ts";
import { suggest } from "./suggest.ts";
import { warnOfGrant, warnOfPatterns } from "./warn-policy.ts";

type Patterns = readonly Pattern[] | undefined;

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** What a policy names that stands elsewhere in the file. */
export interface PolicyContext {
  /** Names as written, also those of faulty endpoints and bots: they must not cause a second problem. */
  readonly endpoints: readonly string[];
  readonly bots: readonly string[];
  readonly ceilings: readonly Bot[];
  readonly maxCheckoutMs: number;
}

export const policyShape = {
  policy: z.unknown(),
  bots: z.unknown(),
  guards: z.unknown(),
  ungoverned: field.oneOf(["allow", "deny"]).default("allow"),
  maxCheckout: field.durationWithin(1, 365 * dayMs).default(dayMs),
};

/** Reads `policy`, `bots` and `guards` below the root; the two scalars are given. */
export function readPolicy(
  reader: Reader,
  root: Node,
  given: {
    readonly endpoints: readonly string[];
    readonly ungoverned: Policy["ungoverned"];
    readonly maxCheckoutMs: number;
  },
): Policy {
  const bots = reader.readItems(childOf(root, "bots")).map((node) => readBot(reader, node));
  const context: PolicyContext = { ...given, bots: bots.map((bot) => foldName(bot.userName)), ceilings: bots };
  reportTwins(reader, childOf(root, "bots"), "user", foldName);
  return {
    rules: reader.readItems(childOf(root, "policy")).map((node) => readRule(reader, node, context)),
    bots,
    guards: readGuards(reader, childOf(root, "guards")),
    ungoverned: given.ungoverned,
    maxCheckoutMs: given.maxCheckoutMs,
  };
}

function readRule(reader: Reader, node: Node, context: PolicyContext): PolicyRule {
  const fields = reader.readFields(node, {
    repositories: field.listOf(field.pattern),
    branches: field.listOf(field.pattern),
    grants: z.unknown(),
    deny: z.unknown(),
    exclusive: field.listOf(field.entitlement).min(2, { error: "must name at least two" }).optional(),
  });
  const grantNodes = reader.readItems(childOf(node, "grants"));
  const grants = grantNodes.map((grant) => readGrant(reader, grant, context));
  const deny = reader.readItems(childOf(node, "deny")).map((each) => readDeny(reader, each, context));
  const exclusiveNode = childOf(node, "exclusive");
  const exclusive: Exclusive | null =
    fields.exclusive === undefined ? null : { ...placeOf(reader, exclusiveNode), entitlements: fields.exclusive };
  if (grants.length + deny.length === 0 && exclusiveNode.value === undefined) {
    reader.report(node.path, "says nothing: a rule has grants, deny or exclusive");
  }
  warnOfPlaces(reader, node, fields);
  for (const [index, grantNode] of grantNodes.entries()) {
    const grant = grants[index];
    if (grant !== undefined) warnOfGrant(reader, grantNode, { grant, denies: deny, bots: context.ceilings });
  }
  return {
    ...placeOf(reader, node),
    repositories: fields.repositories ?? [],
    branches: fields.branches ?? [],
    grants,
    deny,
    exclusive,
  };
}

function readGrant(reader: Reader, node: Node, context: PolicyContext): Grant {
  const fields = reader.readFields(node, {
    entitlement: field.entitlement,
    to: field.listOf(field.principal),
    endpoints: field.listOf(field.name).optional(),
    when: field.oneOf(["checkout"]).optional(),
    for: field.duration.optional(),
    requireTrust: field.oneOf(["token", "claim"]).optional(),
    until: field.instant.optional(),
    atLeast: field.wholeNumber(1, 10_000).optional(),
  });
  checkCheckout(reader, node, context.maxCheckoutMs);
  checkBots(reader, node, context);
  const requireTrust = fields.requireTrust ?? "claim";
  for (const [index, endpoint] of (fields.endpoints ?? []).entries()) {
    if (context.endpoints.includes(endpoint)) continue;
    reader.report(
      [...node.path, "endpoints", index],
      `there is no endpoint ${quote(endpoint)}${suggest(endpoint, context.endpoints)}`,
    );
  }
  return {
    ...placeOf(reader, node),
    entitlement: fields.entitlement ?? "",
    to: fields.to ?? [],
    endpoints: fields.endpoints ?? null,
    checkout: fields.when === "checkout" ? { forMs: fields.for ?? 0, requireTrust } : null,
    until: fields.until ?? null,
    atLeast: fields.atLeast ?? 0,
  };
}

/** `for` and `requireTrust` belong to `when: checkout`, which needs a `for` (rule B6). */
function checkCheckout(reader: Reader, node: Node, maxCheckoutMs: number): void {
  const [when, length, trust] = ["when", "for", "requireTrust"].map((key) => childOf(node, key));
  const forMs = field.duration.safeParse(length?.value).data;
  if (when?.value === "checkout") {
    if (length?.value === undefined) reader.report(node.path, "for is required with when: checkout");
    if (length && forMs === 0) reader.report(length.path, "must be longer than nothing");
    if (length && forMs !== undefined && forMs > maxCheckoutMs) {
      reader.report(length.path, `must be at most maxCheckout, ${formatDuration(maxCheckoutMs)}`);
    }
  } else if (when?.value === undefined) {
    for (const extra of [length, trust]) {
      if (extra?.value !== undefined) reader.report(extra.path, "belongs to a grant with when: checkout");
    }
  }
}

function readDeny(reader: Reader, node: Node, context: PolicyContext): Deny {
  const fields = reader.readFields(node, { entitlement: field.entitlement, to: field.listOf(field.principal) });
  checkBots(reader, node, context);
  return { ...placeOf(reader, node), entitlement: fields.entitlement ?? "", to: fields.to ?? [] };
}

/** A bot has a ceiling before it has anything (rule B7). */
function checkBots(reader: Reader, node: Node, context: PolicyContext): void {
  const to = childOf(node, "to");
  if (!Array.isArray(to.value)) return;
  for (const [index, value] of to.value.entries()) {
    const principal = field.principal.safeParse(value).data;
    if (principal?.kind !== "bot" || context.bots.includes(foldName(principal.userName))) continue;
    reader.report(
      [...to.path, index],
      `there is no bot ${quote(principal.userName)} under bots${suggest(principal.userName, context.bots)}`,
    );
  }
}

function readBot(reader: Reader, node: Node): Bot {
  const fields = reader.readFields(node, { user: field.text, ceiling: z.unknown() });
  const ceilingNode = childOf(node, "ceiling");
  const everything = field.fixedPattern.parse("**");
  const place = placeOf(reader, node);
  const userName = fields.user ?? "";
  if (ceilingNode.value === undefined) {
    reader.report(node.path, "ceiling is required");
    return { ...place, userName, entitlements: [], repositories: [], branches: [], hours: null };
  }
  const ceiling = reader.readFields(ceilingNode, {
    entitlements: field.listOf(field.entitlement),
    branches: field.listOf(field.fixedPattern),
    repositories: field.listOf(field.fixedPattern).optional(),
    hours: field.hours.optional(),
  });
  warnOfPlaces(reader, ceilingNode, ceiling);
  return {
    ...place,
    userName,
    entitlements: ceiling.entitlements ?? [],
    repositories: ceiling.repositories ?? [everything],
    branches: ceiling.branches ?? [],
    hours: ceiling.hours ?? null,
  };
}

function warnOfPlaces(
  reader: Reader,
  node: Node,
  { repositories = [], branches = [] }: { readonly repositories?: Patterns; readonly branches?: Patterns },
): void {
  warnOfPatterns(reader, childOf(node, "repositories"), { kind: "repository", patterns: repositories });
  warnOfPatterns(reader, childOf(node, "branches"), { kind: "branch", patterns: branches });
}

function readGuards(reader: Reader, node: Node): Guards {
  const fields = reader.readFields(node.value === undefined ? { ...node, value: {} } : node, {
    maxRemovals: field.wholeNumber(0, 1_000_000).default(5),
    maxRemovalShare: field.share.default(0.1),
    window: field.durationWithin(1_000, 30 * dayMs).default(hourMs),
    maxDeactivations: field.wholeNumber(0, 1_000_000).default(20),
    maxDeactivationShare: field.share.default(0.05),
  });
  return {
    maxRemovals: fields.maxRemovals ?? 0,
    maxRemovalShare: fields.maxRemovalShare ?? 0,
    windowMs: fields.window ?? 0,
    maxDeactivations: fields.maxDeactivations ?? 0,
    maxDeactivationShare: fields.maxDeactivationShare ?? 0,
  };
}

/** Two items of a list under one name. */
export function reportTwins(
  reader: Reader,
  list: Node,
  key: string,
  fold: (name: string) => string = (name) => name,
): void {
  const seen = new Set<string>();
  if (!Array.isArray(list.value)) return;
  for (const index of list.value.keys()) {
    const name = childOf({ value: list.value[index], path: [...list.path, index] }, key);
    if (typeof name.value !== "string") continue;
    if (seen.has(fold(name.value))) reader.report(name.path, `${quote(name.value)} is there twice`);
    seen.add(fold(name.value));
  }
}

function placeOf(reader: Reader, node: Node): Place & { readonly rule: string } {
  return { rule: formatPath(node.path), file: reader.file, line: reader.lineOf(node) };
}
