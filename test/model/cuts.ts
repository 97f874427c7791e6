/** Cuts a worker's connection to PostgreSQL under one statement: whether it was done, a commit above all, the worker cannot know. */
import { once } from "node:events";
import type { Pool, PoolClient } from "pg";

/** `cut-after`: PostgreSQL did the statement, and the answer is lost. */
export const CUTS = ["cut-before", "cut-after"] as const;
export type Cut = (typeof CUTS)[number];

export interface CutAt {
  /** The n-th statement of a run, from 0. */
  readonly statement: number;
  readonly cut: Cut;
}

export interface Cuts {
  /** From here on counts statements; the one named is cut. */
  arm(cut: CutAt | undefined): void;
  /** @returns whether a cut struck since `arm` */
  disarm(): boolean;
}

/** Takes hold of every connection that the pool opens from here on. */
export function createCuts(pool: Pool): Cuts {
  const state = { armed: undefined as CutAt | undefined, statements: 0, hasStruck: false };
  const findCut = (): Cut | undefined => {
    const { armed } = state;
    state.statements += 1;
    if (armed?.statement !== state.statements - 1) return undefined;
    state.hasStruck = true;
    return armed.cut;
  };
  pool.on("connect", (client) => {
    const query = client.query.bind(client) as (...args: readonly unknown[]) => Promise<unknown>;
    const cutting = async (...args: readonly unknown[]): Promise<unknown> => {
      const cut = findCut();
      if (cut === undefined) return query(...args);
      if (cut === "cut-after") await query(...args);
      await breakOff(client);
      throw new Error("Connection terminated unexpectedly");
    };
    Object.assign(client, { query: cutting });
  });
  return {
    arm(armed) {
      Object.assign(state, { armed, statements: 0, hasStruck: false });
    },
    disarm() {
      state.armed = undefined;
      return state.hasStruck;
    },
  };
}

/** Ends when the pool knows: whoever asks it next gets another connection. */
async function breakOff(client: PoolClient): Promise<void> {
  const ended = once(client, "end");
  (client as unknown as { readonly connection: { readonly stream: { destroy(): void } } }).connection.stream.destroy();
  await ended;
}
