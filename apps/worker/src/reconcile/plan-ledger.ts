/** What a run's read means for the ledger. Pure. */
import { createHash } from "node:crypto";
import {
  type ActualGroup,
  type Desired,
  type Judgement,
  type Plan,
  type Reason,
  removalKey,
  type UserId,
} from "@branchward/core";
import type { LedgerChanges, LedgerOpening, OpenEntry } from "@branchward/store";

export interface LedgerView {
  readonly desired: Desired;
  readonly plan: Plan;
  readonly mismatches: Judgement["mismatches"];
  /** Entitlements whose groups may be there though no read shows them yet. */
  readonly unseen: readonly string[];
  /** The independent read after the writes. */
  readonly read: readonly ActualGroup[];
  readonly accountOf: (userId: UserId) => string | undefined;
  /** The directory's user behind a member whom nobody wants, where that is known. */
  readonly userOf: (member: string) => UserId | null;
}

/** A membership that the read shows. */
interface Shown {
  readonly entitlement: string;
  readonly member: string;
  readonly userId: UserId | null;
  /** Why it is wanted; empty where it is not. */
  readonly reasons: readonly Reason[];
  readonly isWanted: boolean;
}

export interface LedgerPlan extends LedgerChanges {
  readonly openings: readonly LedgerOpening[];
}

/** Names what a ledger holds: while it is the same, there is nothing to write. */
export function digestLedger(view: LedgerView): Buffer {
  const hash = createHash("sha256");
  for (const shown of listShown(view).values()) {
    hash.update(`${removalKey(shown.entitlement, shown.member)} ${String(shown.isWanted)} ${toKey(shown.reasons)}\n`);
  }
  // Their entries are left as they are: there is something to write once a read shows them, or nobody expects one to.
  for (const entitlement of view.unseen) hash.update(`${entitlement} unseen\n`);
  return hash.digest();
}

/** Entries for what a plan is about to add, before it is written: the outcome of a write may stay unknown. */
export function listIntended({ operations }: Plan): readonly LedgerOpening[] {
  return operations.flatMap((operation) =>
    "additions" in operation
      ? operation.additions.map(({ member, userId, reasons }) => ({
          entitlement: operation.entitlement,
          member,
          userId,
          origin: "sync" as const,
          reasons,
          isVerified: false,
        }))
      : [],
  );
}

/** The changes that make the ledger what the read showed; entries of groups that read otherwise than they must stay open. */
export function planLedger(view: LedgerView, open: readonly OpenEntry[]): LedgerPlan {
  const shown = listShown(view);
  const causes = listCauses(view.plan);
  const doubtful = new Set([...view.mismatches.map(({ entitlement }) => entitlement), ...view.unseen]);
  const verified: string[] = [];
  const ended: { readonly id: string; readonly cause: string }[] = [];
  const openings: LedgerOpening[] = [];
  const known = new Set<string>();
  for (const entry of open) {
    const key = removalKey(entry.entitlement, entry.member);
    const found = shown.get(key);
    if (found === undefined) {
      const cause = causes.get(key) ?? (entry.verifiedAt === null ? "not-applied" : "drift");
      if (!doubtful.has(entry.entitlement)) ended.push({ id: entry.id, cause });
      continue;
    }
    known.add(key);
    if (found.isWanted && toKey(found.reasons) !== toKey(entry.reasons)) {
      ended.push({ id: entry.id, cause: "superseded" });
      openings.push(toOpening(found, entry.origin === "drift" ? "adoption" : entry.origin));
    } else if (found.isWanted || entry.verifiedAt === null) verified.push(entry.id);
  }
  for (const [key, found] of shown) {
    if (!known.has(key)) openings.push(toOpening(found, found.isWanted ? "adoption" : "drift"));
  }
  return { verified, ended, openings };
}

function toOpening({ entitlement, member, userId, reasons }: Shown, origin: LedgerOpening["origin"]): LedgerOpening {
  return { entitlement, member, userId, origin, reasons, isVerified: true };
}

function listShown({ desired, plan, read, accountOf, userOf }: LedgerView): ReadonlyMap<string, Shown> {
  const shown = new Map<string, Shown>();
  const byId = new Map(read.map((group) => [group.id, group]));
  const byExternalId = new Map(read.map((group) => [group.externalId, group]));
  for (const { entitlement, groupId, externalId } of plan.effective) {
    const group = byId.get(groupId ?? "") ?? byExternalId.get(externalId);
    const wanted = new Map(
      desired.entitlements
        .find((each) => each.entitlement === entitlement)
        ?.members.map((each) => [accountOf(each.userId), each]),
    );
    for (const member of group?.members ?? []) {
      const found = wanted.get(member);
      shown.set(removalKey(entitlement, member), {
        entitlement,
        member,
        userId: found?.userId ?? userOf(member),
        reasons: found?.reasons ?? [],
        isWanted: found !== undefined,
      });
    }
  }
  return shown;
}

function listCauses({ operations }: Plan): ReadonlyMap<string, string> {
  return new Map(
    operations.flatMap((operation) =>
      operation.kind === "removeMembers"
        ? operation.removals.map(({ member, cause }) => [removalKey(operation.entitlement, member), cause] as const)
        : [],
    ),
  );
}

/** Lines of a policy move with every edit; who is meant by what for how long is what an entry stands for. */
function toKey(reasons: readonly Reason[]): string {
  return reasons
    .map(({ reference, path, kind, until }) => JSON.stringify([reference, path, kind, until]))
    .toSorted()
    .join();
}
