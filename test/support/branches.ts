/** What a branch holds now, read as outsiders read it: the registry over HTTP, entitlement groups over SCIM. */
import { type BranchItem } from "@branchward/core/api";
import { branchEntitlementSchema } from "@branchward/core";
import { type ScimClient, toEqualityFilter } from "@branchward/scim";
import { vi } from "vitest";
import type { BranchView, TestApi } from "./api.ts";
import type { People } from "./people.ts";

/** Entitlement → user names that hold it, sorted. */
export type Holders = Readonly<Record<string, readonly string[]>>;

export interface BranchName {
  readonly repository: string;
  readonly branch: string;
  readonly refType?: "branch" | "bookmark" | "topic";
}

/**
 * Longer than any queue, pairing window or retry of these tests, and than an agent that found Branchward away waits before
 * it comes back; only a failing test waits so long.
 */
const PATIENCE = { timeout: 45_000, interval: 25 };

export interface Branches {
  /** Waits until a branch of this name is in this state (active unless said otherwise). */
  find(name: BranchName, state?: BranchItem["state"]): Promise<BranchItem>;
  /** Waits until every scope was looked at since it was last asked for. */
  settle(id: string): Promise<BranchView>;
  /** Who holds what once the branch is settled. */
  holders(id: string): Promise<Holders>;
  /** Waits until exactly these hold these entitlements; others are not looked at. */
  expectHolders(id: string, wanted: Holders): Promise<void>;
}

export function createBranches(api: TestApi, scim: ScimClient, people: People): Branches {
  async function readHolders(id: string): Promise<Holders> {
    const groups = await scim.findGroups(toEqualityFilter(`${branchEntitlementSchema}:incarnation`, id));
    const names = await people.listNames();
    return Object.fromEntries(
      groups.map((group) => [
        group.externalId?.split(":").at(-1) ?? group.displayName,
        (group.members ?? []).map((member) => names.get(member.value) ?? member.value).toSorted(),
      ]),
    );
  }

  const settle = (id: string): Promise<BranchView> =>
    vi.waitFor(async () => {
      const branch = await api.getBranch(id);
      const pending = branch.scopes.filter((scope) => scope.verdict === "pending");
      if (pending.length > 0) throw new Error(`${branch.name} is pending at ${pending[0]?.endpoint ?? ""}`);
      return branch;
    }, PATIENCE);

  return {
    settle,
    find: ({ repository, branch, refType }, state = "active") =>
      vi.waitFor(async () => {
        const items = await api.listBranches(repository, branch);
        const found = items.find((item) => item.state === state && (refType ?? item.refType) === item.refType);
        if (found === undefined) throw new Error(`no ${state} ${branch}: ${JSON.stringify(items)}`);
        return found;
      }, PATIENCE),
    async holders(id) {
      await settle(id);
      return readHolders(id);
    },
    expectHolders: (id, wanted) =>
      vi.waitFor(async () => {
        const held = await readHolders(id);
        for (const [entitlement, names] of Object.entries(wanted)) {
          const found = held[entitlement]?.join(" ");
          if (found !== names.join(" ")) {
            throw new Error(`${entitlement}: wanted ${names.join(" ")}; held by ${found ?? "no group"}`);
          }
        }
      }, PATIENCE),
  };
}
