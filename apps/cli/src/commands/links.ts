import { linkItem, linkKey } from "@branchward/core/api";
import { z } from "zod";
import { connectApi, type ConnectionOptions, detailOf } from "../api-client.ts";
import { CommandError, type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

interface Common extends ConnectionOptions {
  readonly json?: boolean;
}

/** `branchward links list`: which actors of sources are which users. */
export async function list(context: CommandContext, options: Common & { readonly source?: string }): Promise<number> {
  const api = await connectApi(context, options);
  const query = options.source === undefined ? "" : `?${new URLSearchParams({ source: options.source }).toString()}`;
  const { items } = await api.get(`/v1/links${query}`, z.object({ items: z.array(linkItem) }));
  if (options.json === true) writeJson(context, items);
  for (const { source, actor, user, linkedBy, linkedAt } of options.json === true ? [] : items) {
    writeLine(context.stdout, `${source}  ${actor}  ${user ?? "(deleted)"}  by ${linkedBy}, ${linkedAt}`);
  }
  return EXIT.ok;
}

interface Named extends Common {
  readonly source: string;
  readonly actor: string;
}

/** `branchward links set`: says who is behind an actor (rule B5). */
export async function set(context: CommandContext, options: Named & { readonly user: string }): Promise<number> {
  const api = await connectApi(context, options);
  const { source, actor, user } = options;
  const made = await api.post("/v1/links", { source, actor, user }, linkItem);
  if (options.json === true) writeJson(context, made);
  else writeLine(context.stdout, `${made.actor} of ${made.source} is ${made.user ?? user}`);
  return EXIT.ok;
}

/** `branchward links remove`. */
export async function remove(context: CommandContext, options: Named): Promise<number> {
  const api = await connectApi(context, options);
  const { source, actor } = options;
  const answer = await api.request("DELETE", `/v1/links?${new URLSearchParams({ source, actor }).toString()}`);
  if (answer.status >= 300) throw new CommandError(EXIT.failed, detailOf(answer));
  const removed = linkKey.parse(answer.body);
  if (options.json === true) writeJson(context, removed);
  else writeLine(context.stdout, `${actor} of ${source} is linked no more`);
  return EXIT.ok;
}
