import { access } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { AppError } from "@branchward/core";
import { type Environment, type LoadedConfiguration, loadConfiguration, parseEnvironment } from "@branchward/runtime";
import { CommandError, type CommandContext, EXIT } from "./context.ts";

export interface Setup {
  readonly environment: Environment;
  readonly loaded: LoadedConfiguration;
  /** Where the file lies. */
  readonly configurationPath: string;
  /** True for the bundled example, which brings a directory and secrets of its own. */
  readonly isExample: boolean;
}

export const EXAMPLE_DIR = join(import.meta.dirname, "..", "example");
export const EXAMPLE_FILE = join(EXAMPLE_DIR, "branchward.yaml");

/** Environment and configuration. @throws {CommandError} 78 with every problem */
export async function loadSetup(context: CommandContext, configFlag: string | undefined): Promise<Setup> {
  try {
    const environment = parseEnvironment(context.env, context.checkoutDir);
    const file = await findConfigurationFile(context, configFlag);
    return {
      environment,
      loaded: await loadConfiguration(file, showFile(context, file)),
      configurationPath: file,
      isExample: file === EXAMPLE_FILE,
    };
  } catch (error) {
    if (error instanceof AppError) throw new CommandError(EXIT.config, error.message);
    throw error;
  }
}

/** A path as people name it: relative where it lies below the working directory or in the checkout. */
export function showFile({ cwd, checkoutDir }: CommandContext, file: string): string {
  const shown = [cwd, checkoutDir].map((directory) => relative(directory, file));
  return shown.find((path) => !path.startsWith("..")) ?? file;
}

/** `--config`, BRANCHWARD_CONFIG, ./branchward.yaml, else the bundled example. */
export async function findConfigurationFile(context: CommandContext, configFlag: string | undefined): Promise<string> {
  const given = configFlag ?? (context.env["BRANCHWARD_CONFIG"] || undefined);
  if (given !== undefined) return resolve(context.cwd, given);
  const local = join(context.cwd, "branchward.yaml");
  return access(local).then(
    () => local,
    () => EXAMPLE_FILE,
  );
}
