import { join } from "node:path";
import { CommandError, type CommandContext, EXIT, writeLine } from "./context.ts";
import { createProgram } from "./program.ts";

const context: CommandContext = {
  env: process.env,
  cwd: process.cwd(),
  checkoutDir: join(import.meta.dirname, "..", "..", ".."),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
};

try {
  process.exitCode = await createProgram(context, process.argv.slice(2));
} catch (error) {
  if (error instanceof CommandError) {
    for (const line of `branchward: ${error.message}`.split("\n")) writeLine(process.stderr, line);
    process.exitCode = error.exitCode;
  } else {
    process.stderr.write(`branchward: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = EXIT.failed;
  }
}
