import { enrolmentMade, tokenItem, tokenMade } from "@branchward/core/api";
import { z } from "zod";
import { connectApi, type ConnectionOptions, detailOf } from "../api-client.ts";
import { CommandError, type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

interface Common extends ConnectionOptions {
  readonly json?: boolean;
}

interface CreateOptions extends Common {
  readonly client?: string;
  readonly scope: string;
  readonly expires: number;
  readonly user?: string;
  readonly device?: string;
}

/** A client's token; for scope `agent` the one-time code by which a user gets a device's. */
export async function create(context: CommandContext, options: CreateOptions): Promise<number> {
  const { client, scope, expires, user } = options;
  if (scope === "agent") return createCode(context, options);
  if (client === undefined || user !== undefined) {
    throw new CommandError(EXIT.usage, "name the client; --user and --device belong to --scope agent");
  }
  const api = await connectApi(context, options);
  const body = { client, scope, expiresInDays: expires };
  return showMade(context, await api.post("/v1/tokens", body, tokenMade), options);
}

async function createCode(
  context: CommandContext,
  { user, device = "device", expires, ...options }: CreateOptions,
): Promise<number> {
  if (user === undefined) throw new CommandError(EXIT.usage, "--scope agent is a user's: give --user");
  const api = await connectApi(context, options);
  const made = await api.post("/v1/enrolments", { user, device, expiresInDays: expires }, enrolmentMade);
  if (options.json === true) writeJson(context, made);
  else {
    writeLine(context.stdout, made.code);
    writeLine(
      context.stderr,
      `one-time code for ${made.user} (${made.device}), good until ${made.expiresAt} and not shown again; on the device: branchward hooks enroll`,
    );
  }
  return EXIT.ok;
}

export async function rotate(
  context: CommandContext,
  options: Common & { readonly id: string; readonly overlap: number },
): Promise<number> {
  const api = await connectApi(context, options);
  const made = await api.post(`/v1/tokens/${options.id}/rotate`, { overlapHours: options.overlap }, tokenMade);
  return showMade(context, made, options);
}

function showMade(context: CommandContext, made: z.output<typeof tokenMade>, { json }: Common): number {
  if (json === true) writeJson(context, made);
  else {
    writeLine(context.stdout, made.secret);
    const { id, client, scope, expiresAt } = made.token;
    writeLine(
      context.stderr,
      `token ${id} for ${client}, scope ${scope}, expires ${expiresAt}; the secret is not shown again`,
    );
  }
  return EXIT.ok;
}

export async function list(context: CommandContext, options: Common): Promise<number> {
  const api = await connectApi(context, options);
  const { items } = await api.get("/v1/tokens", z.object({ items: z.array(tokenItem) }));
  if (options.json === true) writeJson(context, items);
  for (const token of options.json === true ? [] : items) {
    const state = token.revokedAt === null ? `expires ${token.expiresAt}` : `revoked ${token.revokedAt}`;
    writeLine(
      context.stdout,
      `${token.id}  ${token.client}${token.device === null ? "" : ` (${token.device})`}  ${token.scope}  ${token.hint}…  ${state}  last used ${token.lastUsedAt ?? "never"}`,
    );
  }
  return EXIT.ok;
}

export async function revoke(context: CommandContext, options: Common & { readonly id: string }): Promise<number> {
  const api = await connectApi(context, options);
  const answer = await api.request("DELETE", `/v1/tokens/${options.id}`);
  if (answer.status >= 300) throw new CommandError(EXIT.failed, detailOf(answer));
  if (options.json === true) writeJson(context, { revoked: options.id });
  else writeLine(context.stdout, `revoked ${options.id}`);
  return EXIT.ok;
}
