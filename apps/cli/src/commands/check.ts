import { AppError, ConfigurationError } from "@branchward/core";
import { formatWarnings, loadConfiguration } from "@branchward/runtime";
import { findConfigurationFile, showFile } from "../configuration-file.ts";
import { type CommandContext, EXIT, writeJson, writeLine } from "../context.ts";

/** `branchward check`: exit 0, be it with warnings, or 78 with every problem. */
export async function check(
  context: CommandContext,
  options: { readonly file?: string; readonly config?: string; readonly json?: boolean },
): Promise<number> {
  const file = await findConfigurationFile(context, options.file ?? options.config);
  try {
    const { warnings } = await loadConfiguration(file, showFile(context, file));
    if (options.json === true) writeJson(context, { file, problems: [], warnings });
    else {
      for (const line of formatWarnings(warnings)) writeLine(context.stderr, line);
      writeLine(context.stdout, `${file} is valid`);
    }
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const problems = error.details["problems"] ?? [{ message: (error satisfies AppError).message }];
    if (options.json === true) writeJson(context, { file, problems, warnings: [] });
    else for (const line of error.message.split("\n")) writeLine(context.stderr, line);
    return EXIT.config;
  }
}
