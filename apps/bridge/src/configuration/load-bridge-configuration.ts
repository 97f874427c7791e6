import { readFile } from "node:fs/promises";
import { ConfigurationError } from "@branchward/core";
import { formatProblems } from "@branchward/runtime";
import { parseBridgeConfiguration } from "./parse-bridge-configuration.ts";
import type { BridgeConfiguration } from "./types.ts";

/**
 * Reads and validates `bridge.yaml` whole; `shownAs` is the name that problems cite.
 * @throws {ConfigurationError} with every problem in `details.problems`.
 */
export async function loadBridgeConfiguration(file: string, shownAs: string = file): Promise<BridgeConfiguration> {
  const parsed = parseBridgeConfiguration(await readText(file), shownAs);
  if ("configuration" in parsed) return parsed.configuration;
  throw new ConfigurationError(formatProblems(parsed.problems), { details: { problems: parsed.problems } });
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new ConfigurationError(`${file} cannot be read: ${String(cause)}`, { cause });
  }
}
