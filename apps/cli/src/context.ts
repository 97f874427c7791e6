// By an entry of its own: the rest of core takes longer to load than `--help` may.
import { toOneLine } from "@branchward/core/one-line";

/** What a command gets from the process: nothing else of it is read. */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The checkout of Branchward, where the default data directory lives. */
  readonly checkoutDir: string;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** Exit codes of `contract.md`; 78 is EX_CONFIG of sysexits. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  configuration: 3,
  timedOut: 4,
  unreachable: 5,
  config: 78,
} as const;

/** Ends a command with a code and a message of cause and fix. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Writes one line, of which nothing steers the terminal or begins a line of its own: others wrote what stands in it. */
export function writeLine(stream: NodeJS.WriteStream, text: string): void {
  writeOwn(stream, toOneLine(text));
}

/** Writes what we alone wrote, as it is: styled, or of several lines. */
export function writeOwn(stream: NodeJS.WriteStream, text: string): void {
  stream.write(`${text}\n`);
}

/** JSON alone on stdout. */
export function writeJson({ stdout }: CommandContext, value: unknown): void {
  writeOwn(stdout, JSON.stringify(value, null, 2));
}
