import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

/** A hook script before it knows its home. `hg` serves every Mercurial hook, `global` every git hook of a user. */
export type ScriptName = "post-checkout" | "post-receive" | "pre-receive" | "global" | "hg";

/** Everything that an installation copies out of this package. */
export interface HookAssets {
  /** Identifies these files by their content; an installation with another stamp is stale. */
  readonly stamp: string;
  /** The agent's files, name to text. */
  readonly agent: ReadonlyMap<string, string>;
  /** The script as a file to write. Values are shell words, quoted by `toShellWord`. */
  readonly renderScript: (name: ScriptName, words: Readonly<Record<string, string>>) => string;
}

const scriptParts: Readonly<Record<ScriptName, readonly string[]>> = {
  "post-checkout": ["common.sh", "post-checkout.sh", "previous.sh"],
  "post-receive": ["common.sh", "post-receive.sh", "previous.sh"],
  "pre-receive": ["enforce.sh", "pre-receive.sh"],
  global: ["common.sh", "global.sh"],
  hg: ["common.sh", "hg.sh"],
};

/** Reads the agent and the scripts that stand beside this file. */
export async function readAssets(): Promise<HookAssets> {
  const agent = new Map([...(await readTexts("agent", ".js")), ...(await readTexts("agent", ".py"))]);
  const scripts = await readTexts("sh", ".sh");
  const hash = createHash("sha256");
  for (const [name, text] of [...agent, ...scripts]) hash.update(`${name}\0${text}\0`);
  const stamp = hash.digest("hex").slice(0, 12);
  return {
    stamp,
    agent,
    renderScript(name, words) {
      const text = scriptParts[name].map((part) => scripts.get(part) ?? "").join("");
      return text.replace(/@([a-z]+)@/g, (placeholder, key: string) =>
        key === "stamp" ? stamp : (words[key] ?? placeholder),
      );
    },
  };
}

/** One word of POSIX sh, whatever is in the text. */
export function toShellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The stamp in a script that `renderScript` made; undefined for anybody else's. */
export function findStamp(script: string): string | undefined {
  return /^# branchward hook ([0-9a-f]{12}):/m.exec(script)?.[1];
}

async function readTexts(folder: string, extension: string): Promise<ReadonlyMap<string, string>> {
  const directory = path.join(import.meta.dirname, folder);
  const names = (await readdir(directory)).filter((name) => name.endsWith(extension)).toSorted();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(path.join(directory, name), "utf8")] as const)),
  );
}
