/** Who holds what on a branch, by user: the api tells it by entitlement. */
import type { EntitlementItem, MemberReason } from "@branchward/core/api";

/** One rule, and everything that it gives to one user. */
export interface Holding {
  readonly entitlements: readonly string[];
  readonly reason: MemberReason;
}

export interface Holder {
  /** Id in the directory. */
  readonly key: string;
  readonly userName: string;
  readonly holdings: readonly Holding[];
}

/** Rules that say the same of a user are told once: same subject, same way, same end. */
function toKey({ reference, path, kind, until, file, line }: MemberReason): string {
  return JSON.stringify([reference, path, kind, until, file, line]);
}

/** By user name; whoever `who` is no part of is left out. */
export function toHolders(entitlements: readonly EntitlementItem[], who: string): readonly Holder[] {
  const wanted = who.trim().toLowerCase();
  const found = new Map<
    string,
    { userName: string; holdings: Map<string, { entitlements: string[]; reason: MemberReason }> }
  >();
  for (const { entitlement, members } of entitlements) {
    for (const { user, userName, reasons } of members) {
      if (!userName.toLowerCase().includes(wanted)) continue;
      const holder = found.get(user) ?? { userName, holdings: new Map() };
      found.set(user, holder);
      for (const reason of reasons) {
        const key = toKey(reason);
        const holding = holder.holdings.get(key) ?? { entitlements: [], reason };
        holding.entitlements.push(entitlement);
        holder.holdings.set(key, holding);
      }
    }
  }
  return [...found]
    .map(([key, { userName, holdings }]) => ({ key, userName, holdings: [...holdings.values()] }))
    .toSorted((one, other) => one.userName.localeCompare(other.userName));
}
