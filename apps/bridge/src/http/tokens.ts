/** Hides which bearer tokens are good at the moment: files behind references are read again, so that a rotation needs no restart. */
import { createHash, timingSafeEqual } from "node:crypto";
import { ConfigurationError, type SecretReference, UnauthorizedError } from "@branchward/core";
import { type Logger, resolveSecrets } from "@branchward/runtime";

export interface TokenCheck {
  /** @throws {UnauthorizedError} for what is no token of the configuration's list as its files are now */
  require(authorization: string | undefined): Promise<void>;
}

export interface TokenOptions {
  readonly references: readonly SecretReference[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  /** Milliseconds, of any origin. */
  readonly now: () => number;
}

/** A token that is taken out of its file works on for at most this long. */
const REREAD_AFTER_MS = 1_000;
/** Shorter ones can be guessed. */
const MIN_TOKEN = 16;

/** Reads the tokens. @throws {ConfigurationError} when a reference has no value, or one too short */
export async function openTokenCheck({ references, env, log, now }: TokenOptions): Promise<TokenCheck> {
  const read = async (): Promise<readonly Buffer[]> => {
    const tokens = await resolveSecrets(references, { env }, "token");
    if (tokens.some((token) => token.length < MIN_TOKEN))
      throw new ConfigurationError(`token: each has ${MIN_TOKEN} characters or more`);
    return tokens.map(digest);
  };
  const state = { hashes: await read(), readAt: now() };

  async function refresh(): Promise<void> {
    if (now() - state.readAt < REREAD_AFTER_MS) return;
    state.readAt = now();
    try {
      state.hashes = await read();
    } catch (error) {
      // A file that is away for the moment ends no token.
      log.warn({ err: error }, "tokens not read again");
    }
  }

  return {
    async require(authorization) {
      const secret = /^Bearer +(\S+)$/iu.exec(authorization ?? "")?.[1];
      if (secret === undefined) throw new UnauthorizedError("a bearer token is required");
      await refresh();
      const hash = digest(secret);
      if (!state.hashes.some((candidate) => timingSafeEqual(candidate, hash)))
        throw new UnauthorizedError("the token is not one of this bridge");
    },
  };
}

/** Secrets themselves are not kept. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
