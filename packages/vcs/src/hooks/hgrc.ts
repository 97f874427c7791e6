/** One line in an hgrc, which includes the file that Branchward owns. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { findStamp } from "./assets.ts";
import type { HookCondition, HookState } from "./git-hooks.ts";
import { giveToOwner, readTextIfThere } from "./home.ts";
import type { HookRole } from "./target.ts";

const hooksOfRole: Readonly<Record<HookRole, readonly string[]>> = {
  client: ["update", "post-update"],
  global: ["update", "post-update"],
  server: ["txnclose-bookmark", "changegroup"],
};

/** The names of Mercurial's hooks for these roles. */
export function toHgHooks(roles: readonly HookRole[]): readonly string[] {
  return [...new Set(roles.flatMap((role) => hooksOfRole[role]))];
}

/** The included file. `script` is a shell word; the suffix `.branchward` leaves hooks of the same name to others. */
export function renderHgrc(roles: readonly HookRole[], script: string, stamp: string): string {
  const hooks = toHgHooks(roles).map((hook) => `${hook}.branchward = exec sh ${script} ${hook}\n`);
  return `# branchward hook ${stamp}: written by \`branchward hooks install\`.\n[hooks]\n${hooks.join("")}`;
}

/** Adds the line to the hgrc; true when there was no such file. Does nothing where the line already is. */
export async function includeFile(hgrc: string, included: string): Promise<boolean> {
  const text = await readTextIfThere(hgrc);
  if (text !== undefined && hasLine(text, included)) return false;
  const line = `%include ${included}`;
  await mkdir(path.dirname(hgrc), { recursive: true });
  // A text without a final line break gets one before our line and none after it: what it was can be told later.
  const isOpen = text !== undefined && text !== "" && !text.endsWith("\n");
  await writeFile(hgrc, isOpen ? `${text}\n${line}` : `${text ?? ""}${line}\n`);
  if (text === undefined) await giveToOwner(hgrc);
  return text === undefined;
}

/** Takes the line out again and leaves the rest byte for byte; a file that was made for it and holds no more goes too. */
export async function removeInclude(hgrc: string, included: string, wasCreated: boolean): Promise<void> {
  const text = await readTextIfThere(hgrc);
  if (text === undefined || !hasLine(text, included)) return;
  const line = `%include ${included}`;
  const rest = text.endsWith(`\n${line}`)
    ? text.slice(0, -line.length - 1)
    : text.startsWith(`${line}\n`)
      ? text.slice(line.length + 1)
      : text.replace(`\n${line}\n`, "\n");
  if (rest === "" && wasCreated) await rm(hgrc);
  else await writeFile(hgrc, rest);
}

/** What stands in the included file, hook by hook, and whether the hgrc includes it. */
export async function inspectHgrc(
  hgrc: string,
  included: { readonly name: string; readonly file: string },
  expected: { readonly hooks: readonly string[]; readonly stamp: string },
): Promise<readonly HookState[]> {
  const text = await readTextIfThere(hgrc);
  const rules = text !== undefined && hasLine(text, included.name) ? await readTextIfThere(included.file) : undefined;
  return expected.hooks.map((name) => ({ name, path: hgrc, condition: toCondition(rules, name, expected.stamp) }));
}

function toCondition(rules: string | undefined, hook: string, stamp: string): HookCondition {
  if (rules === undefined || !rules.includes(`\n${hook}.branchward = `)) return "missing";
  return findStamp(rules) === stamp ? "installed" : "stale";
}

function hasLine(text: string, included: string): boolean {
  return text.split("\n").includes(`%include ${included}`);
}
