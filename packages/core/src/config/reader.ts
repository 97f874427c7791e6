/** Walks configuration data by shape, so that one fault hides no other: every field is judged for itself. */
import type { z } from "zod";
import { suggest } from "./suggest.ts";
import { maxProblems, type Path, type Problem, type YamlSource } from "./yaml-source.ts";

/** A value of the file and where it stands. */
export interface Node {
  readonly value: unknown;
  readonly path: Path;
}

type Shape = Readonly<Record<string, z.ZodType>>;
/** What could be read: a field with a problem is undefined. */
type Fields<S extends Shape> = { readonly [K in keyof S]: z.output<S[K]> | undefined };

export interface Reader {
  readonly file: string;
  /** By what time dates are past; undefined where nobody asks. */
  readonly now: Date | undefined;
  readonly problems: readonly Problem[];
  /** What is valid and can have no effect. */
  readonly warnings: readonly Problem[];
  report(path: Path, message: string): void;
  warn(path: Path, message: string): void;
  lineOf(node: Node): number;
  /** The fields of a mapping; anything that the shape does not name is a problem. */
  readFields<S extends Shape>(node: Node, shape: S): Fields<S>;
  /** The items of a list that may be left out. */
  readItems(node: Node): readonly Node[];
}

export function createReader(source: YamlSource, file: string, now?: Date): Reader {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const add = (path: Path, message: string, part: "key" | "value") => {
    if (problems.length === maxProblems)
      problems.push({ file, line: 1, column: 1, path: "", message: "there are further problems" });
    if (problems.length < maxProblems)
      problems.push({ file, ...source.placeOf(path, part), path: formatPath(path), message });
  };
  const report = (path: Path, message: string) => add(path, message, "value");

  function warn(path: Path, message: string): void {
    if (warnings.length < maxProblems)
      warnings.push({ file, ...source.placeOf(path), path: formatPath(path), message });
  }

  function readFields<S extends Shape>(node: Node, shape: S): Fields<S> {
    const isReadable = isRecord(node.value);
    if (!isReadable) report(node.path, "must be a mapping");
    const value = isReadable ? node.value : {};
    const unknown = Object.keys(value).filter((key) => !Object.hasOwn(shape, key));
    for (const key of unknown.slice(0, maxProblems + 1)) {
      add([...node.path, key], `unknown key ${quote(key)}${suggest(key, Object.keys(shape))}`, "key");
    }
    const entries = Object.entries(shape).map(([key, schema]) => {
      const parsed = schema.safeParse(Object.hasOwn(value, key) ? value[key] : undefined);
      const isMissing = !Object.hasOwn(value, key);
      if (!parsed.success && isReadable) {
        if (isMissing) report(node.path, `${key} is required`);
        else for (const issue of parsed.error.issues) report([...node.path, key, ...toPath(issue.path)], issue.message);
      }
      return [key, parsed.data] as const;
    });
    return parseFields<S>(Object.fromEntries(entries));
  }

  function readItems(node: Node): readonly Node[] {
    if (node.value === undefined) return [];
    if (!Array.isArray(node.value)) {
      report(node.path, "must be a list");
      return [];
    }
    return node.value.map((value: unknown, index) => ({ value, path: [...node.path, index] }));
  }

  const lineOf = (node: Node) => source.placeOf(node.path).line;
  return { file, now, problems, warnings, report, warn, readFields, readItems, lineOf };
}

/** A field of a mapping as a node of its own; undefined where it is absent. */
export function childOf(node: Node, key: string): Node {
  const value = isRecord(node.value) && Object.hasOwn(node.value, key) ? node.value[key] : undefined;
  return { value, path: [...node.path, key] };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function formatPath(path: Path): string {
  return path
    .map((step, index) => (typeof step === "number" ? `[${step}]` : index === 0 ? step : `.${step}`))
    .join("")
    .slice(0, 300);
}

export function quote(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}

function toPath(path: readonly PropertyKey[]): Path {
  return path.map((step) => (typeof step === "number" ? step : String(step)));
}

/** `Object.fromEntries` over the keys of the shape, with the type that this makes. */
function parseFields<S extends Shape>(fields: Record<string, unknown>): Fields<S> {
  return fields as Fields<S>;
}
