/** Secrets that an installation makes for itself: kept 0600 in the data directory. */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Reads the secret kept in the file, or makes it with `create`; says which. */
export async function keepSecret(
  file: string,
  create: () => string,
): Promise<{ readonly secret: string; readonly made: boolean }> {
  const kept = await readKept(file);
  if (kept !== undefined) return { secret: kept, made: false };
  const secret = create();
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  try {
    await writeFile(file, `${secret}\n`, { mode: 0o600, flag: "wx" });
    return { secret, made: true };
  } catch (error) {
    const raced = await readKept(file);
    if (raced === undefined) throw error;
    return { secret: raced, made: false };
  }
}

async function readKept(file: string): Promise<string | undefined> {
  try {
    const text = (await readFile(file, "utf8")).trim();
    return text === "" ? undefined : text;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** A Standard Webhooks secret: `whsec_` and 32 random bytes in base64. */
export function createWebhookSecret(): string {
  return `whsec_${randomBytes(32).toString("base64")}`;
}
