import { bindingItem } from "@branchward/core/api";
import { z } from "zod";
import { connectApi, type ConnectionOptions } from "../api-client.ts";
import { type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

interface Common extends ConnectionOptions {
  readonly json?: boolean;
}

/** `branchward groups list`: which directory group each group of the policy means. */
export async function list(context: CommandContext, options: Common): Promise<number> {
  const api = await connectApi(context, options);
  const { items } = await api.get("/v1/policy/bindings", z.object({ items: z.array(bindingItem) }));
  if (options.json === true) writeJson(context, items);
  for (const item of options.json === true ? [] : items) {
    writeLine(context.stdout, `${item.reference}  ${item.state}  ${item.displayName ?? "-"}  ${item.groupId ?? "-"}`);
  }
  return EXIT.ok;
}

/** `branchward groups bind`: the only way to re-bind a reference. */
export async function bind(
  context: CommandContext,
  options: Common & { readonly name: string; readonly id: string },
): Promise<number> {
  const api = await connectApi(context, options);
  const reference = options.name.startsWith("group:") ? options.name : `group:${options.name}`;
  const bound = await api.post("/v1/policy/bindings", { reference, groupId: options.id }, bindingItem);
  if (options.json === true) writeJson(context, bound);
  else writeLine(context.stdout, `${bound.reference} means ${bound.displayName ?? ""} (${bound.groupId ?? ""})`);
  return EXIT.ok;
}
