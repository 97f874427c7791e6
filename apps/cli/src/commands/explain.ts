import { parseInstant } from "@branchward/core";
import { type Access, access } from "@branchward/core/api";
import { connectApi, type ConnectionOptions } from "../api-client.ts";
import { CommandError, type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

export interface ExplainOptions extends ConnectionOptions {
  readonly user: string;
  readonly entitlement: string;
  readonly repository: string;
  readonly branch: string;
  readonly refType?: string;
  readonly at?: string;
  readonly json?: boolean;
}

/** `branchward explain`: exit 0 whatever the answer, which is on stdout. */
export async function explain(context: CommandContext, options: ExplainOptions): Promise<number> {
  const { user, entitlement, repository, branch, refType, at } = options;
  const query = new URLSearchParams({
    user,
    entitlement,
    repository,
    branch,
    details: "true",
    ...(refType === undefined ? {} : { refType }),
    ...(at === undefined ? {} : { at: readTime(at) }),
  });
  const api = await connectApi(context, options);
  const answer = await api.get(`/v1/access?${query.toString()}`, access);
  if (options.json === true) writeJson(context, answer);
  else for (const line of describe(answer)) writeLine(context.stdout, line);
  return EXIT.ok;
}

function readTime(text: string): string {
  const at = parseInstant(text);
  if (at !== undefined) return at.toISOString();
  throw new CommandError(
    EXIT.usage,
    `--at ${text}: expected a time with its zone, such as 2026-11-17T09:00:00Z, or a day, as it begins in UTC`,
  );
}

function describe(answer: Access): readonly string[] {
  const { reasons, checkouts = [], endpoints = [], policyVersion } = answer;
  const version = policyVersion === undefined ? [] : [`  by policy version ${policyVersion}`];
  return [
    describeAnswer(answer),
    ...reasons.map(describeReason),
    ...checkouts.map(({ workingCopy, trust, startedAt, until }) => {
      const gives = until === null ? "which gives nothing of it" : `until ${until}`;
      return `  checkout ${workingCopy} since ${startedAt} (${trust}), ${gives}`;
    }),
    ...endpoints.map(describeEndpoint),
    ...version,
  ];
}

function describeAnswer({ user, entitlement, repository, branch, governed, allowed, at }: Access): string {
  const [may, mayNot] = at === undefined ? ["may", "may not"] : ["could", "could not"];
  const verb = allowed === null ? "may or may not have had (unknown)" : allowed ? may : mayNot;
  const when = at === undefined ? "" : ` at ${at}`;
  return `${user} ${verb} ${entitlement} ${repository}:${branch}${when}${governed ? "" : " (not governed)"}`;
}

function describeReason({ decides, rule, file, line, text, group, path }: Access["reasons"][number]): string {
  const way = path.length > 1 ? `, by ${path.join(" > ")}` : "";
  const through = group === null || text.includes(group) ? way : `, through ${group}${way}`;
  const place = file === null ? "" : ` (${rule ?? ""} at ${file}:${line ?? 0})`;
  return `  ${decides ? "→" : " "} ${text}${through}${place}`;
}

type AccessEndpoint = NonNullable<Access["endpoints"]>[number];

function describeEndpoint(endpoint: AccessEndpoint): string {
  const { held, hold, withheld, notAdded } = endpoint;
  const account = held === null ? describeAccount(endpoint) : "";
  const kept = withheld ? ", its removal withheld by a guard" : "";
  const left = notAdded === null ? "" : `, the addition withheld: a group of the policy is missing`;
  const rest =
    hold === null ? "" : `; ${hold.madeBy} holds repair until ${hold.until}: ${hold.reason} (hold ${hold.id})`;
  return `  at ${endpoint.endpoint}: ${describeProof(endpoint)}; ${describeHeld(held)}${account}${kept}${left}${rest}`;
}

function describeProof({ verdict, verifiedAgeMs, retired }: AccessEndpoint): string {
  if (retired) return "retired, nothing is given there";
  if (verifiedAgeMs === null) return `${verdict ?? "pending"}, never verified`;
  const age = `${describeAge(verifiedAgeMs)} before`;
  return verdict === "verified" ? `verified ${age}` : `${verdict ?? "pending"}, last verified ${age}`;
}

/** Why nobody can be added who has no account to add. */
function describeAccount({ endpoint, account }: AccessEndpoint): string {
  if (account === null || account === "linked") return "";
  const kind = account === "missing" ? "no account of theirs is there" : `the account there is ${account}`;
  return `: ${kind} (branchward endpoints accounts ${endpoint})`;
}

/** The ledger opens an entry before the write that gives: that the endpoint took it, a read alone shows. */
function describeHeld(held: AccessEndpoint["held"]): string {
  if (held === null) return "not held there";
  const { grantedAt, verifiedAt } = held;
  return verifiedAt === null
    ? `to be added there since ${grantedAt}; no read has shown it`
    : `held there since ${grantedAt}`;
}

function describeAge(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
