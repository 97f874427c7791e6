/** /scim/v2 of a bridge behind Koa: bearer tokens, size caps, and SCIM's own error bodies. */
import { AppError, UnauthorizedError } from "@branchward/core";
import { HttpError, type Logger, mediaType, parseJson, readBody } from "@branchward/runtime";
import { ScimError, type ScimProvider, type ScimResponse, toErrorResponse } from "@branchward/scim";
import type { Context, Middleware } from "koa";
import { type BridgeContext, parseFence } from "../store/context.ts";
import type { TokenCheck } from "./tokens.ts";

export interface ServeScimDeps {
  readonly provider: ScimProvider<BridgeContext>;
  readonly tokens: TokenCheck;
  readonly log: Logger;
}

export const SCIM_BASE_PATH = "/scim/v2";

/** The longest body of a request. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** At most four bodies over this are parsed at once. */
const LARGE_BODY_BYTES = 1024 * 1024;
const MAX_LARGE_BODIES = 4;
const MEDIA_TYPES = new Set(["application/scim+json", "application/json"]);
/** Seconds after which it makes sense to ask again. */
const RETRY_AFTER_S = "2";

/** Serves everything below `/scim/v2`, errors included. */
export function createScimMiddleware(deps: ServeScimDeps): Middleware {
  const large = { count: 0 };
  return async (ctx, next) => {
    if (ctx.path !== SCIM_BASE_PATH && !ctx.path.startsWith(`${SCIM_BASE_PATH}/`)) return next();
    send(ctx, await respond(ctx, deps, large));
  };
}

async function respond(ctx: Context, deps: ServeScimDeps, large: { count: number }): Promise<ScimResponse> {
  try {
    await deps.tokens.require(ctx.get("authorization") || undefined);
    const fence = parseFence(ctx.get("branchward-fence") || undefined);
    const path = (ctx.req.url ?? "").split("?", 1)[0] ?? "";
    return withRetryAfter(
      await deps.provider.handle({
        method: ctx.method,
        path: path.slice(SCIM_BASE_PATH.length),
        query: new URLSearchParams(ctx.querystring),
        headers: flattenHeaders(ctx),
        body: await readScimBody(ctx, large),
        context: fence === undefined ? {} : { fence },
      }),
    );
  } catch (error) {
    return withRetryAfter(toScimErrorResponse(error, deps.log));
  }
}

async function readScimBody(ctx: Context, large: { count: number }): Promise<unknown> {
  if (ctx.method === "GET" || ctx.method === "DELETE" || ctx.method === "HEAD") return undefined;
  const announced = Number(ctx.req.headers["content-length"] ?? Number.NaN);
  if (announced === 0) return undefined;
  if (!MEDIA_TYPES.has(mediaType(ctx.req)))
    throw new HttpError(415, "unsupported_media_type", "send application/scim+json");
  const isLarge = !(announced <= LARGE_BODY_BYTES);
  if (isLarge && large.count >= MAX_LARGE_BODIES) throw new HttpError(503, "busy", "too many large requests at once");
  if (isLarge) large.count += 1;
  try {
    const body = await readBody(ctx.req, MAX_BODY_BYTES);
    return body.length === 0 ? undefined : parseJson(body);
  } finally {
    if (isLarge) large.count -= 1;
  }
}

function flattenHeaders(ctx: Context): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(ctx.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value]),
  );
}

function toScimErrorResponse(error: unknown, log: Logger): ScimResponse {
  if (error instanceof ScimError) return toErrorResponse(error);
  if (error instanceof UnauthorizedError)
    return toErrorResponse(new ScimError(401, error.message), { "WWW-Authenticate": 'Bearer realm="branchward"' });
  if (error instanceof HttpError) return toErrorResponse(new ScimError(error.status, error.message));
  if (error instanceof AppError && (error.code === "malformed_json" || error.code === "incomplete_body"))
    return toErrorResponse(new ScimError(400, error.message, "invalidSyntax"));
  log.error({ err: error }, "SCIM request failed");
  return toErrorResponse(new ScimError(500, "something failed here; the log has the cause"));
}

function withRetryAfter(response: ScimResponse): ScimResponse {
  if (response.status !== 503) return response;
  return { ...response, headers: { "Retry-After": RETRY_AFTER_S, ...response.headers } };
}

function send(ctx: Context, response: ScimResponse): void {
  ctx.status = response.status;
  ctx.set({ ...response.headers });
  ctx.body = response.body === undefined ? null : JSON.stringify(response.body);
  // Koa turns a null body into 204; the provider's status stands.
  ctx.status = response.status;
}
