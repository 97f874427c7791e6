/** Whose turn it is at an endpoint: so many at once, the others in the order in which they asked. */
import { UnavailableError } from "@branchward/core";

/** Scopes and accounts of revocations that are worked on at once at one endpoint: as many as have slots of their own there. */
export const SCOPES_AT_ONCE = 2;

/** Does the work when its turn comes. @throws {UnavailableError} `stopping` for work that has not begun when the worker stops */
export type TakeTurn = <Result>(endpoint: string, work: () => Promise<Result>) => Promise<Result>;

interface Place {
  free: number;
  readonly waiting: (() => void)[];
}

/** Endpoints do not wait for each other. */
export function createTurns(atOnce: number, stopping?: AbortSignal): TakeTurn {
  const places = new Map<string, Place>();
  return async (endpoint, work) => {
    const place = places.get(endpoint) ?? { free: atOnce, waiting: [] };
    places.set(endpoint, place);
    if (place.free > 0) place.free -= 1;
    else await new Promise<void>((resolve) => place.waiting.push(resolve));
    try {
      if (stopping?.aborted === true)
        throw new UnavailableError("the worker stops; another goes on", { code: "stopping" });
      return await work();
    } finally {
      const next = place.waiting.shift();
      if (next === undefined) place.free += 1;
      else next();
    }
  };
}
