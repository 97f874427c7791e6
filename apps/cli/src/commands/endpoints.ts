import { setTimeout } from "node:timers/promises";
import { type AccountItem, accountItem, type EndpointItem, endpointList, page } from "@branchward/core/api";
import { z } from "zod";
import { connectApi, type ConnectionOptions } from "../api-client.ts";
import { type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

interface Common extends ConnectionOptions {
  readonly json?: boolean;
}

/** `branchward endpoints list`: exit 1 while calls to one of them fail or are held back, or runs fail there. */
export async function list(context: CommandContext, options: Common): Promise<number> {
  const api = await connectApi(context, options);
  const { items } = await api.get("/v1/endpoints", endpointList);
  if (options.json === true) writeJson(context, items);
  else for (const item of items) writeLine(context.stdout, describeEndpoint(item));
  const isFailing = items.some(
    ({ gate, scopes }) => gate.breaker !== "closed" || gate.blockedUntil !== null || scopes.failed > 0,
  );
  return isFailing ? EXIT.failed : EXIT.ok;
}

function describeEndpoint(item: EndpointItem): string {
  const { name, type, url, scopes, concurrency, gate, retirement } = item;
  const counts = Object.entries(scopes).flatMap(([verdict, count]) => (count === 0 ? [] : [`${count} ${verdict}`]));
  const calls = `${gate.limit ?? concurrency} of ${concurrency} calls at once`;
  const state = describeGate(gate) ?? (retirement === null ? calls : describeRetirement(retirement));
  // Verified is there that nothing of ours is left, which is said of all at once.
  const standing = retirement?.groups === 0 ? "-" : counts.join(", ") || "no scopes";
  return [name, type, url ?? "-", standing, `${state}${describeTrouble(item)}`].join("  ");
}

function describeRetirement({ at, by, groups }: NonNullable<EndpointItem["retirement"]>): string {
  const left = groups === 0 ? "no group of ours is left" : `${groups} groups are left`;
  return `retired ${at} by ${by}: ${left}`;
}

function describeGate({ breaker, since, blockedUntil, lastFailure }: EndpointItem["gate"]): string | undefined {
  if (breaker !== "closed") return `${breaker} since ${since ?? "-"}: ${lastFailure?.message ?? "calls fail"}`;
  return blockedUntil === null ? undefined : `asked to be left alone until ${blockedUntil}`;
}

/** Why calls to an endpoint are kept back, until when, and what ends it; undefined where none are. */
export function explainGate({ name, gate }: EndpointItem): string | undefined {
  const { breaker, since, blockedUntil, nextTryAt, lastFailure } = gate;
  const last = lastFailure === null ? "" : ` (${lastFailure.message})`;
  if (blockedUntil !== null) {
    return `${name} asked not to be called before ${blockedUntil}${last}: calls go on then by themselves, and nothing ends it sooner`;
  }
  if (breaker === "closed") return undefined;
  const next = nextTryAt === null ? "the next call is let through" : `one call is let through at ${nextTryAt}`;
  return `calls to ${name} failed one after another since ${since ?? "-"}${last}: ${next}, and the first that is answered ends it; see that it is up and reachable from the worker`;
}

export interface AccountsOptions extends Common {
  readonly name: string;
  readonly decision?: string;
  readonly user?: string;
  readonly state?: string;
}

/** `branchward endpoints accounts`: lists, or decides on one that waits for approval. */
export async function accounts(context: CommandContext, options: AccountsOptions): Promise<number> {
  if (options.decision !== undefined) return decide(context, options);
  const api = await connectApi(context, options);
  const items: AccountItem[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const query = new URLSearchParams({
      limit: "200",
      ...(options.state === undefined ? {} : { state: options.state }),
    });
    if (cursor !== "") query.set("cursor", cursor);
    const found: z.output<typeof accountPage> = await api.get(
      `${toPath(options.name)}?${query.toString()}`,
      accountPage,
    );
    items.push(...found.items);
    cursor = found.nextCursor;
  }
  if (options.json === true) writeJson(context, items);
  else for (const item of items) writeLine(context.stdout, describeAccount(item));
  return EXIT.ok;
}

const accountPage = page(accountItem);

function toPath(endpoint: string): string {
  return `/v1/endpoints/${encodeURIComponent(endpoint)}/accounts`;
}

function describeAccount({ userName, state, accountId, since, error }: AccountItem): string {
  return [userName, state, accountId ?? "-", `since ${since}`, ...(error === null ? [] : [error])].join("  ");
}

async function decide(context: CommandContext, { name, decision, user, ...options }: AccountsOptions): Promise<number> {
  if ((decision !== "approve" && decision !== "reject") || user === undefined) {
    writeLine(context.stderr, "write: branchward endpoints accounts NAME approve USER, or reject USER");
    return EXIT.usage;
  }
  const api = await connectApi(context, options);
  const decided = await api.post(toPath(name), { user, decision }, z.object({ userId: z.uuid() }));
  if (options.json === true) writeJson(context, { ...decided, decision });
  else writeLine(context.stdout, `${decision === "approve" ? "approved" : "rejected"}: ${user} at ${name}`);
  return EXIT.ok;
}

export interface RetireOptions extends Common {
  readonly name: string;
  readonly leave?: boolean;
  readonly undo?: boolean;
}

/** How often `retire` looks how far it is. */
const LOOK_EVERY_MS = 500;

/** `branchward endpoints retire`: ends when no group of ours is left there; stopping it stops nothing but the telling. */
export async function retire(
  context: CommandContext,
  { name, leave, undo, ...options }: RetireOptions,
): Promise<number> {
  if (leave === true && undo === true) {
    writeLine(context.stderr, "write --leave or --undo, not both");
    return EXIT.usage;
  }
  const api = await connectApi(context, options);
  const action = undo === true ? "undo" : leave === true ? "leave" : "remove";
  await api.post(`/v1/endpoints/${encodeURIComponent(name)}/retirement`, { action }, z.object({ scopes: z.int() }));
  if (action === "undo") {
    writeLine(context.stderr, `${name} is in use again`);
    return EXIT.ok;
  }
  for (let before = -1; ;) {
    const { items } = await api.get("/v1/endpoints", endpointList);
    const item = items.find((one) => one.name === name);
    const groups = item?.retirement?.groups ?? 0;
    if (groups === 0)
      return tellRetired(context, { name, ...(options.json === undefined ? {} : { json: options.json }) });
    if (groups !== before) writeLine(context.stderr, `${groups} groups are left at ${name}${describeTrouble(item)}`);
    before = groups;
    await setTimeout(LOOK_EVERY_MS);
  }
}

function tellRetired(
  context: CommandContext,
  { name, json }: { readonly name: string; readonly json?: boolean },
): number {
  if (json === true) writeJson(context, { endpoint: name, groups: 0 });
  else writeLine(context.stdout, `${name} has no group of ours any more: take it out of the configuration`);
  return EXIT.ok;
}

function describeTrouble(item: EndpointItem | undefined): string {
  return item === undefined || item.scopes.failed === 0 ? "" : ` (${item.lastError?.message ?? "runs fail there"})`;
}
