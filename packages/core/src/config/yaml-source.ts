/** YAML text as plain data that still knows its lines. Hostile text (size, depth, aliases) becomes a problem, never a hang. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Document } from "yaml";
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

/** Reads one YAML 1.2 document: all its syntax problems, or its value. */
export function readYaml(
  text: string,
  file: string,
): { readonly source: YamlSource } | { readonly problems: readonly Problem[] } {
  const whole = (message: string) => ({ problems: [{ file, line: 1, column: 1, path: "", message }] });
  const sizeProblem = findSizeProblem(Buffer.byteLength(text));
  if (sizeProblem !== undefined) return whole(sizeProblem);
  const lines = new LineCounter();
  try {
    // Unique keys are checked below: the library compares every key with every other.
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
    if (document.errors.some(({ code }) => code === "RESOURCE_EXHAUSTION")) return whole(tooDeep);
    const faults = [...document.errors, ...document.warnings].map(({ pos, message }) => ({ offset: pos[0], message }));
    const problems = [...faults, ...listBadKeys(document)].slice(0, maxProblems).map(({ offset, message }) => {
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

function placeAt(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function listBadKeys(document: Document.Parsed): { offset: number; message: string }[] {
  const found: { offset: number; message: string }[] = [];
  visit(document, {
    Map(_, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        const name = isScalar(key) ? String(key.value) : undefined;
        const offset = startOf(key) ?? map.range?.[0] ?? 0;
        if (name === undefined) found.push({ offset, message: "a key must be plain text" });
        else if (seen.has(name))
          found.push({ offset, message: `the key ${JSON.stringify(name.slice(0, 60))} is there twice` });
        else seen.add(name);
      }
    },
  });
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
