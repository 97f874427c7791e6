/** Keeps the token of this user's device where the agent finds it (rule B6), for its owner alone. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { InvalidInputError } from "@branchward/core";
import { type Enrolment, findEnrolment, toAddress, toEnrolmentFile } from "./agent/enrolment.js";
import { readTextIfThere, writeWhole } from "./home.ts";
import type { Environment } from "./target.ts";

/**
 * Writes the token that this address gave, in place of the one before it. @returns the file
 * @throws InvalidInputError where the environment names no home directory, or the file holds something else.
 */
export async function saveEnrolment(env: Environment, url: string, enrolment: Enrolment): Promise<string> {
  const file = toEnrolmentFile(env);
  if (file === undefined) throw new InvalidInputError("HOME is not set");
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const kept = parseKept(await readTextIfThere(file), file);
  await writeWhole(file, `${JSON.stringify({ ...kept, [toAddress(url)]: enrolment }, null, 2)}\n`, 0o600);
  return file;
}

function parseKept(text: string | undefined, file: string): Readonly<Record<string, unknown>> {
  if (text === undefined) return {};
  try {
    const kept: unknown = JSON.parse(text);
    if (typeof kept === "object" && kept !== null && !Array.isArray(kept)) return { ...kept };
  } catch (cause) {
    throw new InvalidInputError(`${file} is not JSON; move it away`, { cause });
  }
  throw new InvalidInputError(`${file} holds no devices; move it away`);
}

/** Whether a client's hooks that tell this address can do without the source's secret. */
export function isEnrolled(env: Environment, url: string): boolean {
  return findEnrolment(env, url) !== null;
}
