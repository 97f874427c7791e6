import { z } from "zod";
import { defaultDisplayNameTemplate } from "../plan/entitlement-group.ts";
import type { Policy } from "../policy/types.ts";
import * as field from "./fields.ts";
import { policyShape, readPolicy, reportTwins } from "./read-policy.ts";
import { readScim } from "./read-scim.ts";
import { childOf, createReader, isRecord, quote, type Node, type Reader } from "./reader.ts";
import { suggest } from "./suggest.ts";
import type {
  AuditConfiguration,
  CiConclusion,
  CiConfiguration,
  Configuration,
  EndpointConfiguration,
  GrantConfiguration,
  RepositoryConfiguration,
  SourceConfiguration,
} from "./types.ts";
import { readYaml, type Problem, type ReadOptions } from "./yaml-source.ts";

const dayMs = 86_400_000;

/**
 * Every problem of the file at once, sorted by line, or the configuration with defaults filled in, and what it says that
 * can have no effect.
 */
export function parseConfiguration(
  text: string,
  file: string,
  options: ReadOptions = {},
): (Warned & { readonly configuration: Configuration }) | { readonly problems: readonly Problem[] } {
  const yaml = readYaml(text, file, options);
  if ("problems" in yaml) return yaml;
  const reader = createReader(yaml.source, file, options.now);
  const configuration = readConfiguration(reader, { value: yaml.source.value, path: [] });
  if (reader.problems.length === 0) return { configuration, warnings: toSorted(reader.warnings) };
  return { problems: toSorted(reader.problems) };
}

