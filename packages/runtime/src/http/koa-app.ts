import Koa from "koa";
import type { Logger } from "../logging.ts";
import { createProblem, isDatabaseAway, toProblemResponse } from "./problem.ts";

const SECURITY_HEADERS = {
  "Content-Security-Policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
};

/** A Koa with our headers and our answer to errors; routes are mounted by the app. */
export function createKoaApp(log: Logger): Koa {
  const koa = new Koa();
  koa.on("error", (error: unknown) => {
    if (!isClientGone(error)) log.warn({ err: error }, "response failed");
  });
  koa.use(async (ctx, next) => {
    ctx.set(SECURITY_HEADERS);
    try {
      await next();
      if (ctx.status === 404 && ctx.body === undefined) {
        ctx.status = 404;
        ctx.type = "application/problem+json";
        ctx.body = createProblem(404, "not_found", `there is nothing at ${ctx.path}`);
      }
    } catch (error) {
      const { status, headers, body } = toProblemResponse(error);
      if (status === 500) log.error({ err: error, method: ctx.method, path: ctx.path }, "request failed");
      else if (isDatabaseAway(error)) log.warn({ err: error, path: ctx.path }, "record away");
      ctx.status = status;
      ctx.set({ ...headers });
      ctx.type = "application/problem+json";
      ctx.body = body;
    }
  });
  return koa;
}

/** Whoever watches events leaves in the middle of the answer. */
function isClientGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE";
}
