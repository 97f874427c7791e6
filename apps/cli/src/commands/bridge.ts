import { resolve } from "node:path";
import { type Bridge, loadBridgeConfiguration, startBridge } from "@branchward/bridge";
import { AppError } from "@branchward/core";
import { createLogger, openShutdownSignal, waitForAbort } from "@branchward/runtime";
import pc from "picocolors";
import { showFile } from "../configuration-file.ts";
import { CommandError, type CommandContext, EXIT, writeLine, writeOwn } from "../context.ts";

export interface BridgeCommandOptions {
  readonly kind: string;
  readonly config: string;
  readonly rebuild?: boolean;
}

/** `branchward bridge`: runs until SIGTERM or SIGINT. */
export async function bridge(context: CommandContext, options: BridgeCommandOptions): Promise<number> {
  const signal = openShutdownSignal();
  await using running = await start(context, options).catch((error: unknown) => {
    if (error instanceof AppError) throw new CommandError(EXIT.config, error.message);
    throw error;
  });
  for (const problem of running.problems()) writeLine(context.stderr, `problem: ${problem}`);
  writeOwn(context.stdout, `${pc.bold(`The ${options.kind} bridge is ready`)} at ${pc.bold(`${running.url}/scim/v2`)}`);
  await waitForAbort(signal);
  writeLine(context.stdout, "stopping");
  return EXIT.ok;
}

async function start(
  context: CommandContext,
  { kind, config, rebuild = false }: BridgeCommandOptions,
): Promise<Bridge> {
  const file = resolve(context.cwd, config);
  const configuration = await loadBridgeConfiguration(file, showFile(context, file));
  const found: string = configuration.target.kind;
  if (found !== kind) throw new CommandError(EXIT.config, `${configuration.file} is for ${found}, not for ${kind}`);
  const log = createLogger({ level: context.env["BRANCHWARD_LOG_LEVEL"] || "warn" });
  return startBridge({ configuration, env: context.env, log, isRebuild: rebuild });
}
