import { join } from "node:path";
import { CommandError, type CommandContext, EXIT, writeLine } from "./context.ts";
import { createProgram } from "./program.ts";

/** 128 + SIGPIPE, as shells tell of programs that a closed pipe ended. */
const CLOSED_PIPE = 141;

const context: CommandContext = {
  env: process.env,
  cwd: process.cwd(),
  checkoutDir: join(import.meta.dirname, "..", "..", ".."),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
};

for (const stream of [process.stdout, process.stderr]) stream.on("error", endWithReader);

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

/** Who reads what we write has seen enough (`| head`): not a fault, and no outcome of the command either. */
function endWithReader(error: Error): never {
  if ("code" in error && error.code === "EPIPE") process.exit(CLOSED_PIPE);
  throw error;
}
