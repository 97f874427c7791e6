/** Runs git and hg as a user would, apart from the machine's own configuration. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { CommandError, EXIT } from "../context.ts";

const run = promisify(execFile);

export interface Shell {
  /** Runs a program in a directory. @throws {CommandError} with what it printed when it fails. */
  (cwd: string, program: string, ...args: readonly string[]): Promise<string>;
}

/** A command that takes longer hangs. */
const TIMEOUT_MS = 60_000;

export function createShell(env: Readonly<Record<string, string | undefined>>): Shell {
  return async (cwd, program, ...args) => {
    try {
      const { stdout } = await run(program, args, { cwd, env: { ...env }, timeout: TIMEOUT_MS });
      return stdout.trim();
    } catch (error) {
      const { stderr = "", code } = error as { stderr?: string; code?: unknown };
      // hg answers 1 for a push that moved only bookmarks: there were no changesets to send.
      if (program === "hg" && args[0] === "push" && code === 1) return "";
      throw new CommandError(EXIT.failed, `${program} ${args.join(" ")} failed: ${stderr.trim() || String(error)}`);
    }
  };
}
