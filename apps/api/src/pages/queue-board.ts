/** bull-board at `/queues`: for admins to look at. Its own retry and add would bypass lanes and deduplication. */
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { KoaAdapter } from "@bull-board/koa";
import type { Queues } from "@branchward/queue";
import { type Authenticator, HttpError, identify, requireScope } from "@branchward/runtime";
import type { Middleware } from "koa";

export interface QueueBoardDeps {
  readonly queues: Queues;
  readonly authenticator: Authenticator;
}

const PATH = "/queues";

/** Its page brings inline styles, and asks for a web font that it is not given. */
const CSP =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "base-uri 'self'; frame-ancestors 'none'; form-action 'none'";

/** Serves everything below `/queues`. */
export function createQueueBoard({ queues, authenticator }: QueueBoardDeps): Middleware {
  const adapter = new KoaAdapter().setBasePath(PATH);
  createBullBoard({
    queues: queues.listQueues().map((queue) => new BullMQAdapter(queue, { readOnlyMode: true })),
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: "Branchward queues", hideRedisDetails: true } },
  });
  const board: Middleware = adapter.registerPlugin();
  return async (ctx, next) => {
    if (ctx.path !== PATH && !ctx.path.startsWith(`${PATH}/`)) return next();
    if (ctx.method !== "GET" && ctx.method !== "HEAD")
      throw new HttpError(405, "read_only", "the queues are shown, not changed");
    requireScope(await identify(authenticator, { method: ctx.method, headers: ctx.req.headers }), "admin");
    ctx.set("Content-Security-Policy", CSP);
    return board(ctx, next);
  };
}
