import { join } from "node:path";
import { CommandError, type CommandContext, EXIT } from "./context.ts";
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
    process.stderr.write(`branchward: ${error.message}\n`);
    process.exitCode = error.exitCode;
  } else {
    process.stderr.write(`branchward: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = EXIT.failed;
  }
}
