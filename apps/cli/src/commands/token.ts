import { tokenItem, tokenMade } from "@branchward/core/api";
import { z } from "zod";
import { connectApi, type ConnectionOptions, detailOf } from "../api-client.ts";
import { CommandError, type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

interface Common extends ConnectionOptions {
  readonly json?: boolean;
}

export async function create(
  context: CommandContext,
  options: Common & { readonly client: string; readonly scope: string; readonly expires: number },
): Promise<number> {
  const api = await connectApi(context, options);
  const body = { client: options.client, scope: options.scope, expiresInDays: options.expires };
  return showMade(context, await api.post("/v1/tokens", body, tokenMade), options);
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
      `${token.id}  ${token.client}  ${token.scope}  ${token.hint}…  ${state}  last used ${token.lastUsedAt ?? "never"}`,
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
