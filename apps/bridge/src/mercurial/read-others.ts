import { splitBlock } from "../files/managed-block.ts";
import { findText } from "../state/write-file.ts";
import type { MercurialConfiguration } from "./configuration.ts";
import type { OthersLines } from "./found-lines.ts";

/** The lines of others by which people come in; undefined where a file is away or cannot be told apart. */
export async function readOthers(
  files: Pick<MercurialConfiguration, "htpasswd" | "authorizedKeys">,
): Promise<OthersLines | undefined> {
  const texts = await Promise.all([files.htpasswd, files.authorizedKeys].map((path) => readOne(path)));
  const [htpasswd = null, authorizedKeys = null] = texts;
  if (texts.includes(undefined)) return undefined;
  return { htpasswd: htpasswd ?? undefined, authorizedKeys: authorizedKeys ?? undefined };
}

/** Null for a file that is not used, undefined for one that says nothing now. */
async function readOne(path: string | null): Promise<string | null | undefined> {
  if (path === null) return null;
  try {
    const text = await findText(path);
    return text === undefined ? undefined : splitBlock(text).others;
  } catch {
    // Whoever writes the file tells what is wrong with it.
    return undefined;
  }
}
