/** The tokens of one endpoint, several while one is rotated: hides which works, and when files are read again. */
import type { SecretReference } from "@branchward/core";
import { resolveSecrets } from "@branchward/runtime";

export interface Credentials {
  /** The token that worked last. */
  current(): Promise<string>;
  /** One that a call has not tried yet; undefined when it tried all. */
  next(tried: readonly string[]): Promise<string | undefined>;
}

export interface CredentialSources {
  readonly references: readonly SecretReference[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For messages: `endpoint hg`. */
  readonly where: string;
  /** Milliseconds that never go back. */
  readonly now: () => number;
}

/** Files are looked at again after so long, and at once after a refusal. */
const REREAD_EVERY_MS = 5_000;

/**
 * Reads the secrets now, and files again while running, so that a rotation needs no restart.
 * @throws {ConfigurationError} naming a reference that has no value now; later, the last value stays.
 */
export async function openCredentials({ references, env, where, now }: CredentialSources): Promise<Credentials> {
  const state = { secrets: await resolveSecrets(references, { env }, where), readAt: now(), preferred: "" };

  async function read(maxAgeMs: number): Promise<readonly string[]> {
    if (now() - state.readAt < maxAgeMs) return state.secrets;
    state.readAt = now();
    const secrets = await Promise.all(
      references.map(async (reference, index) => {
        // A file that is being replaced may be away for a moment.
        const [secret] = await resolveSecrets([reference], { env }, where).catch(() => []);
        return secret ?? state.secrets[index] ?? "";
      }),
    );
    state.secrets = secrets;
    return secrets;
  }

  return {
    async current() {
      const secrets = await read(REREAD_EVERY_MS);
      if (!secrets.includes(state.preferred)) state.preferred = secrets[0] ?? "";
      return state.preferred;
    },
    async next(tried) {
      const secrets = await read(0);
      const other = secrets.find((secret) => !tried.includes(secret));
      state.preferred = other ?? secrets[0] ?? "";
      return other;
    },
  };
}
