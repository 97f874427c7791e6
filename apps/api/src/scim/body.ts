import { HttpError, mediaType, parseJson, readBody } from "@branchward/runtime";
import type { Context } from "koa";

/** The longest body of a request. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** At most four bodies over this are parsed at once. */
const LARGE_BODY_BYTES = 1024 * 1024;
const MAX_LARGE_BODIES = 4;
const MEDIA_TYPES = new Set(["application/scim+json", "application/json"]);

/** Makes the function that reads the bodies of one listener; few large ones at once. */
export function createBodyReader(): (ctx: Context) => Promise<unknown> {
  const large = { count: 0 };
  return (ctx) => readScimBody(ctx, large);
}

async function readScimBody(ctx: Context, large: { count: number }): Promise<unknown> {
  if (ctx.method === "GET" || ctx.method === "DELETE" || ctx.method === "HEAD") return undefined;
  const type = mediaType(ctx.req);
  const announced = Number(ctx.req.headers["content-length"] ?? Number.NaN);
  if (announced === 0) return undefined;
  if (!MEDIA_TYPES.has(type)) throw new HttpError(415, "unsupported_media_type", "send application/scim+json");
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
