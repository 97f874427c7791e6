import Koa from "koa";
import type { Logger } from "../logging.ts";
import { createProblem, isDatabaseAway, type Problem, toProblemResponse } from "./problem.ts";

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
      const problem = hasBody(ctx.body) ? undefined : findUnanswered(ctx);
      if (problem === undefined) return;
      ctx.status = problem.status;
      ctx.type = "application/problem+json";
      ctx.body = problem;
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

function hasBody(body: unknown): boolean {
  return body !== undefined && body !== null && body !== "";
}

/** What no route took: the router leaves nothing but a status. */
function findUnanswered({ status, method, path }: Koa.Context): Problem | undefined {
  if (status === 404) return createProblem(404, "not_found", `there is nothing at ${path}`);
  if (status === 405 || status === 501) {
    return createProblem(status, "method_not_allowed", `${method} is not taken at ${path}; Allow names what is`);
  }
  return undefined;
}

/** Whoever watches events leaves in the middle of the answer. */
function isClientGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE";
}
