import { deliveryDetails, deliveryItem, page, recheckAnswer, replayAnswer, syncItem } from "@branchward/core/api";
import { connectApi, type ConnectionOptions } from "../api-client.ts";
import { type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

interface ListOptions extends ConnectionOptions {
  readonly limit: number;
  readonly json?: boolean;
}

const SYNC_FILTERS = ["verdict", "repository", "branch", "endpoint"] as const;

export interface SyncListOptions extends ListOptions, Partial<Record<(typeof SYNC_FILTERS)[number], string>> {}

export async function syncs(context: CommandContext, options: SyncListOptions): Promise<number> {
  const api = await connectApi(context, options);
  const query = new URLSearchParams({ limit: String(options.limit) });
  for (const name of SYNC_FILTERS) {
    const value = options[name];
    if (value !== undefined) query.set(name, value);
  }
  const { items } = await api.get(`/v1/syncs?${query.toString()}`, page(syncItem));
  if (options.json === true) writeJson(context, items);
  for (const sync of options.json === true ? [] : items) {
    const change = `+${sync.added} -${sync.removed}`;
    writeLine(
      context.stdout,
      `${sync.finishedAt}  ${sync.repository}:${sync.branch} @ ${sync.endpoint}  ${sync.verdict}  ${change}  ${sync.reason}  ${sync.id}`,
    );
  }
  return EXIT.ok;
}

export async function deliveries(context: CommandContext, options: ListOptions): Promise<number> {
  const api = await connectApi(context, options);
  const { items } = await api.get(`/v1/deliveries?limit=${options.limit}`, page(deliveryItem));
  if (options.json === true) writeJson(context, items);
  for (const delivery of options.json === true ? [] : items) {
    const note = delivery.note === null ? "" : ` (${delivery.note})`;
    writeLine(
      context.stdout,
      `${delivery.receivedAt}  ${delivery.source}  ${delivery.event}  ${delivery.repository ?? "-"}  ${delivery.outcome}${note}  ${delivery.id}`,
    );
  }
  return EXIT.ok;
}

/** `branchward replay`: tells what the delivery did this time. */
export async function replay(
  context: CommandContext,
  options: ConnectionOptions & { readonly id: string; readonly json?: boolean },
): Promise<number> {
  const api = await connectApi(context, options);
  const path = `/v1/deliveries/${encodeURIComponent(options.id)}`;
  const answer = await api.post(`${path}/replay`, {}, replayAnswer);
  if (options.json === true) {
    writeJson(context, answer);
    return EXIT.ok;
  }
  const { events, repository } = await api.get(path, deliveryDetails);
  for (const { kind, name, note } of events.filter((event) => event.replay === answer.replay.id)) {
    writeLine(context.stdout, `${kind} ${repository ?? "-"}:${name}${note === null ? "" : ` (${note})`}`);
  }
  const { scopes } = answer.replay;
  const effect =
    scopes === 0 ? "it changed nothing" : `looked at again at ${scopes} endpoint${scopes === 1 ? "" : "s"}`;
  writeLine(context.stdout, `applied again: ${effect}`);
  return EXIT.ok;
}

export async function recheck(
  context: CommandContext,
  options: ConnectionOptions & {
    readonly repository: string;
    readonly branch: string;
    readonly refType?: string;
    readonly json?: boolean;
  },
): Promise<number> {
  const api = await connectApi(context, options);
  const { repository, branch, refType } = options;
  const body = { repository, branch, ...(refType === undefined ? {} : { refType }) };
  const { scopes } = await api.post("/v1/syncs", body, recheckAnswer);
  if (options.json === true) writeJson(context, { scopes });
  else
    writeLine(
      context.stdout,
      `${repository}:${branch} is looked at again at ${scopes} endpoint${scopes === 1 ? "" : "s"}`,
    );
  return EXIT.ok;
}
