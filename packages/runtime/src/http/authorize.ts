/** Who asks: a bearer token, or the dashboard's cookie, which counts only where the request cannot be forged. */
import type { IncomingHttpHeaders } from "node:http";
import { ForbiddenError } from "@branchward/core";
import type { Authenticator, Principal } from "./auth.ts";

export const SESSION_COOKIE = "branchward_session";

export interface AskedBy {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** The session's secret that the request carries. */
export function findSessionSecret(headers: IncomingHttpHeaders): string | undefined {
  for (const pair of (headers.cookie ?? "").split(";")) {
    const [name, value] = pair.split("=", 2);
    if (name?.trim() === SESSION_COOKIE && value !== undefined && value !== "") return value.trim();
  }
  return undefined;
}

/** @throws {ForbiddenError} `cross_site` for a request that changes something and that another site may have caused. */
export function requireSameOrigin({ method, headers }: AskedBy): void {
  if (SAFE_METHODS.has(method) || headers["sec-fetch-site"] === "same-origin") return;
  throw new ForbiddenError("a cookie counts only for requests of our own pages: Sec-Fetch-Site must be same-origin", {
    code: "cross_site",
  });
}

/**
 * The principal behind a request: by `Authorization` where there is one, else by the session cookie.
 * @throws {UnauthorizedError} when neither proves who asks
 * @throws {ForbiddenError} `cross_site`
 */
export async function identify(authenticator: Authenticator, request: AskedBy): Promise<Principal> {
  const { authorization } = request.headers;
  const secret = authorization === undefined ? findSessionSecret(request.headers) : undefined;
  if (secret === undefined) return authenticator.authenticate(authorization);
  requireSameOrigin(request);
  return authenticator.authenticateSession(secret);
}
