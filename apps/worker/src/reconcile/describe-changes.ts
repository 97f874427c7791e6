/** Tells a plan in the words that people read: who gains, loses and keeps what, and why. */
import type { Operation, Plan, Reason, RemovalCause } from "@branchward/core";
import { type Database, listUsersById, type MemberSet, type SyncChange, type SyncMember } from "@branchward/store";
import type { LoadedScope } from "./load-scope.ts";
import type { SyncResult } from "./run-sync.ts";

export interface DescribedChanges {
  /** The writes, in order. */
  readonly changes: readonly SyncChange[];
  /** Members that were as they ought to be. */
  readonly unchanged: readonly MemberSet[];
}

type UserNames = ReadonlyMap<string, string>;

export async function describeChanges(
  db: Database,
  { scope, result }: { readonly scope: LoadedScope; readonly result: SyncResult },
): Promise<DescribedChanges> {
  const userNames = new Map([...scope.userNames, ...(await nameRemoved(db, result.plan))]);
  return { changes: toChanges(result, userNames), unchanged: toMemberSets(result, userNames) };
}

/** Whom a removal was about, where the endpoint's ids are the directory's. */
async function nameRemoved(db: Database, { operations }: Plan): Promise<readonly (readonly [string, string])[]> {
  const removed = operations.flatMap((operation) => ("removals" in operation ? operation.removals : []));
  const ids = removed.map((removal) => removal.member).filter((member) => UUID.test(member));
  if (ids.length === 0) return [];
  return (await listUsersById(db, ids)).map((user) => [user.id, user.userName] as const);
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

function toChanges({ plan, groups }: SyncResult, userNames: UserNames): readonly SyncChange[] {
  const nameOf = (operation: Operation): string => {
    if (operation.kind === "createGroup" || operation.kind === "renameGroup") return operation.displayName;
    return groups.find((group) => group.groupId === operation.groupId)?.displayName ?? operation.groupId;
  };
  return plan.operations.map((operation) => ({
    entitlement: operation.entitlement,
    group: nameOf(operation),
    operation: operation.kind,
    added: "additions" in operation ? operation.additions.map((addition) => toAdded(addition, userNames)) : [],
    removed: "removals" in operation ? operation.removals.map((removal) => toRemoved(removal, userNames)) : [],
  }));
}

function toMemberSets({ kept }: SyncResult, userNames: UserNames): readonly MemberSet[] {
  return kept.map(({ entitlement, displayName, members }) => ({
    entitlement,
    group: displayName,
    members: members.map((member) => toAdded(member, userNames)),
  }));
}

const REMOVAL_TEXT: Readonly<Record<RemovalCause, string>> = {
  inactive: "the user is deactivated",
  expired: "the grant has expired",
  untrusted: "the checkout was claimed, and the grant wants a token",
  exclusive: "an exclusive entitlement is held",
  deny: "a deny of the policy",
  ceiling: "above the bot's ceiling",
  rename: "the former name's rules count until the rename is verified",
  deleted: "the branch was deleted",
  closed: "the branch is closed",
  merged: "the branch went on under another name",
  unmentioned: "no rule gives this entitlement here any more",
  "not-granted": "no rule grants it",
};

type Addition = Extract<Operation, { kind: "addMembers" }>["additions"][number];
type Removal = Extract<Operation, { kind: "removeMembers" }>["removals"][number];

function toAdded({ member, userId, reasons }: Addition, userNames: UserNames): SyncMember {
  const [reason] = reasons;
  return {
    user: member,
    userName: userNames.get(userId) ?? null,
    why: reason === undefined ? "policy" : explain(reason),
  };
}

function explain({ rule, file, line, path, until }: Reason): string {
  const via = path.length === 0 ? "" : ` via ${path.join(" › ")}`;
  return `${rule} (${file}:${line})${via}${until === null ? "" : ` until ${until.toISOString()}`}`;
}

function toRemoved(removal: Removal, userNames: UserNames): SyncMember {
  const userName = userNames.get(removal.userId ?? removal.member) ?? null;
  return { user: removal.member, userName, why: REMOVAL_TEXT[removal.cause] };
}
