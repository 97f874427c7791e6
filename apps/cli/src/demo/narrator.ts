import pc from "picocolors";
import { type CommandContext, writeOwn } from "../context.ts";

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
    title: (text) => writeOwn(stdout, `\n${pc.bold(text)}`),
    command: (text) => writeOwn(stdout, `  ${pc.dim("$")} ${pc.cyan(text)}`),
    fact: (text) => writeOwn(stdout, `    ${text}`),
    gained: (text) => writeOwn(stdout, `    ${pc.green(`+ ${text}`)}`),
    lost: (text) => writeOwn(stdout, `    ${pc.red(`- ${text}`)}`),
    proven: (text) => writeOwn(stdout, `  ${pc.green("✔")} ${text}`),
  };
}
