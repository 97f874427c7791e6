/** /scim/v2: the directory's service provider behind Koa; bearer tokens, size caps, and SCIM's own error bodies. */
import { AppError, ForbiddenError, UnauthorizedError } from "@branchward/core";
import {
  type Authenticator,
  HttpError,
  isDatabaseAway,
  type Logger,
  type Principal,
  requireScope,
} from "@branchward/runtime";
import { ScimError, type ScimProvider, type ScimResponse, toErrorResponse } from "@branchward/scim";
import { type DirectoryContext, parseFence } from "@branchward/store";
import type { Context, Middleware } from "koa";
import { createBodyReader } from "./body.ts";
import type { ClientTraffic } from "./client-traffic.ts";

export interface ServeScimDeps {
  readonly provider: ScimProvider<DirectoryContext>;
  readonly traffic: ClientTraffic;
  readonly authenticator: Authenticator;
  readonly log: Logger;
}

export const SCIM_BASE_PATH = "/scim/v2";

/** Serves everything below `/scim/v2`, errors included. */
export function createScimMiddleware(deps: ServeScimDeps): Middleware {
  const readScimBody = createBodyReader();
  return async (ctx, next) => {
    if (ctx.path !== SCIM_BASE_PATH && !ctx.path.startsWith(`${SCIM_BASE_PATH}/`)) return next();
    send(ctx, await respond(ctx, deps, readScimBody));
  };
}

async function respond(
  ctx: Context,
  deps: ServeScimDeps,
  readScimBody: (ctx: Context) => Promise<unknown>,
): Promise<ScimResponse> {
  try {
    const principal = await deps.authenticator.authenticate(ctx.get("authorization") || undefined);
    requireScope(principal, "scim");
    const request = {
      method: ctx.method,
      path: rawPath(ctx).slice(SCIM_BASE_PATH.length),
      query: new URLSearchParams(ctx.querystring),
      headers: flattenHeaders(ctx),
      body: await readScimBody(ctx),
      context: toDirectoryContext(ctx, principal),
    };
    await deps.traffic.observe(request);
    return await deps.provider.handle(request);
  } catch (error) {
    return toScimErrorResponse(error, deps.log);
  }
}

/** The path as it came: ids may hold an encoded `/`. */
function rawPath(ctx: Context): string {
  return (ctx.req.url ?? "").split("?", 1)[0] ?? "";
}

function flattenHeaders(ctx: Context): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(ctx.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value]),
  );
}

function toDirectoryContext(ctx: Context, principal: Principal): DirectoryContext {
  if (principal.internal) {
    const fence = parseFence({
      fence: ctx.get("branchward-fence") || undefined,
      scope: ctx.get("branchward-scope") || undefined,
    });
    return { client: principal.client, kind: "internal", ...(fence === undefined ? {} : { fence }) };
  }
  if (principal.scope === "admin") return { client: "admin", kind: "admin" };
  return { client: principal.client, kind: "provisioning" };
}

function toScimErrorResponse(error: unknown, log: Logger): ScimResponse {
  if (error instanceof ScimError) return toErrorResponse(error);
  if (error instanceof UnauthorizedError) {
    return toErrorResponse(new ScimError(401, error.message), { "WWW-Authenticate": 'Bearer realm="branchward"' });
  }
  if (error instanceof ForbiddenError) return toErrorResponse(new ScimError(403, error.message));
  if (error instanceof HttpError) {
    const headers = error.status === 503 ? { "Retry-After": "2" } : {};
    return toErrorResponse(new ScimError(error.status, error.message), headers);
  }
  if (error instanceof AppError && error.code === "malformed_json") {
    return toErrorResponse(new ScimError(400, error.message, "invalidSyntax"));
  }
  if (isDatabaseAway(error)) {
    log.warn({ err: error }, "record away");
    return toErrorResponse(new ScimError(503, "the directory is away for the moment; try again"), {
      "Retry-After": "2",
    });
  }
  log.error({ err: error }, "SCIM request failed");
  return toErrorResponse(new ScimError(500, "something failed here; the log has the cause"));
}

function send(ctx: Context, response: ScimResponse): void {
  ctx.status = response.status;
  ctx.set({ ...response.headers });
  ctx.body = response.body === undefined ? null : JSON.stringify(response.body);
  // Koa turns a null body into 204; the provider's status stands.
  ctx.status = response.status;
}
