import { createHash, timingSafeEqual } from "node:crypto";
import { ForbiddenError, UnauthorizedError } from "@branchward/core";

/** What a token allows; `admin` covers all. */
export type Scope = "admin" | "read" | "status" | "scim" | "agent";

/** Who asks. */
export interface Principal {
  /** The name under which a client provisions and acts. */
  readonly client: string;
  readonly scope: Scope;
  /** Null for tokens that are not in the record: the admin's and the worker's own. */
  readonly tokenId: string | null;
  /** True for the worker's own token only. */
  readonly internal: boolean;
  /** When the session ends that the request came with; left out for a bearer token. */
  readonly sessionEndsAt?: Date;
}

export interface StaticToken {
  readonly secret: string;
  readonly principal: Principal;
}

/** A session as the record has it; it lives no longer than the token that it was opened with. */
export interface RecordedSession {
  readonly client: string;
  readonly scope: Scope;
  readonly tokenId: string | null;
  /** SHA-256 of that token. */
  readonly tokenHash: Buffer;
  readonly expiresAt: Date;
}

export interface AuthenticatorOptions {
  readonly staticTokens: readonly StaticToken[];
  /** Looks a token up in the record. */
  readonly findToken: (
    secret: string,
  ) => Promise<{ readonly id: string; readonly client: string; readonly scope: Scope } | undefined>;
  /** Looks a dashboard's session up in the record. */
  readonly findSession: (secret: string) => Promise<RecordedSession | undefined>;
  /** Told of each use. */
  readonly onUse: (tokenId: string) => void;
  readonly now: () => number;
}

export interface Authenticator {
  /** @throws {UnauthorizedError} when there is no valid bearer token. */
  authenticate(authorization: string | undefined): Promise<Principal>;
  /** @throws {UnauthorizedError} when there is no session of this secret any more. */
  authenticateSession(secret: string): Promise<Principal>;
  /** Forgets a session that has just been ended here, so that it is refused at once. */
  forgetSession(secret: string): void;
}

/** A revoked token works on for at most this long. */
const CACHE_MS = 1_000;
const CACHE_MAX = 1_000;

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Secrets themselves are not kept. */
function keyOf(secret: string): string {
  return digest(secret).toString("base64url");
}

/** Remembers what was found for a second, and nothing that was not. */
function createCache(now: () => number) {
  const entries = new Map<string, { readonly principal: Principal; readonly until: number }>();
  return {
    async find(secret: string, load: () => Promise<Principal>): Promise<Principal> {
      const key = keyOf(secret);
      const cached = entries.get(key);
      if (cached !== undefined && cached.until > now()) return cached.principal;
      const principal = await load();
      if (entries.size >= CACHE_MAX) entries.clear();
      entries.set(key, { principal, until: now() + CACHE_MS });
      return principal;
    },
    forget: (secret: string) => void entries.delete(keyOf(secret)),
  };
}

/** Checks bearer tokens and sessions; found ones are remembered for a second. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const fixed = options.staticTokens.map(({ secret, principal }) => ({ hash: digest(secret), principal }));
  const tokens = createCache(options.now);
  const sessions = createCache(options.now);

  async function loadToken(secret: string): Promise<Principal> {
    const token = await options.findToken(secret);
    if (token === undefined) throw new UnauthorizedError("the token is not valid: unknown, expired or revoked");
    options.onUse(token.id);
    return { client: token.client, scope: token.scope, tokenId: token.id, internal: false };
  }

  async function loadSession(secret: string): Promise<Principal> {
    const session = await options.findSession(secret);
    // A token that is not in the record may have been exchanged with a restart.
    const isHeld = session?.tokenId !== null || fixed.some(({ hash }) => hash.equals(session.tokenHash));
    if (session === undefined || !isHeld) throw new UnauthorizedError("the session has ended; sign in again");
    const { client, scope, tokenId, expiresAt } = session;
    return { client, scope, tokenId, internal: false, sessionEndsAt: expiresAt };
  }

  return {
    async authenticate(authorization) {
      const secret = /^Bearer +(\S+)$/iu.exec(authorization ?? "")?.[1];
      if (secret === undefined) throw new UnauthorizedError("a bearer token is required");
      const hash = digest(secret);
      const match = fixed.find((candidate) => timingSafeEqual(candidate.hash, hash));
      return match === undefined ? tokens.find(secret, () => loadToken(secret)) : match.principal;
    },
    authenticateSession: (secret) => sessions.find(secret, () => loadSession(secret)),
    forgetSession: (secret) => sessions.forget(secret),
  };
}

/** @throws {ForbiddenError} when the token does not cover the scope. */
export function requireScope(principal: Principal, scope: Scope): void {
  if (principal.scope === "admin" || principal.scope === scope) return;
  // Whoever may read everything may read the status.
  if (scope === "status" && principal.scope === "read") return;
  throw new ForbiddenError(`this needs a token of scope ${scope}; this one has ${principal.scope}`, {
    code: "missing_scope",
  });
}
