import pc from "picocolors";
import { type CommandContext, writeLine } from "../context.ts";

/** Says what is done and what was seen. */
export interface Narrator {
  title(text: string): void;
  /** A command that a user could type. */
  command(text: string): void;
  fact(text: string): void;
  gained(text: string): void;
  lost(text: string): void;
  proven(text: string): void;
}

export function createNarrator({ stdout }: CommandContext): Narrator {
  return {
    title: (text) => writeLine(stdout, `\n${pc.bold(text)}`),
    command: (text) => writeLine(stdout, `  ${pc.dim("$")} ${pc.cyan(text)}`),
    fact: (text) => writeLine(stdout, `    ${text}`),
    gained: (text) => writeLine(stdout, `    ${pc.green(`+ ${text}`)}`),
    lost: (text) => writeLine(stdout, `    ${pc.red(`- ${text}`)}`),
    proven: (text) => writeLine(stdout, `  ${pc.green("✔")} ${text}`),
  };
}
