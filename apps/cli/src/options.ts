/** Options that many commands have. */
import { type Command, InvalidArgumentError, Option } from "commander";

/** Told of the exit code. */
export type Run = (code: number) => void;

/** How a command finds a running Branchward, and `--json`. */
export function withConnection(command: Command): Command {
  return command
    .option("--url <url>", "address of Branchward (BRANCHWARD_URL; default http://127.0.0.1:8787)")
    .option(
      "--token-file <file>",
      "file with a token (else BRANCHWARD_TOKEN, else the admin token of the data directory)",
    )
    .option("--json", "JSON on stdout");
}

/** For `--limit`. @throws {InvalidArgumentError} */
export function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > 200) throw new InvalidArgumentError("expected 1 to 200");
  return limit;
}

/** Tells a branch, a bookmark and a topic of one name apart. */
export function refTypeOption(): Option {
  const text = "which of them, where several bear the name";
  return new Option("--ref-type <type>", text).choices(["branch", "bookmark", "topic"]);
}
