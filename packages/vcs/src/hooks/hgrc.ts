/** Our lines in an hgrc, which include the file that Branchward owns. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { findStamp, toShellWord } from "./assets.ts";
import type { HookCondition, HookState } from "./git-hooks.ts";
import { giveToOwner, type HomeConfig, readTextIfThere, toUserHome, writeWhole } from "./home.ts";
import type { Environment, HookRole, Target } from "./target.ts";

const hooksOfRole: Readonly<Record<HookRole, readonly string[]>> = {
  client: ["update", "post-update"],
  global: ["update", "post-update"],
  server: ["txnclose-bookmark", "changegroup"],
};

const decidingHooks = ["pretxnchangegroup", "pretxnclose-bookmark", "prepushkey"];

/** The names of Mercurial's hooks for these roles. */
export function toHgHooks(roles: readonly HookRole[]): readonly string[] {
  return [...new Set(roles.flatMap((role) => hooksOfRole[role]))];
}

/** The included file. `script` is a shell word; the suffix `.branchward` leaves hooks of the same name to others. */
function renderHgrc(roles: readonly HookRole[], script: string, stamp: string): string {
  const hooks = toHgHooks(roles).map((hook) => `${hook}.branchward = exec sh ${script} ${hook}\n`);
  return `# branchward hook ${stamp}: written by \`branchward hooks install\`.\n[hooks]\n${hooks.join("")}`;
}

/**
 * What stands in the hgrc. Mercurial passes over an included file that is missing, so that the hooks that decide stand
 * in the hgrc itself: without the file that they run, a push is refused.
 */
function toHgrcLines(included: string, isEnforced: boolean): string {
  const include = `%include ${included}`;
  if (!isEnforced) return include;
  const hooks = decidingHooks.map((hook) => `${hook}.branchward = ${toDecider(hook)}`);
  return ["[hooks]", ...hooks, include].join("\n");
}

/** By the path from the root of the repository, so that the repository may be moved. */
function toDecider(hook: string): string {
  return `python:.hg/branchward/agent/decide.py:${hook.replace("-", "_")}`;
}

export interface HgrcPlace {
  readonly file: string;
  readonly included: string;
  /** The hook script, as hg's shell finds it from the root of a repository. */
  readonly script: string;
}

/** Where the hooks of a target stand; undefined for git. */
export function toHgrcPlace(target: Target | "global", home: string, env: Environment): HgrcPlace | undefined {
  if (target === "global") {
    return {
      file: path.join(toUserHome(env), ".hgrc"),
      included: path.join(home, "hgrc"),
      script: path.join(home, "hook"),
    };
  }
  if (target.vcs === "git") return undefined;
  return { file: path.join(target.root, ".hg/hgrc"), included: "branchward/hgrc", script: ".hg/branchward/hook" };
}

/** Writes the included file. */
export async function writeHgrc(
  { script }: HgrcPlace,
  home: string,
  { roles, stamp }: Pick<HomeConfig, "roles" | "stamp">,
): Promise<void> {
  await writeWhole(path.join(home, "hgrc"), renderHgrc(roles, toShellWord(script), stamp), 0o644);
}

/** Brings our lines in the hgrc to what is wanted, null for none; true when the file is there for them alone. */
export async function setHgrcLines(
  { file, included }: HgrcPlace,
  wanted: { readonly isEnforced: boolean } | null,
  wasCreated: boolean,
): Promise<boolean> {
  const text = (await readTextIfThere(file)) ?? "";
  // Those that decide end with the line of those that tell.
  const present = [true, false]
    .map((isEnforced) => toHgrcLines(included, isEnforced))
    .find((lines) => hasLines(text, lines));
  const lines = wanted === null ? undefined : toHgrcLines(included, wanted.isEnforced);
  if (present === lines) return wasCreated;
  if (present !== undefined) await removeLines(file, present, wasCreated);
  const created = lines !== undefined && (await includeLines(file, lines));
  return wasCreated || created;
}

/** Adds the lines to the hgrc; true when there was no such file. Does nothing where they already are. */
async function includeLines(hgrc: string, lines: string): Promise<boolean> {
  const text = await readTextIfThere(hgrc);
  if (text !== undefined && hasLines(text, lines)) return false;
  await mkdir(path.dirname(hgrc), { recursive: true });
  // A text without a final line break gets one before our lines and none after them: what it was can be told later.
  const isOpen = text !== undefined && text !== "" && !text.endsWith("\n");
  await writeFile(hgrc, isOpen ? `${text}\n${lines}` : `${text ?? ""}${lines}\n`);
  if (text === undefined) await giveToOwner(hgrc);
  return text === undefined;
}

/** Takes the lines out again and leaves the rest byte for byte; a file that was made for them and holds no more goes too. */
async function removeLines(hgrc: string, lines: string, wasCreated: boolean): Promise<void> {
  const text = await readTextIfThere(hgrc);
  if (text === undefined || !hasLines(text, lines)) return;
  const rest = text.endsWith(`\n${lines}`)
    ? text.slice(0, -lines.length - 1)
    : text.startsWith(`${lines}\n`)
      ? text.slice(lines.length + 1)
      : text.replace(`\n${lines}\n`, "\n");
  if (rest === "" && wasCreated) await rm(hgrc);
  else await writeFile(hgrc, rest);
}

/** What stands in the included file, hook by hook, and whether the hgrc includes it; then the hooks that decide. */
export async function inspectHgrc(
  hgrc: string,
  included: { readonly name: string; readonly file: string },
  expected: { readonly hooks: readonly string[]; readonly stamp: string; readonly isEnforced: boolean },
): Promise<readonly HookState[]> {
  const text = (await readTextIfThere(hgrc)) ?? "";
  const { stamp, isEnforced } = expected;
  const rules = hasLines(text, toHgrcLines(included.name, false)) ? await readTextIfThere(included.file) : undefined;
  const told = expected.hooks.map((name) => ({ name, path: hgrc, condition: toCondition(rules, name, stamp) }));
  if (!isEnforced) return told;
  const isWhole = hasLines(text, toHgrcLines(included.name, true));
  const condition = isWhole ? toCondition(rules, expected.hooks[0] ?? "", stamp) : "missing";
  return [...told, ...decidingHooks.map((name) => ({ name, path: hgrc, condition }))];
}

function toCondition(rules: string | undefined, hook: string, stamp: string): HookCondition {
  if (rules === undefined || !rules.includes(`\n${hook}.branchward = `)) return "missing";
  return findStamp(rules) === stamp ? "installed" : "stale";
}

function hasLines(text: string, lines: string): boolean {
  return `\n${text}\n`.includes(`\n${lines}\n`);
}
