/** Policy versions on the command line: which there are, what one would do, and a person's word on one that waits. */
import {
  page,
  policyPlanDocument,
  type PolicyVersionItem,
  policyVersionDetails,
  policyVersionItem,
  proposedVersion,
} from "@branchward/core/api";
import { type ApiClient, connectApi, type ConnectionOptions } from "../api-client.ts";
import { CommandError, type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";
import { describePlan } from "./describe-plan.ts";

interface Options extends ConnectionOptions {
  readonly limit: number;
  readonly json?: boolean;
}

interface VersionOptions extends Options {
  readonly version: string;
}

/** `branchward plan versions`. */
export async function list(context: CommandContext, options: Options): Promise<number> {
  const api = await connectApi(context, options);
  const { items } = await api.get(`/v1/policy/versions?limit=${options.limit}`, page(policyVersionItem));
  if (options.json === true) writeJson(context, items);
  else for (const version of items) for (const line of tellVersion(version)) writeLine(context.stdout, line);
  return EXIT.ok;
}

/** `branchward plan show`: of a version that waits, what it would do by now; exit 1 while it waits. */
export async function show(
  context: CommandContext,
  options: Options & { readonly version?: string | undefined },
): Promise<number> {
  const api = await connectApi(context, options);
  const version = await getVersion(api, options.version ?? (await findWaiting(api)));
  const isHeld = version.state === "held";
  const { text, file } = version;
  const plan = isHeld ? await api.post("/v1/policy/plan", { text, file }, policyPlanDocument) : null;
  if (options.json === true) writeJson(context, { version, plan });
  else {
    for (const line of tellVersion(version)) writeLine(context.stdout, line);
    if (plan !== null) for (const line of ["", ...describePlan(plan, options.limit)]) writeLine(context.stdout, line);
    if (isHeld) for (const line of tellChoices(version)) writeLine(context.stdout, line);
  }
  return isHeld ? EXIT.failed : EXIT.ok;
}

/** `branchward plan approve`: binds the approval to the plan as the version shows it, or as it was reviewed. */
export async function approve(
  context: CommandContext,
  options: VersionOptions & { readonly digest?: string },
): Promise<number> {
  const api = await connectApi(context, options);
  const shown = await getVersion(api, options.version);
  const digest = options.digest ?? shown.planDigest;
  if (shown.state !== "held" || digest === null) {
    throw new CommandError(EXIT.failed, `version ${shown.id} waits for no approval: it is ${shown.state}`);
  }
  const answer = await api.post(`${toPath(shown.id)}/approve`, { digest }, proposedVersion);
  if (options.json === true) writeJson(context, answer);
  else {
    for (const { message } of shown.plan?.holds ?? []) writeLine(context.stdout, `  approved: ${message}`);
    for (const line of tellVersion(answer.version)) writeLine(context.stdout, line);
  }
  return answer.state === "held" ? EXIT.failed : EXIT.ok;
}

/** `branchward plan reject`. */
export async function reject(
  context: CommandContext,
  { version: id, reason, ...options }: VersionOptions & { readonly reason?: string },
): Promise<number> {
  const api = await connectApi(context, options);
  const body = reason === undefined ? {} : { reason };
  const version = await api.post(`${toPath(id)}/reject`, body, policyVersionItem);
  if (options.json === true) writeJson(context, version);
  else for (const line of tellVersion(version)) writeLine(context.stdout, line);
  return EXIT.ok;
}

function toPath(id: string): string {
  return `/v1/policy/versions/${encodeURIComponent(id)}`;
}

function getVersion(api: ApiClient, id: string) {
  return api.get(toPath(id), policyVersionDetails);
}

/** At most one waits: a newer one takes an older one's place. */
async function findWaiting(api: ApiClient): Promise<string> {
  const { items } = await api.get("/v1/policy/versions?limit=200", page(policyVersionItem));
  const waiting = items.find(({ state }) => state === "held");
  if (waiting !== undefined) return waiting.id;
  throw new CommandError(EXIT.failed, "no policy version waits for approval; branchward plan versions lists all");
}

function tellVersion(version: PolicyVersionItem): readonly string[] {
  const { id, state, author, file, proposedAt, activatedAt, decidedBy, decidedAt, reason } = version;
  const origin = version.origin === "file" ? `by ${file}` : `by ${author}`;
  const force = activatedAt === null ? "" : `, in force since ${activatedAt}`;
  const decided =
    decidedBy === null ? "" : `, ${activatedAt === null ? "refused" : "approved"} by ${decidedBy} ${decidedAt ?? ""}`;
  return [
    `${id}  ${state}  proposed ${proposedAt} ${origin}${force}${decided}`,
    ...(reason === null ? [] : [`  ${reason}`]),
  ];
}

function tellChoices({ id, planDigest }: PolicyVersionItem): readonly string[] {
  return [
    "",
    `approve: branchward plan approve ${id} --digest ${planDigest ?? ""}`,
    `refuse:  branchward plan reject ${id} --reason TEXT`,
  ];
}
