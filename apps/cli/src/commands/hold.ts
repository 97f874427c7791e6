import { type HoldItem, holdItem, page } from "@branchward/core/api";
import { connectApi, type ConnectionOptions } from "../api-client.ts";
import { type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

interface Common extends ConnectionOptions {
  readonly json?: boolean;
}

interface MakeOptions extends Common {
  readonly repository: string;
  readonly branch?: string;
  readonly refType?: string;
  readonly endpoint?: string;
  readonly for: string;
  readonly reason: string;
}

/** `branchward hold REPOSITORY [BRANCH]`: suspends repair for a while; revocations go on. */
export async function make(context: CommandContext, options: MakeOptions): Promise<number> {
  const api = await connectApi(context, options);
  const { repository, branch, refType, endpoint, reason } = options;
  const given = { ...(branch && { branch }), ...(refType && { refType }), ...(endpoint && { endpoint }) };
  return show(
    context,
    await api.post("/v1/holds", { repository, for: options.for, reason, ...given }, holdItem),
    options,
  );
}

/** `branchward hold list`. */
export async function list(
  context: CommandContext,
  options: Common & { readonly limit: number; readonly state?: string },
): Promise<number> {
  const api = await connectApi(context, options);
  const query = new URLSearchParams({ limit: String(options.limit), ...(options.state && { state: options.state }) });
  const { items } = await api.get(`/v1/holds?${query.toString()}`, page(holdItem));
  if (options.json === true) writeJson(context, items);
  for (const hold of options.json === true ? [] : items) writeLine(context.stdout, describe(hold));
  return EXIT.ok;
}

/** `branchward hold end ID`: ends one before its time. */
export async function end(context: CommandContext, options: Common & { readonly id: string }): Promise<number> {
  const api = await connectApi(context, options);
  return show(context, await api.post(`/v1/holds/${encodeURIComponent(options.id)}/end`, {}, holdItem), options);
}

function show(context: CommandContext, hold: HoldItem, { json }: Common): number {
  if (json === true) writeJson(context, hold);
  else writeLine(context.stdout, describe(hold));
  return EXIT.ok;
}

function describe({ id, state, repository, branch, endpoint, until, madeBy, reason, endedBy }: HoldItem): string {
  const where = `${repository}${branch === null ? "" : `:${branch}`}${endpoint === null ? "" : ` at ${endpoint}`}`;
  const ended = endedBy === null ? ` until ${until}` : ` by ${endedBy}`;
  return `${id}  ${state}${ended}  ${where}  by ${madeBy}: ${reason}`;
}
