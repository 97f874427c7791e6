/**
 * Branch and repository patterns: own code, because patterns are untrusted input and the available matchers backtrack
 * exponentially. Matching is iterative and takes at most O(pattern × name) steps.
 *
 * Semantics are fnmatch's with FNM_PATHNAME and a globstar, as minimatch has them with
 * `{ dot, nobrace, noext, nonegate, nocomment }`, but for these, on purpose:
 * a backslash is an ordinary character; `?` and classes match one Unicode code point; `.` and `..` are ordinary
 * segments; `[^…]`, `[[:…:]]` and descending ranges, which tools read differently, are refused when compiled.
 */
import { isSegmentValue, placeholderAt } from "./placeholder.ts";

type Atom =
  | { readonly kind: "char"; readonly char: string }
  | { readonly kind: "any" }
  | { readonly kind: "star" }
  | { readonly kind: "class"; readonly negated: boolean; readonly ranges: readonly (readonly [number, number])[] }
  | { readonly kind: "user"; readonly attribute: string };

/** One path segment of a pattern; null stands for `**`, any number of segments. */
type Segment = readonly Atom[] | null;

/** A compiled pattern: plain data, made once and matched many times. */
export interface Pattern {
  readonly text: string;
  readonly segments: readonly Segment[];
  /** The `${user.…}` attributes it needs, without repetition. */
  readonly attributes: readonly string[];
}

const maxLength = 1_024;

/** Compiles a pattern, or says in one sentence why it has no clear meaning. */
export function compilePattern(text: string): { readonly pattern: Pattern } | { readonly problem: string } {
  if (text === "") return { problem: "a pattern must not be empty" };
  if (text.length > maxLength) return { problem: `a pattern has at most ${maxLength} characters` };
  const segments: Segment[] = [];
  for (const part of text.split("/")) {
    if (part === "") return { problem: "a pattern has no empty segment: no leading, trailing or double slash" };
    if (part !== "**") {
      const compiled = compileSegment(Array.from(part));
      if ("problem" in compiled) return compiled;
      segments.push(compiled.atoms);
    } else if (segments.at(-1) !== null) {
      segments.push(null);
    }
  }
  const atoms = segments.flatMap((segment) => segment ?? []);
  const attributes = new Set(atoms.flatMap((atom) => (atom.kind === "user" ? [atom.attribute] : [])));
  return { pattern: { text, segments, attributes: [...attributes] } };
}

/**
 * The pattern for one user: every `${user.…}` replaced by its value as literal text. Undefined when a value is missing
 * or not exactly one path segment (rule B5): then the pattern matches nothing for this user.
 */
export function bindPattern(pattern: Pattern, valueOf: (attribute: string) => string | undefined): Pattern | undefined {
  if (pattern.attributes.length === 0) return pattern;
  const values = new Map<string, Atom[]>();
  for (const attribute of pattern.attributes) {
    const value = valueOf(attribute);
    if (value === undefined || !isSegmentValue(value)) return undefined;
    values.set(
      attribute,
      Array.from(value, (char) => ({ kind: "char", char })),
    );
  }
  const segments = pattern.segments.map(
    (segment) =>
      segment?.flatMap((atom) => (atom.kind === "user" ? (values.get(atom.attribute) ?? []) : [atom])) ?? null,
  );
  return { text: pattern.text, segments, attributes: [] };
}

/** True when the name matches; an unbound `${user.…}` matches any value it could take. */
export function matchesPattern(pattern: Pattern, name: string): boolean {
  return runMatch(pattern, name).matched;
}

/** Like `matchesPattern`, with the number of comparisons made. */
export function runMatch(pattern: Pattern, name: string): { readonly matched: boolean; readonly steps: number } {
  const segments =
    pattern.attributes.length === 0
      ? pattern.segments
      : pattern.segments.map((segment) => segment?.flatMap(widen) ?? null);
  const parts = name.split("/").map((part) => Array.from(part));
  const count = { steps: 0 };
  let [at, part] = [0, 0];
  // Where to go on when a match fails: after the last `**`, one segment further.
  let [afterGlobstar, retryPart] = [-1, 0];
  while (part < parts.length) {
    const segment = segments[at];
    if (segment === null) {
      afterGlobstar = ++at;
      retryPart = part;
    } else if (segment !== undefined && matchesSegment(segment, parts[part] ?? [], count)) {
      at++;
      part++;
    } else if (afterGlobstar >= 0) {
      at = afterGlobstar;
      part = ++retryPart;
    } else {
      return { matched: false, steps: count.steps };
    }
    count.steps++;
  }
  // `**` may stand for no segment at all, but for the last one after a slash: `a/**` is what lies below `a`.
  const rest = segments.slice(at);
  const isBelow = rest.length === 1 && rest[0] === null && at > 0;
  return { matched: !isBelow && rest.every((segment) => segment === null), steps: count.steps };
}

