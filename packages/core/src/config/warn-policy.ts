/**
 * What a valid policy says that can have no effect: patterns that match no branch, grants that give nobody anything.
 * Warnings, and no problems: a name that looks like a slip may be one that somebody gave.
 */
import { foldName } from "../fold-name.ts";
import type { Pattern } from "../policy/pattern.ts";
import type { Bot, Deny, Grant } from "../policy/types.ts";
import { childOf, type Node, quote, type Reader } from "./reader.ts";

/** Of the patterns that stand in the list. */
export function warnOfPatterns(
  reader: Reader,
  list: Node,
  { kind, patterns }: { readonly kind: "repository" | "branch"; readonly patterns: readonly Pattern[] },
): void {
  for (const [index, pattern] of patterns.entries()) {
    const doubts = [findBraces(pattern), ...(kind === "branch" ? [findPrefix(pattern), findForeign(pattern)] : [])];
    for (const doubt of doubts) if (doubt !== undefined) reader.warn([...list.path, index], doubt);
  }
}

/** A list or a range in braces; what is written in it so is seldom meant as part of a name. */
const braces = /\{([^{}]*(?:,|\.\.)[^{}]*)\}/;
const maxWritten = 6;

function findBraces({ text }: Pattern): string | undefined {
  if (!braces.test(text)) return undefined;
  const written = expand(text);
  const instead =
    written.length > maxWritten || written.some((each) => braces.test(each))
      ? "write a pattern for each"
      : `write ${written.map(quote).join(", ")}, each a pattern of its own`;
  return `braces stand for themselves in a pattern, so that it matches no name without them: ${instead}`;
}

/** The patterns that a shell would make of the lists; no more of them than tell that there are too many. */
function expand(text: string): readonly string[] {
  let written = [text];
  while (written.length <= maxWritten && written.some((each) => listIn(each) !== undefined)) {
    written = written.flatMap((each) => listIn(each)?.map((part) => each.replace(braces, () => part)) ?? [each]);
  }
  return [...new Set(written)];
}

function listIn(text: string): readonly string[] | undefined {
  const parts = braces.exec(text)?.[1]?.split(",") ?? [];
  return parts.length > 1 ? parts : undefined;
}

const refsPrefix = "refs/";
const headsPrefix = "refs/heads/";

function findPrefix({ text }: Pattern): string | undefined {
  if (text.startsWith(headsPrefix)) {
    const name = text.slice(headsPrefix.length);
    return `branches are named without ${headsPrefix}, so that it matches none but such as have it in their very name: write ${quote(name)}`;
  }
  if (!text.startsWith(refsPrefix)) return undefined;
  return "a pattern is about branches, which are named without refs/heads/; tags and other refs have no access to govern";
}

/** `git check-ref-format` refuses these in a ref, and Mercurial in a branch, bookmark or topic. */
const foreign = new Set([":", "\n", "\r"]);

function findForeign({ text, segments }: Pattern): string | undefined {
  if (text !== text.trim()) {
    return `no branch begins or ends with a blank, so that it matches none: write ${quote(text.trim())}`;
  }
  const atoms = segments.flatMap((segment) => segment ?? []);
  const char = atoms.find((atom) => atom.kind === "char" && foreign.has(atom.char));
  return char === undefined
    ? undefined
    : "no branch of Git or Mercurial has a colon or a line break in its name, so that it matches none";
}

/** Of a grant that has ended, or of whose subjects one gets nothing by it. */
export function warnOfGrant(
  reader: Reader,
  node: Node,
  { grant, denies, bots }: { readonly grant: Grant; readonly denies: readonly Deny[]; readonly bots: readonly Bot[] },
): void {
  const { entitlement, until, to } = grant;
  if (until !== null && reader.now !== undefined && until <= reader.now) {
    const still = `gives nobody anything any more, and ${entitlement} stays governed here by it`;
    reader.warn(childOf(node, "until").path, `is past: the grant ${still}; give it a later date, or take it out`);
  }
  for (const [index, principal] of to.entries()) {
    const path = [...node.path, "to", index];
    const deny = denies.find(
      (each) => each.entitlement === entitlement && each.to.some(({ reference }) => reference === principal.reference),
    );
    if (deny !== undefined) {
      reader.warn(path, `gets nothing by this: ${deny.rule} (line ${deny.line}) denies the same on the same branches`);
    }
    const bot =
      principal.kind === "bot"
        ? bots.find(({ userName }) => foldName(userName) === foldName(principal.userName))
        : undefined;
    // A ceiling that could not be read holds no verbs, and is a problem itself.
    if (bot !== undefined && bot.entitlements.length > 0 && !bot.entitlements.includes(entitlement)) {
      reader.warn(path, `gets nothing by this: its ceiling (line ${bot.line}) has no ${entitlement}`);
    }
  }
}
