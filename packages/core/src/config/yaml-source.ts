/** YAML text as plain data that still knows its lines. Hostile text (size, depth, aliases) becomes a problem, never a hang. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Document, type YAMLMap } from "yaml";
import { findSizeProblem } from "./file-size.ts";

/** A fault of a configuration file. Line and column count from 1; `path` reads like `policy[0].grants[1].to`. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
}

export type Path = readonly (string | number)[];

export interface YamlSource {
  readonly value: unknown;
  /** Where the value stands; with `key`, where its key does. Falls back on what encloses it. */
  placeOf(path: Path, part?: "key" | "value"): { readonly line: number; readonly column: number };
}

/** How often one anchor may be expanded, directly or through others. */
const maxAliases = 10_000;
/** More say nothing that these do not. */
export const maxProblems = 200;

const tooDeep = "the file is nested too deeply";

const unquoted = "* at the beginning of a value names an anchor: put a pattern in quotes";
/** What the library says in its own terms, and of its own functions. */
const told = new Map([
  ["BAD_ALIAS", unquoted],
  ["MULTIPLE_DOCS", "a second document begins here; the file is one"],
]);

export interface ReadOptions {
  /** True for what the record has taken already: it is read as it was then, whatever has been refused since. */
  readonly isStored?: boolean;
  /** By what time dates are past, which becomes a warning; left out, none is looked at. */
  readonly now?: Date;
}

/** Reads one YAML 1.2 document: all its syntax problems, or its value. */
export function readYaml(
  text: string,
  file: string,
  { isStored = false }: ReadOptions = {},
): { readonly source: YamlSource } | { readonly problems: readonly Problem[] } {
  const whole = (message: string) => ({ problems: [{ file, line: 1, column: 1, path: "", message }] });
  const sizeProblem = findSizeProblem(Buffer.byteLength(text));
  if (sizeProblem !== undefined) return whole(sizeProblem);
  const foreign = isStored ? undefined : findForeign(text);
  if (foreign !== undefined) return { problems: [{ file, path: "", ...foreign }] };
  const lines = new LineCounter();
  try {
    // Unique keys are checked below: the library compares every key with every other.
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
    if (document.errors.some(({ code }) => code === "RESOURCE_EXHAUSTION")) return whole(tooDeep);
    const faults = [...document.errors, ...document.warnings].map(({ pos, code, message }) => {
      return { offset: pos[0], message: told.get(code) ?? message };
    });
    const problems = [...faults, ...listBadNodes(document)].slice(0, maxProblems).map(({ offset, message }) => {
      return { file, ...placeAt(lines, offset), path: "", message: message.slice(0, 200) };
    });
    if (problems.length > 0) return { problems };
    const value: unknown = document.toJS({ maxAliasCount: maxAliases });
    if (value === null) return whole("the file is empty");
    return { source: { value, placeOf: (path, part) => placeAt(lines, offsetOf(document, path, part ?? "value")) } };
  } catch (error) {
    if (error instanceof RangeError) return whole(tooDeep);
    if (error instanceof ReferenceError) return whole("the file has too many aliases, or one that expands too far");
    throw error;
  }
}

/**
 * The first character that no text in UTF-8 has a use for. U+FFFD stands where bytes were none, so that the file does
 * not say what its writer sees: a group of that name is nobody's. NUL is kept by no database.
 */
function findForeign(text: string): Omit<Problem, "file" | "path"> | undefined {
  const offset = text.search(/[\0\uFFFD]/);
  if (offset < 0) return undefined;
  const before = text.slice(0, offset).split("\n");
  const message = text[offset] === "\0" ? "holds the character NUL" : "is not UTF-8 here: save the file as UTF-8";
  return { line: before.length, column: (before.at(-1) ?? "").length + 1, message };
}

function placeAt(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

/** Keys that are no text or there twice, and aliases of anchors that are not there. */
function listBadNodes(document: Document.Parsed): { offset: number; message: string }[] {
  const found: { offset: number; message: string }[] = [];
  const anchors = new Set<string>();
  visit(document, {
    Node(_, node) {
      if (isAlias(node)) {
        if (!anchors.has(node.source)) found.push({ offset: startOf(node) ?? 0, message: unquoted });
        return;
      }
      if (node.anchor !== undefined) anchors.add(node.anchor);
      if (isMap(node)) found.push(...listBadKeys(node));
    },
  });
  return found;
}

function listBadKeys(map: YAMLMap): { offset: number; message: string }[] {
  const found: { offset: number; message: string }[] = [];
  const seen = new Set<string>();
  for (const { key } of map.items) {
    const name = isScalar(key) ? String(key.value) : undefined;
    const offset = startOf(key) ?? map.range?.[0] ?? 0;
    if (name === undefined) found.push({ offset, message: "a key must be plain text" });
    else if (seen.has(name))
      found.push({ offset, message: `the key ${JSON.stringify(name.slice(0, 60))} is there twice` });
    else seen.add(name);
  }
  return found;
}

function offsetOf(document: Document.Parsed, path: Path, part: "key" | "value"): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const [index, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isSeq(node) && typeof step === "number") {
      node = node.items[step];
    } else if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
      const isKey = part === "key" && index === path.length - 1;
      node = isKey || pair?.value === null ? pair?.key : pair?.value;
    } else {
      break;
    }
    offset = startOf(node) ?? offset;
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range?.[0] : undefined;
}