function matchesSegment(atoms: readonly Atom[], chars: readonly string[], count: { steps: number }): boolean {
  // An empty segment (hg allows `a//b`) is matched by `**` alone.
  if (chars.length === 0) return false;
  let [at, char] = [0, 0];
  let [afterStar, retryChar] = [-1, 0];
  while (char < chars.length) {
    count.steps++;
    const atom = atoms[at];
    if (atom?.kind === "star") {
      afterStar = ++at;
      retryChar = char;
    } else if (atom !== undefined && matchesAtom(atom, chars[char] ?? "")) {
      at++;
      char++;
    } else if (afterStar >= 0) {
      at = afterStar;
      char = ++retryChar;
    } else {
      return false;
    }
  }
  while (atoms[at]?.kind === "star") at++;
  return at === atoms.length;
}

function matchesAtom(atom: Atom, char: string): boolean {
  switch (atom.kind) {
    case "char":
      return atom.char === char;
    case "any":
      return true;
    case "class": {
      const point = char.codePointAt(0) ?? 0;
      return atom.ranges.some(([low, high]) => low <= point && point <= high) !== atom.negated;
    }
    default:
      return false;
  }
}

/** A value is at least one character. */
function widen(atom: Atom): Atom[] {
  return atom.kind === "user" ? [{ kind: "any" }, { kind: "star" }] : [atom];
}

function compileSegment(chars: readonly string[]): { readonly atoms: readonly Atom[] } | { readonly problem: string } {
  const atoms: Atom[] = [];
  let at = 0;
  while (at < chars.length) {
    const char = chars[at] ?? "";
    if (char === "$" && chars[at + 1] === "{") {
      const placeholder = placeholderAt(chars.slice(at).join(""));
      if (placeholder === undefined) return { problem: "only ${user.<attribute>} can stand in a pattern" };
      atoms.push({ kind: "user", attribute: placeholder.attribute });
      at += placeholder.length;
    } else if (char === "[") {
      const compiled = compileClass(chars, at);
      if ("problem" in compiled) return compiled;
      atoms.push(compiled.atom);
      at = compiled.next;
    } else {
      if (char !== "*") atoms.push(char === "?" ? { kind: "any" } : { kind: "char", char });
      else if (atoms.at(-1)?.kind !== "star") atoms.push({ kind: "star" });
      at++;
    }
  }
  return { atoms };
}

/** A `[` that is never closed is an ordinary character; a `]` that comes first belongs to the class. */
function compileClass(
  chars: readonly string[],
  start: number,
): { readonly atom: Atom; readonly next: number } | { readonly problem: string } {
  const negated = chars[start + 1] === "!";
  const first = start + (negated ? 2 : 1);
  const end = chars.indexOf("]", first + 1);
  if (end < 0) return { atom: { kind: "char", char: "[" }, next: start + 1 };
  if (chars[first] === "^") return { problem: "write [!…] for a negated class, not [^…]" };
  if (chars.slice(first, end).join("").includes("[:"))
    return { problem: "named classes such as [:alpha:] are not supported" };
  const points = chars.slice(first, end).map((char) => char.codePointAt(0) ?? 0);
  const ranges: (readonly [number, number])[] = [];
  const hyphen = 0x2d;
  for (let at = 0; at < points.length; at++) {
    const [low = 0, middle, high] = points.slice(at, at + 3);
    const isRange = middle === hyphen && high !== undefined;
    if (isRange && high < low) return { problem: "a range in a class ascends: [a-z]" };
    ranges.push([low, isRange ? high : low]);
    if (isRange) at += 2;
  }
  return { atom: { kind: "class", negated, ranges }, next: end + 1 };
}
