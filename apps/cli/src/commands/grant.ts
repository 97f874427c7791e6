import { formatDuration } from "@branchward/core";
import { type GrantItem, grantItem, page } from "@branchward/core/api";
import { connectApi, type ConnectionOptions } from "../api-client.ts";
import { type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

interface Common extends ConnectionOptions {
  readonly json?: boolean;
}

interface RequestOptions extends Common {
  readonly user: string;
  readonly entitlement: string;
  readonly repository: string;
  readonly branch: string;
  readonly refType?: string;
  readonly for: string;
  readonly reason: string;
}

/** `branchward grant USER ENTITLEMENT REPOSITORY BRANCH`: asks for an emergency grant (rule B9). */
export async function request(context: CommandContext, options: RequestOptions): Promise<number> {
  const api = await connectApi(context, options);
  const { user, entitlement, repository, branch, refType, reason } = options;
  const body = { user, entitlement, repository, branch, for: options.for, reason, ...(refType && { refType }) };
  return show(context, await api.post("/v1/grants", body, grantItem), options);
}

export type Decision = "approve" | "reject" | "revoke";

/** `branchward grant approve|reject|revoke ID`. */
export async function decide(
  context: CommandContext,
  options: Common & { readonly id: string; readonly decision: Decision },
): Promise<number> {
  const api = await connectApi(context, options);
  const path = `/v1/grants/${encodeURIComponent(options.id)}/${options.decision}`;
  return show(context, await api.post(path, {}, grantItem), options);
}

/** `branchward grant list`. */
export async function list(
  context: CommandContext,
  options: Common & { readonly limit: number; readonly state?: string },
): Promise<number> {
  const api = await connectApi(context, options);
  const query = new URLSearchParams({ limit: String(options.limit), ...(options.state && { state: options.state }) });
  const { items } = await api.get(`/v1/grants?${query.toString()}`, page(grantItem));
  if (options.json === true) writeJson(context, items);
  for (const grant of options.json === true ? [] : items) writeLine(context.stdout, describe(grant));
  return EXIT.ok;
}

function show(context: CommandContext, grant: GrantItem, { json }: Common): number {
  if (json === true) writeJson(context, grant);
  else writeLine(context.stdout, describe(grant));
  if (json !== true && grant.state === "requested") {
    writeLine(context.stderr, `it gives nothing yet; another admin approves it: branchward grant approve ${grant.id}`);
  }
  return EXIT.ok;
}

function describe(grant: GrantItem): string {
  const { id, state, user, userId, entitlement, repository, branch, reason, requestedBy, forMs } = grant;
  const asked = `${user ?? userId} ${entitlement} ${repository}:${branch} for ${formatDuration(forMs)}`;
  return `${id}  ${state}${describeState(grant)}  ${asked}  asked by ${requestedBy}: ${reason}`;
}

function describeState({ state, decidedBy, expiresAt, endedBy }: GrantItem): string {
  if (state === "approved") return ` by ${decidedBy ?? ""} until ${expiresAt ?? ""}`;
  if (state === "rejected") return ` by ${decidedBy ?? ""}`;
  return state === "revoked" ? ` by ${endedBy ?? ""}` : "";
}
