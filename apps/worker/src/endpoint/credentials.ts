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
  /** Told at each reading why some files cannot be read any more, and once, with undefined, that all can. */
  readonly onUnread: (reason: string | undefined) => Promise<void>;
}

/** Files are looked at again after so long, and at once after a refusal. */
const REREAD_EVERY_MS = 5_000;

/**
 * Reads the secrets now, and files again while running, so that a rotation needs no restart.
 * @throws {ConfigurationError} naming a reference that has no value now; later, the last value stays.
 */
export async function openCredentials(sources: CredentialSources): Promise<Credentials> {
  const { references, env, where, now } = sources;
  const state = { secrets: await resolveSecrets(references, { env }, where), readAt: now(), preferred: "" };
  const tell = createUnreadTeller(sources.onUnread);
  await tell([]);

  async function read(maxAgeMs: number): Promise<readonly string[]> {
    if (now() - state.readAt < maxAgeMs) return state.secrets;
    state.readAt = now();
    const reasons: string[] = [];
    const secrets = await Promise.all(
      references.map(async (reference, index) => {
        const [secret] = await resolveSecrets([reference], { env }, where).catch((error: unknown) => {
          reasons.push(error instanceof Error ? error.message : String(error));
          return [];
        });
        return secret ?? state.secrets[index] ?? "";
      }),
    );
    state.secrets = secrets;
    await tell(reasons);
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

/** A file that is being replaced may be away for a moment: away is what two readings in a row do not find. */
function createUnreadTeller(onUnread: CredentialSources["onUnread"]): (reasons: readonly string[]) => Promise<void> {
  // What an earlier process said of them is not known.
  const state = { wasUnread: false, isToldRead: false };
  return async (reasons) => {
    const { wasUnread } = state;
    state.wasUnread = reasons.length > 0;
    if (reasons.length > 0 && wasUnread) {
      state.isToldRead = false;
      await onUnread(reasons.toSorted().join("; "));
    } else if (reasons.length === 0 && !state.isToldRead) {
      await onUnread(undefined);
      state.isToldRead = true;
    }
  };
}
