import { readFile } from "node:fs/promises";
import { type Configuration, ConfigurationError, parseConfiguration, type Problem } from "@branchward/core";

export interface LoadedConfiguration {
  readonly configuration: Configuration;
  /** The file's text as validated: what a policy version keeps. */
  readonly text: string;
  /** What it says that can have no effect. */
  readonly warnings: readonly Problem[];
}

/**
 * Reads and validates `branchward.yaml` whole; `shownAs` is the name that problems and reasons cite.
 * @throws {ConfigurationError} with every problem in `details.problems`.
 */
export async function loadConfiguration(file: string, shownAs: string = file): Promise<LoadedConfiguration> {
  const text = await readConfigurationText(file);
  const parsed = parseConfiguration(text, shownAs, { now: new Date() });
  if ("configuration" in parsed) return { ...parsed, text };
  throw new ConfigurationError(formatProblems(parsed.problems), { details: { problems: parsed.problems } });
}

/**
 * The text of a configuration file, whatever it says.
 * @throws {ConfigurationError} where it cannot be read.
 */
export async function readConfigurationText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigurationError(`${file} cannot be read: ${reason}`, { cause });
  }
}

/** One line per problem: `file:line:column path: message`. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map((each) => formatProblem(each, "")).join("\n");
}

/** One line per warning: `file:line:column warning: path: message`. */
export function formatWarnings(warnings: readonly Problem[]): readonly string[] {
  return warnings.map((each) => formatProblem(each, "warning: "));
}

function formatProblem({ file, line, column, path, message }: Problem, mark: string): string {
  return `${file}:${line}:${column} ${mark}${path === "" ? "" : `${path}: `}${message}`;
}
