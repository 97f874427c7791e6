/** Several files replaced together: each whole, read back, and put back as they were where the caller says so. */
import { type FileOwnership, findText, replaceFile } from "../state/write-file.ts";

/** A file and what it shall hold. */
export interface WantedFile {
  readonly path: string;
  /** From what it holds now; undefined where there is none. */
  readonly content: (current: string | undefined) => string;
  /** Owner and mode where there is no such file yet. */
  readonly absent: FileOwnership;
}

/** Puts back what was there before. */
export type Undo = () => Promise<void>;

/**
 * Replaces those that differ, in order. Resolves when all are on the disk and read back as written; where one cannot
 * be, those before it are put back.
 */
export async function replaceFiles(files: readonly WantedFile[]): Promise<Undo> {
  const undone: Undo[] = [];
  const undo = async (): Promise<void> => {
    for (const step of undone.splice(0).toReversed()) await step();
  };
  try {
    for (const file of files) undone.push(await replace(file));
  } catch (error) {
    await undo();
    throw error;
  }
  return undo;
}

async function replace({ path, content, absent }: WantedFile): Promise<Undo> {
  const before = await findText(path);
  const wanted = content(before);
  if (wanted === before) return async () => undefined;
  await replaceFile(path, wanted, absent);
  if ((await findText(path)) !== wanted) throw new Error(`${path} does not hold what was written into it`);
  // A file that was not there is left: an include that is missing would open what it closes.
  return async () => (before === undefined ? undefined : replaceFile(path, before, absent));
}
