import type { IncomingHttpHeaders } from "node:http";
import { ForbiddenError, UnauthorizedError } from "@branchward/core";
import { problem, session, sessionBody } from "@branchward/core/api";
import {
  answer,
  type Authenticator,
  defineRoute,
  findSessionSecret,
  requireSameOrigin,
  type Route,
  SESSION_COOKIE,
} from "@branchward/runtime";
import { type Database, deleteSession, insertSession } from "@branchward/store";
import { z } from "zod";
import { createFailureLimit } from "../failure-limit.ts";

export interface SessionDeps {
  readonly db: Database;
  readonly authenticator: Authenticator;
}

const LIFETIME_MS = 12 * 60 * 60_000;

/** Sign-in to the dashboard: a token for a cookie that no script can read and no other site can use. */
export function createSessionRoutes(deps: SessionDeps): readonly Route[] {
  return [signInRoute(deps), showRoute(), signOutRoute(deps)];
}

function signInRoute({ db, authenticator }: SessionDeps): Route {
  const limit = createFailureLimit(() => performance.now());
  return defineRoute({
    method: "post",
    path: "/v1/session",
    summary: "Sign in with a token of scope admin or read: sets the session's cookie for 12 hours",
    scope: null,
    body: sessionBody,
    responses: {
      200: { description: "signed in", body: session },
      401: { description: "the token is not valid", body: problem },
      403: { description: "the token is of another scope, or the request came from another site", body: problem },
      429: { description: "too many failures from this address", body: problem },
    },
    async handle({ body: { token }, headers, method, address }) {
      // Clients that are no browsers do not send it.
      if (headers["sec-fetch-site"] !== undefined) requireSameOrigin({ method, headers });
      limit.check(address);
      const principal = await authenticator.authenticate(`Bearer ${token}`).catch((error: unknown) => {
        if (error instanceof UnauthorizedError) limit.fail(address);
        throw error;
      });
      const { client, scope, tokenId } = principal;
      if (principal.internal || (scope !== "admin" && scope !== "read")) {
        throw new ForbiddenError(`signing in needs a token of scope admin or read; this one has ${scope}`, {
          code: "missing_scope",
        });
      }
      const { secret, expiresAt } = await insertSession(db, { client, scope, tokenId, token, lifetimeMs: LIFETIME_MS });
      const cookie = toCookie(secret, LIFETIME_MS / 1000, headers);
      return answer(200, { client, scope, expiresAt }, { "Set-Cookie": cookie });
    },
  });
}

function showRoute(): Route {
  return defineRoute({
    method: "get",
    path: "/v1/session",
    summary: "Who asks, by cookie or bearer token",
    scope: "read",
    responses: { 200: { description: "signed in", body: session } },
    async handle({ principal }) {
      if (principal === null) throw new UnauthorizedError("nobody is signed in");
      const { client, scope, sessionEndsAt = null } = principal;
      return answer(200, { client, scope, expiresAt: sessionEndsAt });
    },
  });
}

function signOutRoute({ db, authenticator }: SessionDeps): Route {
  return defineRoute({
    method: "delete",
    path: "/v1/session",
    summary: "Sign out: ends the session of the cookie, if there is one",
    scope: null,
    responses: {
      204: { description: "signed out", body: z.null() },
      403: { description: "the request came from another site", body: problem },
    },
    async handle({ headers, method }) {
      requireSameOrigin({ method, headers });
      const secret = findSessionSecret(headers);
      if (secret !== undefined) {
        await deleteSession(db, secret);
        authenticator.forgetSession(secret);
      }
      return answer(204, null, { "Set-Cookie": toCookie("", 0, headers) });
    },
  });
}

function toCookie(value: string, maxAgeS: number, headers: IncomingHttpHeaders): string {
  // Behind a proxy that speaks TLS; on plain HTTP a browser would drop a cookie that is Secure.
  const secure = headers["x-forwarded-proto"] === "https" ? "; Secure" : "";
  return `${SESSION_COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeS}${secure}`;
}
