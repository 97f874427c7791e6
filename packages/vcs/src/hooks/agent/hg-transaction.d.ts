import type { RefChange } from "@branchward/core";
import type { AgentActor } from "./event.js";

export interface HgHead {
  readonly rev: number;
  readonly node: string;
  readonly branch: string;
  readonly topic: string | null;
  readonly closed: boolean;
  readonly isHead: boolean;
  readonly born: number;
}
export declare function parseTransaction(text: string): {
  readonly bookmarks: RefChange[];
  readonly ranges: { readonly first: string; readonly last: string }[];
};
export declare function toChanges(range: { readonly heads: readonly HgHead[]; readonly start: number }): RefChange[];
export declare function findActor(env: Readonly<Record<string, string | undefined>>): AgentActor | null;
