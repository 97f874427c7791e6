/** How many calls may be under way at one endpoint: hides the lanes' shares and how the limit follows its answers. */

/** Who calls: revocations have slots of their own, audits take at most half of the others. */
export type CallLane = "revocation" | "reconcile" | "audit";

/** Beside `concurrency`: as many as the revocation queue works on at one endpoint at once. */
const REVOCATION_SLOTS = 2;

/** In this order, waiting calls get free slots. */
const LANES: readonly CallLane[] = ["revocation", "reconcile", "audit"];

export interface Slot {
  /** Which halving was the last when the slot was given. */
  readonly epoch: number;
  release(): void;
}

export interface Limiter {
  /** Waits for its turn. */
  acquire(lane: CallLane): Promise<Slot>;
  /** The endpoint answered: one more call for each full round of answers. */
  grow(): void;
  /** It refused or did not answer: half as many. Calls that were under way together count once. */
  shrink(slot: Slot): void;
  /** Calls of the lanes other than revocation that may be under way now, from 1 to `concurrency`. */
  limit(): number;
}

/** A limiter that starts at `concurrency` and never goes above: additive increase, multiplicative decrease. */
export function createLimiter(concurrency: number): Limiter {
  const state = { limit: concurrency, epoch: 0 };
  const held: Record<CallLane, number> = { revocation: 0, reconcile: 0, audit: 0 };
  const waiting: Record<CallLane, (() => void)[]> = { revocation: [], reconcile: [], audit: [] };

  const limit = (): number => Math.floor(state.limit);

  function hasRoom(lane: CallLane): boolean {
    if (lane === "revocation") return held.revocation < REVOCATION_SLOTS;
    if (lane === "audit" && held.audit >= Math.max(1, Math.floor(limit() / 2))) return false;
    return held.reconcile + held.audit < limit();
  }

  function admitWaiting(): void {
    for (const lane of LANES) {
      while (waiting[lane].length > 0 && hasRoom(lane)) {
        held[lane] += 1;
        waiting[lane].shift()?.();
      }
    }
  }

  return {
    async acquire(lane) {
      const turn = Promise.withResolvers<void>();
      waiting[lane].push(turn.resolve);
      admitWaiting();
      await turn.promise;
      let isHeld = true;
      return {
        epoch: state.epoch,
        release() {
          if (!isHeld) return;
          isHeld = false;
          held[lane] -= 1;
          admitWaiting();
        },
      };
    },
    grow() {
      state.limit = Math.min(concurrency, state.limit + 1 / state.limit);
      admitWaiting();
    },
    shrink({ epoch }) {
      if (epoch !== state.epoch) return;
      state.epoch += 1;
      state.limit = Math.max(1, state.limit / 2);
    },
    limit,
  };
}
