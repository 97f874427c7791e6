/** Hides how a state directory belongs to one running bridge. */
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError } from "@branchward/core";
import { findText } from "./write-file.ts";

/**
 * Takes the directory for this process until disposed; what a killed bridge left behind is taken over.
 * @throws {ConfigurationError} `state_in_use` while another bridge runs on it
 */
export async function claimDirectory(directory: string): Promise<AsyncDisposable> {
  // Servers look through it for the rules that lie below; the state itself is the bridge's alone.
  await mkdir(directory, { recursive: true, mode: 0o711 });
  const file = join(directory, "bridge.pid");
  while (!(await tryClaim(file))) {
    const holder = Number(await findText(file).then((text) => text ?? "0"));
    if (holder !== process.pid && isRunning(holder)) {
      throw new ConfigurationError(`${directory} is in use by the bridge with process id ${holder}`, {
        code: "state_in_use",
      });
    }
    await rm(file, { force: true });
  }
  return { [Symbol.asyncDispose]: () => rm(file, { force: true }) };
}

async function tryClaim(file: string): Promise<boolean> {
  try {
    await using handle = await open(file, "wx", 0o600);
    await handle.writeFile(String(process.pid));
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
