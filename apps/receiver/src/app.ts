import { UnavailableError } from "@branchward/core";
import { createKoaApp } from "@branchward/runtime";
import Router from "@koa/router";
import type Koa from "koa";
import { createReceive, type ReceiveDeps } from "./receive-delivery.ts";

export interface ReceiverDeps extends ReceiveDeps {
  /** Aborts when no delivery is to be taken any more. */
  readonly closing: AbortSignal;
}

/** The receiver: POST /hooks/{source} and nothing else. */
export function createApp(deps: ReceiverDeps): Koa {
  const receive = createReceive(deps);
  const router = new Router();
  router.post("/hooks/:source", async (ctx) => {
    if (deps.closing.aborted) throw new UnavailableError("this process ends; send it again", { code: "closing" });
    const receipt = await receive(String(ctx.params["source"]), ctx.req);
    ctx.status = 202;
    ctx.body = receipt;
  });
  const koa = createKoaApp(deps.log);
  koa.use(router.routes());
  koa.use(router.allowedMethods());
  return koa;
}
