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
}

export interface StaticToken {
  readonly secret: string;
  readonly principal: Principal;
}

export interface AuthenticatorOptions {
  readonly staticTokens: readonly StaticToken[];
  /** Looks a token up in the record. */
  readonly findToken: (
    secret: string,
  ) => Promise<{ readonly id: string; readonly client: string; readonly scope: Scope } | undefined>;
  /** Told of each use. */
  readonly onUse: (tokenId: string) => void;
  readonly now: () => number;
}

export interface Authenticator {
  /** @throws {UnauthorizedError} when there is no valid bearer token. */
  authenticate(authorization: string | undefined): Promise<Principal>;
}

/** A revoked token works on for at most this long. */
const CACHE_MS = 1_000;
const CACHE_MAX = 1_000;

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Checks bearer tokens; found ones are remembered for a second. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const fixed = options.staticTokens.map(({ secret, principal }) => ({ hash: digest(secret), principal }));
  const cache = new Map<string, { readonly principal: Principal; readonly until: number }>();

  async function findRecorded(secret: string): Promise<Principal> {
    const key = digest(secret).toString("base64url");
    const cached = cache.get(key);
    if (cached !== undefined && cached.until > options.now()) return cached.principal;
    const token = await options.findToken(secret);
    if (token === undefined) throw new UnauthorizedError("the token is not valid: unknown, expired or revoked");
    options.onUse(token.id);
    const principal: Principal = { client: token.client, scope: token.scope, tokenId: token.id, internal: false };
    if (cache.size >= CACHE_MAX) cache.clear();
    cache.set(key, { principal, until: options.now() + CACHE_MS });
    return principal;
  }

  return {
    async authenticate(authorization) {
      const secret = /^Bearer +(\S+)$/iu.exec(authorization ?? "")?.[1];
      if (secret === undefined) throw new UnauthorizedError("a bearer token is required");
      const hash = digest(secret);
      const match = fixed.find((candidate) => timingSafeEqual(candidate.hash, hash));
      return match === undefined ? findRecorded(secret) : match.principal;
    },
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
