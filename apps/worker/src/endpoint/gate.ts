/** What every call to one endpoint of this process passes: a limit of calls at once, and the breaker. */
import { ScimClientError } from "@branchward/scim";
import { type Breaker, type BreakerOptions, createBreaker } from "./breaker.ts";
import { type CallLane, createLimiter, type Slot } from "./limiter.ts";

export interface GateOptions extends BreakerOptions {
  readonly concurrency: number;
}

export interface GateCall {
  readonly lane: CallLane;
  /** Runs when the call has its turn, right before it is sent; what it throws ends the call unsent. */
  readonly beforeSend?: (() => Promise<void>) | undefined;
}

export interface Gate extends Pick<Breaker, "findRefusal"> {
  /** @throws {UpstreamError} `endpoint_blocked` or `endpoint_open` without a call, with when to try again */
  run<Result>(call: GateCall, send: () => Promise<Result>): Promise<Result>;
}

/** A longer `Retry-After` is a mistake of the endpoint's, which would cut access off from policy for as long. */
export const MAX_RETRY_AFTER_MS = 3_600_000;

/** Nothing is asked of the record until the first call. */
export function createGate(options: GateOptions): Gate {
  const limiter = createLimiter(options.concurrency);
  const breaker = createBreaker(options);
  const saved: { limit: number | undefined } = { limit: undefined };

  async function attempt<Result>(slot: Slot, send: () => Promise<Result>): Promise<Result> {
    try {
      const result = await send();
      limiter.grow();
      await breaker.noteAnswer();
      return result;
    } catch (error) {
      if (!(error instanceof ScimClientError)) throw error;
      if (isOverload(error)) limiter.shrink(slot);
      await noteError(breaker, error);
      throw error;
    }
  }

  async function saveLimit(): Promise<void> {
    const limit = limiter.limit();
    if (limit === saved.limit) return;
    saved.limit = limit;
    await options.record.saveLimit(limit);
  }

  return {
    findRefusal: () => breaker.findRefusal(),
    async run({ lane, beforeSend }, send) {
      const slot = await limiter.acquire(lane);
      try {
        const endProbe = await breaker.admit();
        try {
          await beforeSend?.();
          return await attempt(slot, send);
        } finally {
          endProbe?.();
          await saveLimit();
        }
      } finally {
        slot.release();
      }
    },
  };
}

async function noteError(breaker: Breaker, error: ScimClientError): Promise<void> {
  const { retryAfterMs = 0, message } = error;
  if (retryAfterMs > 0 && isRefusal(error)) await breaker.block(Math.min(retryAfterMs, MAX_RETRY_AFTER_MS), message);
  if (isFailureOfEndpoint(error)) await breaker.noteFailure(message);
  // It answered, and refused this one call; one that refuses all for a while has not shown that it works.
  else if (error.kind === "http" && error.status !== 429) await breaker.noteAnswer();
}

function isRefusal({ status = 0 }: ScimClientError): boolean {
  return status === 429 || status >= 500;
}

/** 501 says that the endpoint does not know the operation, not that it is out of order. */
function isFailureOfEndpoint({ kind, status = 0 }: ScimClientError): boolean {
  return kind === "timeout" || kind === "connection" || (kind === "http" && status >= 500 && status !== 501);
}

function isOverload({ kind, status }: ScimClientError): boolean {
  return kind === "timeout" || status === 429 || status === 503;
}