function toSorted(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

interface Warned {
  /** Sorted by line; the file counts all the same. */
  readonly warnings: readonly Problem[];
}

/** The policy part alone; the file is judged whole all the same (rule B1). */
export function parsePolicy(
  text: string,
  file: string,
  options: ReadOptions = {},
): (Warned & { readonly policy: Policy }) | { readonly problems: readonly Problem[] } {
  const parsed = parseConfiguration(text, file, options);
  if ("problems" in parsed) return parsed;
  return { policy: parsed.configuration.policy, warnings: parsed.warnings };
}

function readConfiguration(reader: Reader, root: Node): Configuration {
  const fields = reader.readFields(root, {
    ...policyShape,
    sources: z.unknown(),
    repositories: z.unknown(),
    endpoints: z.unknown(),
    ci: z.unknown(),
    audit: z.unknown(),
    accounts: z.unknown(),
    grants: z.unknown(),
    holds: z.unknown(),
    scim: z.unknown(),
  });
  for (const key of ["sources", "repositories", "endpoints"]) reportTwins(reader, childOf(root, key), "name");
  const sources = reader.readItems(childOf(root, "sources")).map((node) => readSource(reader, node));
  const endpoints = readEndpoints(reader, childOf(root, "endpoints"));
  return {
    file: reader.file,
    sources,
    repositories: reader.readItems(childOf(root, "repositories")).map((node) => readRepository(reader, node, sources)),
    endpoints,
    policy: readPolicy(reader, root, {
      endpoints: endpoints.map((endpoint) => endpoint.name),
      ungoverned: fields.ungoverned ?? "allow",
      maxCheckoutMs: fields.maxCheckout ?? dayMs,
    }),
    ci: readCi(reader, orEmpty(childOf(root, "ci"))),
    audit: readAudit(reader, orEmpty(childOf(root, "audit"))),
    accounts: { adopt: readAccounts(reader, orEmpty(childOf(root, "accounts"))) },
    grants: readGrants(reader, orEmpty(childOf(root, "grants"))),
    holds: readHolds(reader, orEmpty(childOf(root, "holds"))),
    scim: readScim(reader, orEmpty(childOf(root, "scim"))),
  };
}

function readSource(reader: Reader, node: Node): SourceConfiguration {
  const fields = reader.readFields(node, {
    name: field.name,
    type: field.oneOf(["agent", "github"]),
    secret: field.secret,
    may: field.listOf(field.oneOf(["checkout", "refs"])).default(["checkout", "refs"]),
    identity: z.unknown(),
    requireTrust: field.oneOf(["token", "claim"]).default("claim"),
    api: z.unknown(),
  });
  const apiNode = childOf(node, "api");
  if (fields.type === "agent" && apiNode.value !== undefined) reader.report(apiNode.path, "an agent has no API to ask");
  const api = reader.readFields(orEmpty(apiNode), {
    url: field.url.optional(),
    token: apiNode.value === undefined ? field.secret.optional() : field.secret,
    allow: field.listOf(field.network).default([]),
  });
  const identity = reader.readFields(orEmpty(childOf(node, "identity")), {
    attribute: field.text.default("userName"),
    match: field.oneOf(["key", "email"]).default("key"),
  });
  return {
    name: fields.name ?? writtenName(node),
    type: fields.type ?? "agent",
    secret: fields.secret ?? [],
    may: fields.may ?? [],
    isMayGiven: childOf(node, "may").value !== undefined,
    identity: { attribute: identity.attribute ?? "", match: identity.match ?? "key" },
    requireTrust: fields.requireTrust ?? "token",
    api: apiNode.value === undefined ? null : { url: api.url ?? null, token: api.token ?? [], allow: api.allow ?? [] },
  };
}

function readRepository(reader: Reader, node: Node, sources: readonly SourceConfiguration[]): RepositoryConfiguration {
  const fields = reader.readFields(node, {
    name: field.text,
    authority: field.name,
    sources: field.listOf(field.name),
  });
  const names = sources.map((source) => source.name);
  const { authority = "", sources: feeding = [] } = fields;
  for (const [index, source] of feeding.entries()) {
    if (!names.includes(source))
      reader.report([...node.path, "sources", index], `there is no source ${quote(source)}${suggest(source, names)}`);
  }
  if (fields.authority !== undefined && fields.sources !== undefined && !feeding.includes(authority)) {
    reader.report(
      [...node.path, "authority"],
      `must be one of the sources of the repository${suggest(authority, feeding)}`,
    );
  }
  if (sources.some(({ name, may }) => name === authority && may.length > 0 && !may.includes("refs"))) {
    reader.report([...node.path, "authority"], `the source ${quote(authority)} may not tell of refs`);
  }
  return { name: fields.name ?? "", authority, sources: feeding };
}

/** Without any, the built-in directory is the one endpoint. */
function readEndpoints(reader: Reader, list: Node): readonly EndpointConfiguration[] {
  const nodes =
    list.value === undefined
      ? [{ value: { name: "directory", type: "builtin" }, path: list.path }]
      : reader.readItems(list);
  const endpoints = nodes.map((node) => readEndpoint(reader, node));
  const builtins = nodes.filter((_, index) => endpoints[index]?.type === "builtin");
  for (const node of builtins.slice(1)) reader.report(node.path, "there is one built-in directory only");
  return endpoints;
}

function readEndpoint(reader: Reader, node: Node): EndpointConfiguration {
  const isBuiltin = childOf(node, "type").value === "builtin";
  const fields = reader.readFields(node, {
    name: field.name,
    type: field.oneOf(["builtin", "scim"]).default("scim"),
    url: isBuiltin ? field.builtinUrl.optional() : field.url,
    token: isBuiltin ? field.secret.optional() : field.secret,
    accounts: field.flag.default(false),
    concurrency: field.wholeNumber(1, 64).default(4),
    allow: field.listOf(field.network).default([]),
    // A restart of our own api is over sooner than that of a system that is not ours.
    probeEvery: field.durationWithin(250, 3_600_000).default(isBuiltin ? 2_000 : 30_000),
    ci: field.oneOf(["required", "advisory"]).default("required"),
    drift: field.oneOf(["repair", "report"]).default("repair"),
    displayName: field.displayName.default(defaultDisplayNameTemplate),
  });
  return {
    name: fields.name ?? writtenName(node),
    type: fields.type ?? "scim",
    url: fields.url ?? null,
    token: fields.token ?? null,
    accounts: fields.accounts ?? false,
    concurrency: fields.concurrency ?? 1,
    allow: fields.allow ?? [],
    probeEveryMs: fields.probeEvery ?? 30_000,
    ci: fields.ci ?? "required",
    drift: fields.drift ?? "report",
    displayName: fields.displayName ?? "",
  };
}

function readCi(reader: Reader, node: Node): CiConfiguration {
  const conclusion = field.oneOf(["neutral", "failure"]);
  const fields = reader.readFields(node, {
    deadline: field.durationWithin(1_000, dayMs).default(60_000),
    onDeadline: z.unknown(),
    unverifiable: field.oneOf(["degraded", "failure"]).default("degraded"),
  });
  const onDeadline = orEmpty(childOf(node, "onDeadline"));
  const names = isRecord(onDeadline.value) ? Object.keys(onDeadline.value).filter((key) => key !== "default") : [];
  const entitlements = names.filter((key) => field.entitlement.safeParse(key).success);
  const shape: Record<string, z.ZodType<CiConclusion>> = {
    ...Object.fromEntries(entitlements.map((key) => [key, conclusion])),
    default: conclusion.default("neutral"),
  };
  const { default: fallback = "neutral", ...others } = reader.readFields(onDeadline, shape);
  const byEntitlement = Object.entries(others).map(([key, value]) => [key, value ?? fallback] as const);
  return {
    deadlineMs: fields.deadline ?? 0,
    onDeadline: { default: fallback, byEntitlement: Object.fromEntries(byEntitlement) },
    unverifiable: fields.unverifiable ?? "failure",
  };
}

function readAudit(reader: Reader, node: Node): AuditConfiguration {
  const fields = reader.readFields(node, {
    interval: field.durationWithin(1_000, 30 * dayMs).default(3_600_000),
    budget: field.share.refine((value) => value > 0, { error: "must be above 0" }).default(0.1),
    minInterval: field.durationWithin(0, dayMs).default(60_000),
  });
  return { intervalMs: fields.interval ?? 0, budget: fields.budget ?? 0, minIntervalMs: fields.minInterval ?? 0 };
}

function readAccounts(reader: Reader, node: Node): "review" | "auto" {
  return reader.readFields(node, { adopt: field.oneOf(["review", "auto"]).default("review") }).adopt ?? "review";
}

function readGrants(reader: Reader, node: Node): GrantConfiguration {
  const fields = reader.readFields(node, {
    approval: field.oneOf(["required", "none"]).default("required"),
    max: field.durationWithin(60_000, 7 * dayMs).default(8 * 3_600_000),
  });
  return { approval: fields.approval ?? "required", maxMs: fields.max ?? 0 };
}

function readHolds(reader: Reader, node: Node): Configuration["holds"] {
  const { max = 0 } = reader.readFields(node, { max: field.durationWithin(60_000, 30 * dayMs).default(dayMs) });
  return { maxMs: max };
}

function orEmpty(node: Node): Node {
  return node.value === undefined ? { ...node, value: {} } : node;
}

/** The name as written, although it is faulty: references to it are no second problem. */
function writtenName(node: Node): string {
  const { value } = childOf(node, "name");
  return typeof value === "string" ? value : "";
}
