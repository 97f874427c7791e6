/** Tells a plan in the words that people read: who gains, loses and keeps what, and why. */
import { type Operation, type Reason, type RemovalCause, removalKey } from "@branchward/core";
import {
  type Database,
  type GuardedPlan,
  listGroupClients,
  listRecentAuthors,
  listUsersById,
  type MemberSet,
  type SyncChange,
  type SyncMember,
} from "@branchward/store";
import { isUuid } from "../is-uuid.ts";
import { countDrift } from "./choose-plan.ts";
import { digestOf } from "./guard-plan.ts";
import type { LoadedScope } from "./load-scope.ts";
import type { SyncResult } from "./run-sync.ts";

export interface DescribedChanges {
  /** The writes, in order. */
  readonly changes: readonly SyncChange[];
  /** Members that were as they ought to be. */
  readonly unchanged: readonly MemberSet[];
  /** Who is not added while a group of the policy is missing (rule B4), by the directory's ids. */
  readonly withheldAdditions: readonly MemberSet[];
  readonly guarded: GuardedPlan;
  readonly drift: number;
}

type UserNames = ReadonlyMap<string, string>;

export async function describeChanges(
  db: Database,
  { scope, result }: { readonly scope: LoadedScope; readonly result: SyncResult },
): Promise<DescribedChanges> {
  const userNames = new Map([...scope.userNames, ...(await nameRemoved(db, result))]);
  return {
    changes: toChanges(result, userNames),
    unchanged: toMemberSets(result, userNames),
    withheldAdditions: toWithheldAdditions(scope, result, userNames),
    guarded: await toGuardedPlan(db, { scope, result }, userNames),
    drift: countDrift(result.guarded.drift),
  };
}

interface GuardedRunOf {
  readonly scope: LoadedScope;
  readonly result: SyncResult;
}

async function toGuardedPlan(
  db: Database,
  { scope, result: { plan, guarded } }: GuardedRunOf,
  userNames: UserNames,
): Promise<GuardedPlan> {
  if (plan.keptBack.length === 0) return { withheld: [], overLimit: [], digest: null, causedBy: [] };
  const references = guarded.overLimit.filter(({ kind }) => kind === "directory-group").map(({ group }) => group);
  return {
    withheld: plan.keptBack.map((removal) => {
      const userId = guarded.known.get(removalKey(removal.entitlement, removal.member))?.userId ?? removal.userId;
      const userName = userNames.get(userId ?? removal.member) ?? null;
      return {
        entitlement: removal.entitlement,
        user: removal.member,
        userId,
        userName,
        why: REMOVAL_TEXT[removal.cause],
      };
    }),
    overLimit: guarded.overLimit,
    digest: digestOf(plan),
    causedBy: [
      ...guarded.clients,
      ...(await listGroupClients(db, references)),
      ...(await listRecentAuthors(db, scope.guards.windowMs)),
    ],
  };
}

/** Whom a removal was about, where the endpoint's ids are the directory's. */
async function nameRemoved(
  db: Database,
  { plan, guarded }: SyncResult,
): Promise<readonly (readonly [string, string])[]> {
  const removed = plan.operations.flatMap((operation) => ("removals" in operation ? operation.removals : []));
  const known = [...guarded.known.values()].flatMap(({ userId }) => userId ?? []);
  const members = [...removed, ...plan.keptBack].map((removal) => removal.member).filter((member) => isUuid(member));
  const ids = [...new Set([...members, ...known])];
  if (ids.length === 0) return [];
  return (await listUsersById(db, ids)).map((user) => [user.id, user.userName] as const);
}

function toChanges({ plan, groups, guarded }: SyncResult, userNames: UserNames): readonly SyncChange[] {
  const { drift, known } = guarded;
  const nameOf = (operation: Operation): string => {
    if (operation.kind === "createGroup" || operation.kind === "renameGroup") return operation.displayName;
    return groups.find((group) => group.groupId === operation.groupId)?.displayName ?? operation.groupId;
  };
  return plan.operations.map((operation) => ({
    entitlement: operation.entitlement,
    group: nameOf(operation),
    operation: operation.kind,
    added: ("additions" in operation ? operation.additions : []).map((addition) => {
      const isDrift = drift.missing.has(removalKey(operation.entitlement, addition.member));
      const added = toAdded(addition, userNames);
      return isDrift ? { ...added, why: `drift: somebody removed it; ${added.why}` } : added;
    }),
    removed: ("removals" in operation ? operation.removals : []).map((removal) => {
      const key = removalKey(operation.entitlement, removal.member);
      const removed = toRemoved({ ...removal, userId: removal.userId ?? known.get(key)?.userId ?? null }, userNames);
      return drift.extra.has(key) ? { ...removed, why: `drift: nothing ever gave it; ${removed.why}` } : removed;
    }),
  }));
}

function toMemberSets({ kept }: SyncResult, userNames: UserNames): readonly MemberSet[] {
  return kept.map(({ entitlement, displayName, members }) => ({
    entitlement,
    group: displayName,
    members: members.map((member) => toAdded(member, userNames)),
  }));
}

function toWithheldAdditions(
  { desired: { lostReferences } }: LoadedScope,
  { plan }: SyncResult,
  userNames: UserNames,
): readonly MemberSet[] {
  const were = lostReferences.length === 1 ? "was" : "were";
  const cause = `withheld since ${lostReferences.join(", ")} ${were} missing`;
  return plan.effective.map(({ entitlement, displayName }) => ({
    entitlement,
    group: displayName,
    members: plan.withheld
      .filter((addition) => addition.entitlement === entitlement)
      .map((addition) => toAdded({ ...addition, member: addition.userId }, userNames))
      .map((member) => ({ ...member, why: `${member.why}; ${cause}` })),
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
  renamed: "no rule grants it under the new name",
  deleted: "the branch was deleted",
  closed: "the branch is closed",
  retired: "the endpoint is retired",
  merged: "the branch went on under another name",
  duplicate: "the entitlement has another group, which counts",
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

function explain({ rule, file, line, path, until, kind, approvedBy }: Reason): string {
  if (kind === "emergency") {
    return `an emergency grant approved by ${approvedBy ?? ""} until ${until?.toISOString() ?? ""}`;
  }
  const via = path.length === 0 ? "" : ` via ${path.join(" › ")}`;
  return `${rule} (${file}:${line})${via}${until === null ? "" : ` until ${until.toISOString()}`}`;
}

function toRemoved(removal: Removal, userNames: UserNames): SyncMember {
  const userName = userNames.get(removal.userId ?? removal.member) ?? null;
  return { user: removal.member, userName, why: REMOVAL_TEXT[removal.cause] };
}
