/** What differs in one scope between what two versions want. */
import type { Desired, DesiredMember, Exclusion } from "../desired/types.ts";
import type { Entitlement, UserId } from "../words.ts";
import type { LossCause, RuleReason } from "./types.ts";

/** One user's change of one entitlement. */
export type Delta =
  | {
      readonly kind: "gain";
      readonly entitlement: Entitlement;
      readonly reason: RuleReason;
      readonly withheld: boolean;
    }
  | {
      readonly kind: "loss";
      readonly entitlement: Entitlement;
      readonly cause: LossCause;
      readonly was: RuleReason;
      readonly by: RuleReason | null;
    };

export interface ScopeComparison {
  /** Entitlements whose group exists under one of the versions. */
  readonly groups: ReadonlyMap<Entitlement, "stays" | "appears" | "vanishes">;
  readonly deltas: ReadonlyMap<UserId, readonly Delta[]>;
  readonly before: ReadonlyMap<Entitlement, ReadonlySet<UserId>>;
  readonly after: ReadonlyMap<Entitlement, ReadonlySet<UserId>>;
}

export function compareScope(before: Desired, after: Desired): ScopeComparison {
  const [had, has] = [indexMembers(before), indexMembers(after)];
  const exclusions = new Map(after.exclusions.toReversed().map((each) => [`${each.entitlement} ${each.userId}`, each]));
  const deltas = new Map<UserId, Delta[]>();
  const add = (userId: UserId, delta: Delta): void => {
    const known = deltas.get(userId);
    if (known === undefined) deltas.set(userId, [delta]);
    else known.push(delta);
  };
  const share = createSharing();
  const groups = new Map<Entitlement, "stays" | "appears" | "vanishes">();
  for (const entitlement of [...new Set([...had.keys(), ...has.keys()])].toSorted()) {
    const [old, now] = [had.get(entitlement), has.get(entitlement)];
    groups.set(entitlement, old === undefined ? "appears" : now === undefined ? "vanishes" : "stays");
    for (const [userId, member] of old ?? []) {
      if (now?.has(userId)) continue;
      const exclusion = exclusions.get(`${entitlement} ${userId}`);
      const was = reasonOf(member);
      const { cause, by } = causeOf(exclusion, now === undefined);
      const delta = { kind: "loss", entitlement, cause, by, was } as const;
      add(userId, by === null ? share(delta, was, `-${entitlement} ${cause}`) : delta);
    }
    for (const [userId, member] of now ?? []) {
      if (old?.has(userId)) continue;
      const reason = reasonOf(member);
      const delta = { kind: "gain", entitlement, reason, withheld: after.lostReferences.length > 0 } as const;
      add(userId, share(delta, reason, `+${entitlement}`));
    }
  }
  return { groups, deltas, before: toIds(had), after: toIds(has) };
}

/** One delta for all who have the same one: thousands come by one rule and one path. */
function createSharing(): (delta: Delta, reason: RuleReason, kind: string) => Delta {
  const known = new Map<RuleReason["path"], Map<string, Delta>>();
  return (delta, { rule, reference, path }, kind) => {
    const ofPath = known.get(path) ?? new Map<string, Delta>();
    known.set(path, ofPath);
    const key = `${kind} ${rule} ${reference}`;
    const shared = ofPath.get(key) ?? delta;
    ofPath.set(key, shared);
    return shared;
  };
}

type Members = ReadonlyMap<Entitlement, ReadonlyMap<UserId, DesiredMember>>;

function indexMembers({ entitlements }: Desired): Members {
  return new Map(
    entitlements.map(({ entitlement, members }) => [entitlement, new Map(members.map((each) => [each.userId, each]))]),
  );
}

function toIds(members: Members): ReadonlyMap<Entitlement, ReadonlySet<UserId>> {
  return new Map([...members].map(([entitlement, users]) => [entitlement, new Set(users.keys())]));
}

function reasonOf({ reasons: [first] }: DesiredMember): RuleReason {
  if (first === undefined) throw new TypeError("a member without a reason");
  const { rule, file, line, reference, path } = first;
  return { rule, file, line, reference, path };
}

function causeOf(
  exclusion: Exclusion | undefined,
  isGone: boolean,
): { readonly cause: LossCause; readonly by: RuleReason | null } {
  if (isGone) return { cause: "unmentioned", by: null };
  if (exclusion === undefined) return { cause: "not-granted", by: null };
  const { cause, rule, file, line, reference, path } = exclusion;
  return { cause, by: { rule, file, line, reference, path } };
}

/** True when the user's changes are the same, also by rule and group. */
export function isSameChange(a: readonly Delta[] | undefined, b: readonly Delta[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((delta, index) => keyOf(delta) === keyOf(b[index]));
}

function keyOf(delta: Delta | undefined): string {
  return JSON.stringify(delta);
}
