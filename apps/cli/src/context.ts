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

export function writeLine(stream: NodeJS.WriteStream, text: string): void {
  stream.write(`${text}\n`);
}

/** JSON alone on stdout. */
export function writeJson({ stdout }: CommandContext, value: unknown): void {
  writeLine(stdout, JSON.stringify(value, null, 2));
}
