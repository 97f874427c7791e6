import type { Middleware } from "koa";

export interface HealthDeps {
  /** What the native system does not hold, a sentence each. */
  readonly problems: () => readonly string[];
  /** Aborts when the process goes down. */
  readonly closing: AbortSignal;
}

/** More than this says nothing that these do not. */
const MAX_SHOWN = 20;

/** `/livez`: the process answers. `/readyz`: the native system holds what the bridge says; else 503 with the reasons. */
export function createHealthMiddleware({ problems, closing }: HealthDeps): Middleware {
  return async (ctx, next) => {
    if (ctx.path === "/livez") {
      ctx.body = { status: "ok" };
      return;
    }
    if (ctx.path !== "/readyz") return next();
    const found = problems();
    const ready = !closing.aborted && found.length === 0;
    const detail = found.length === 0 ? null : found.slice(0, MAX_SHOWN).join("; ");
    ctx.status = ready ? 200 : 503;
    ctx.body = {
      status: ready ? "ready" : "not_ready",
      checks: {
        process: { ok: !closing.aborted, detail: closing.aborted ? "shutting down" : null },
        native: { ok: found.length === 0, detail },
      },
    };
  };
}
