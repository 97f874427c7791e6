import { readFile, stat } from "node:fs/promises";
import { ConfigurationError, type SecretReference } from "@branchward/core";

export interface SecretSources {
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A secret larger than this is a wrong file. */
const MAX_SECRET_BYTES = 64 * 1024;

/**
 * The values behind a secret's references, in their order; several while one is rotated.
 * @throws {ConfigurationError} naming the reference that has no value.
 */
export async function resolveSecrets(
  references: readonly SecretReference[],
  { env }: SecretSources,
  where: string,
): Promise<readonly string[]> {
  return Promise.all(references.map((reference) => resolveSecret(reference, env, where)));
}

async function resolveSecret(reference: SecretReference, env: SecretSources["env"], where: string): Promise<string> {
  if ("env" in reference) {
    const value = env[reference.env];
    if (value === undefined || value === "") {
      throw new ConfigurationError(`${where}: the environment variable ${reference.env} is not set`);
    }
    return value;
  }
  const value = await readSecretFile(reference.file, where);
  if (value === "") throw new ConfigurationError(`${where}: ${reference.file} is empty`);
  return value;
}

async function readSecretFile(file: string, where: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > MAX_SECRET_BYTES) throw new ConfigurationError(`${where}: ${file} is too large for a secret`);
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause;
    throw new ConfigurationError(
      `${where}: ${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}
