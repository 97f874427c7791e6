/** The bridge's own lines in a file that others write too; theirs are kept as they are. */
const BEGIN = "# >>> branchward bridge: what stands between these two lines is written anew; edit outside of them";
const END = "# <<< branchward bridge";

/** What a file holds: the bridge's lines, and the text of the others. */
export interface BlockedText {
  /** Undefined where there is no block. */
  readonly block: readonly string[] | undefined;
  readonly others: string;
}

/** Takes a text apart. @throws Error where only one of the marks is there, or several: nobody can say what is whose */
export function splitBlock(text: string): BlockedText {
  const lines = text.split("\n");
  const begins = lines.flatMap((line, index) => (line === BEGIN ? [index] : []));
  const ends = lines.flatMap((line, index) => (line === END ? [index] : []));
  const [begin, end] = [begins[0], ends[0]];
  if (begin === undefined && end === undefined) return { block: undefined, others: text };
  if (begin === undefined || end === undefined || begins.length > 1 || ends.length > 1 || end < begin) {
    throw new Error(`the marks of the bridge's lines are damaged: there must be one of each, "${BEGIN}" and "${END}"`);
  }
  const others = [...lines.slice(0, begin), ...lines.slice(end + 1)];
  return { block: lines.slice(begin + 1, end), others: others.join("\n") };
}

/** The text with the bridge's lines at its end, where they have the last word. */
export function joinBlock(others: string, block: readonly string[]): string {
  const before = others === "" || others.endsWith("\n") ? others : `${others}\n`;
  return `${before}${[BEGIN, ...block, END].join("\n")}\n`;
}
