/** `branchward` as its users run it: a process of its own, started by the bin. */
import { type ChildProcess, execFile } from "node:child_process";
import { join } from "node:path";

export const BIN = join(import.meta.dirname, "../../apps/cli/bin/branchward.js");

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandSurroundings {
  readonly cwd: string;
  /** All of the environment but PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
  /** Told of the process, for tests that end it. */
  readonly onStart?: (child: ChildProcess) => void;
}

/** Longer than any command takes, the demo included. */
const TIMEOUT_MS = 90_000;

/** Runs a command to its end, whatever its exit code. */
export function runCommand(
  args: readonly string[],
  { cwd, env = {}, onStart }: CommandSurroundings,
): Promise<CommandResult> {
  const surroundings = { PATH: process.env["PATH"], HOME: cwd, ...env };
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [BIN, ...args],
      { cwd, env: surroundings, timeout: TIMEOUT_MS },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : error.code;
        if (typeof code === "number") resolve({ code, stdout, stderr });
        else reject(new Error(`branchward ${args.join(" ")}: ${stdout}${stderr}`, { cause: error }));
      },
    );
    onStart?.(child);
  });
}
