import type { RefChange } from "@branchward/core";

export declare function parseReceived(input: Buffer): { readonly changes: RefChange[]; readonly skipped: number };
export declare function findRenames(
  env: Readonly<Record<string, string | undefined>>,
  changes: readonly { readonly kind: string; readonly name: string }[],
): { readonly refType: "branch"; readonly from: string; readonly to: string }[];
