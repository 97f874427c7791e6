/** `branchward doctor --endpoint`: has an endpoint tried out, and tells what it was seen to do. */
import { setTimeout } from "node:timers/promises";
import { type EndpointItem, endpointList } from "@branchward/core/api";
import { z } from "zod";
import { connectApi, type ConnectionOptions } from "../api-client.ts";
import { explainGate } from "./endpoints.ts";
import { CommandError, type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

export interface ExamineOptions extends ConnectionOptions {
  readonly endpoint: string;
  readonly json?: boolean;
}

const LOOK_EVERY_MS = 250;
/** A probe waits up to 5 s for each of some ten things that an endpoint does not do. */
const PATIENCE_MS = 90_000;

type Probe = NonNullable<EndpointItem["probe"]>;

/** Exit 0 when nothing is in the way, 1 when something is or the probe failed, 4 when it did not end. */
export async function examineEndpoint(
  context: CommandContext,
  { endpoint, ...options }: ExamineOptions,
): Promise<number> {
  const api = await connectApi(context, options);
  const find = async (): Promise<EndpointItem | undefined> => {
    const { items } = await api.get("/v1/endpoints", endpointList);
    return items.find(({ name }) => name === endpoint);
  };
  const before = (await find())?.probe;
  await api.post(`/v1/endpoints/${encodeURIComponent(endpoint)}/probe`, {}, z.object({ endpoint: z.string() }));
  const endsAt = performance.now() + PATIENCE_MS;
  let item = await find();
  let after = item?.probe;
  while (item === undefined || !after || after.at === before?.at) {
    if (performance.now() > endsAt)
      throw new CommandError(EXIT.timedOut, `the probe of ${endpoint} has not ended; see branchward endpoints list`);
    await setTimeout(LOOK_EVERY_MS);
    item = await find();
    after = item?.probe;
  }
  if (options.json === true) writeJson(context, after);
  else tell(context, item, after);
  return after.error === null && after.problems.length === 0 ? EXIT.ok : EXIT.failed;
}

function tell({ stdout }: CommandContext, item: EndpointItem, { card, error, problems }: Probe): void {
  if (error !== null) writeLine(stdout, `${item.name} could not be tried out: ${error}`);
  const gate = explainGate(item);
  if (gate !== undefined) writeLine(stdout, gate);
  if (error !== null || card === null) return;
  for (const [name, value] of Object.entries(card)) writeLine(stdout, `${name}: ${describe(value)}`);
  for (const problem of problems) writeLine(stdout, `! ${problem}`);
}

function describe(value: NonNullable<Probe["card"]>[keyof NonNullable<Probe["card"]>]): string {
  if (value === null) return "not tried";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
