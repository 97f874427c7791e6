/** Comment lines in native files that carry what only SCIM knows, so that a lost state can be made from them. */
const PREFIX = "# branchward ";

/** One line; JSON leaves no line break in it. */
export function toIndexLine(record: object): string {
  return `${PREFIX}${JSON.stringify(record)}`;
}

/** The records of such lines, as unknown data; lines that are none are left out. */
export function readIndexLines(lines: readonly string[]): readonly unknown[] {
  return lines.flatMap((line) => {
    const record = readIndexLine(line);
    return record === undefined ? [] : [record];
  });
}

function readIndexLine(line: string): unknown {
  if (!line.startsWith(PREFIX)) return undefined;
  try {
    return JSON.parse(line.slice(PREFIX.length));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
