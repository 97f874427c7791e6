import type { Exclusion } from "../desired/types.ts";
import type { Entitlement, UserId } from "../words.ts";
import { externalIdOf, foldDisplayName, listDisplayNames, toBranchEntitlement } from "./entitlement-group.ts";
import type {
  ActualGroup,
  Addition,
  EffectiveGroup,
  GroupBinding,
  Operation,
  Plan,
  PlanInput,
  Removal,
  RemovalCause,
} from "./types.ts";

/**
 * The least writes that make a scope what it ought to be. Removals come before everything, then what is to vanish,
 * renames, and additions last (rules A5, A6, A8, B8). Equal means no operation.
 */
export function planSync(input: PlanInput): Plan {
  const held = bindGroups(input);
  const staying = isPastWindow(input) ? [] : held.own.filter((group) => isWanted(input, group));
  const leaving = [...held.surplus, ...held.own.filter((group) => !staying.includes(group))];
  const groups = planGroups(input, staying, leaving);
  const operations: Operation[] = [
    ...leaving.flatMap((group) => removals(input, group, new Set())),
    ...groups.flatMap(({ held: group, wanted }) => (group ? removals(input, group, wanted) : [])),
    ...leaving.map(({ entitlement, actual }) => ({ kind: "deleteGroup" as const, entitlement, groupId: actual.id })),
    ...groups.flatMap((group) => group.rename),
    ...groups.flatMap((group) => group.additions),
  ];
  return {
    operations,
    effective: groups.map((group) => group.effective),
    gone: leaving.map(({ actual }) => actual.id),
    adopted: held.adopted,
    missing: groups.flatMap(({ entitlement, missing }) => missing.map((userId) => ({ entitlement, userId }))),
    keptBack: groups.flatMap((group) => group.keptBack),
    withheld: groups.flatMap(({ entitlement, withheld }) =>
      withheld.map(({ userId, reasons }) => ({ entitlement, userId, reasons })),
    ),
    dueAt: dueAt(input),
  };
}

/** A group read at the endpoint that is known to be ours. */
interface HeldGroup {
  readonly entitlement: Entitlement;
  readonly actual: ActualGroup;
  readonly isMerged: boolean;
  /** Set where the entitlement has another group, which is its own. */
  readonly isDuplicate?: boolean;
}

interface HeldGroups {
  /** At most one per entitlement. */
  readonly own: readonly HeldGroup[];
  /** Ours, but of a merged incarnation or a second one for the same entitlement. */
  readonly surplus: readonly HeldGroup[];
  readonly adopted: readonly GroupBinding[];
}

/** Which of the groups read are ours: by binding, else by `externalId` (rule C6). */
function bindGroups({ branch, actual, bindings, desired }: PlanInput): HeldGroups {
  const byId = new Map(actual.map((group) => [group.id, group]));
  const bound = bindings.flatMap(({ groupId, entitlement, incarnation }): HeldGroup[] => {
    const group = byId.get(groupId);
    return group === undefined ? [] : [{ entitlement, actual: group, isMerged: incarnation !== branch.incarnation }];
  });
  const boundIds = new Set(bound.map((group) => group.actual.id));
  const { incarnation } = branch;
  // What is bound may have a second beside it, whether or not it is wanted by now.
  const ours = new Map(
    [...desired.entitlements.map(({ entitlement }) => ({ entitlement, incarnation })), ...bindings].map((each) => [
      externalIdOf(each.incarnation, each.entitlement),
      { entitlement: each.entitlement, isMerged: each.incarnation !== incarnation },
    ]),
  );
  const found = actual.flatMap((group): HeldGroup[] => {
    const known = ours.get(group.externalId ?? "");
    return known === undefined || boundIds.has(group.id) ? [] : [{ ...known, actual: group }];
  });
  const all = [...bound, ...found];
  const candidates = all.filter((group) => !group.isMerged);
  const own = candidates.filter((group) => candidates.find((each) => each.entitlement === group.entitlement) === group);
  const duplicates = candidates.filter((group) => !own.includes(group));
  return {
    own,
    surplus: [
      ...all.filter((group) => group.isMerged),
      ...duplicates.map((group) => ({ ...group, isDuplicate: true })),
    ],
    adopted: own
      .filter((group) => found.includes(group))
      .map(({ entitlement, actual: { id } }) => ({ incarnation: branch.incarnation, entitlement, groupId: id })),
  };
}

/** Names a member of an entitlement group, for `PlanInput.keptBack`. */
export function removalKey(entitlement: Entitlement, member: string): string {
  return JSON.stringify([entitlement, member]);
}

function isKeptBack({ keptBack }: PlanInput, { entitlement }: HeldGroup, member: string): boolean {
  return keptBack?.has(removalKey(entitlement, member)) ?? false;
}

/**
 * A deleted branch keeps its emptied groups for the pairing window, whatever policy says (rule A6); a group that guards
 * keep members in stays for them.
 */
function isWanted(input: PlanInput, group: HeldGroup): boolean {
  const { branch, desired } = input;
  if (branch.state === "deleted") return true;
  if (desired.entitlements.some(({ entitlement }) => entitlement === group.entitlement)) return true;
  return group.actual.members.some((member) => isKeptBack(input, group, member));
}

function windowEndMs({ branch, pairingWindowMs }: PlanInput): number | null {
  return branch.state === "deleted" && branch.endedAt !== null ? branch.endedAt.getTime() + pairingWindowMs : null;
}

function isPastWindow(input: PlanInput): boolean {
  const endMs = windowEndMs(input);
  return endMs !== null && endMs <= input.now.getTime();
}

function dueAt(input: PlanInput): Date | null {
  const endMs = windowEndMs(input);
  if (endMs !== null) return endMs > input.now.getTime() ? new Date(endMs) : null;
  return input.desired.nextChangeAt;
}

interface PlannedGroup {
  readonly entitlement: Entitlement;
  readonly held: HeldGroup | undefined;
  readonly wanted: ReadonlySet<string>;
  readonly effective: EffectiveGroup;
  readonly rename: readonly Operation[];
  readonly additions: readonly Operation[];
  readonly missing: readonly UserId[];
  readonly withheld: readonly Addition[];
  readonly keptBack: Plan["keptBack"];
}

function planGroups(
  input: PlanInput,
  staying: readonly HeldGroup[],
  leaving: readonly HeldGroup[],
): readonly PlannedGroup[] {
  const { branch, desired } = input;
  const leavingIds = new Set(leaving.map((group) => group.actual.id));
  // The groups of a deleted branch are those that it has: none is made for it.
  const wanted = branch.state === "deleted" ? [] : desired.entitlements;
  const entitlements = [...staying, ...wanted].map((group) => group.entitlement);
  const strangers = input.actual.filter((group) => !leavingIds.has(group.id));
  return [...new Set(entitlements)].toSorted().map((entitlement) => {
    const held = staying.find((group) => group.entitlement === entitlement);
    const others = strangers.filter((group) => group.id !== held?.actual.id);
    return planGroup(input, { entitlement, held, displayName: chooseName(input, entitlement, others) });
  });
}

/** The first name that no other group has; a deleted branch gives its plain name up. */
function chooseName(
  { branch, displayNameTemplate }: PlanInput,
  entitlement: Entitlement,
  others: readonly ActualGroup[],
): string {
  const names = listDisplayNames(displayNameTemplate, { ...branch, entitlement }).slice(
    branch.state === "deleted" ? 1 : 0,
  );
  const taken = new Set(others.map((group) => foldDisplayName(group.displayName)));
  return names.find((name) => !taken.has(foldDisplayName(name))) ?? names.at(-1) ?? "";
}

interface Chosen {
  readonly entitlement: Entitlement;
  readonly held: HeldGroup | undefined;
  readonly displayName: string;
}

function planGroup(input: PlanInput, { entitlement, held, displayName }: Chosen): PlannedGroup {
  const { branch, desired } = input;
  const desiredMembers = desired.entitlements.find((group) => group.entitlement === entitlement)?.members ?? [];
  const present = new Set(held?.actual.members);
  const usable = desiredMembers.flatMap(({ userId, reasons }): Addition[] => {
    const member = input.accountOf(userId);
    const isUsable = member !== undefined && (present.has(member) || input.isClosed?.(userId) !== true);
    return isUsable ? [{ userId, reasons, member }] : [];
  });
  const found = new Set(usable.map(({ userId }) => userId));
  const absent = usable.filter(({ member }) => !present.has(member));
  const isWithheld = desired.lostReferences.length > 0;
  const additions = isWithheld ? [] : absent;
  const withheld = isWithheld ? absent : [];
  const wanted = new Set(usable.filter((each) => !withheld.includes(each)).map(({ member }) => member));
  const keptBack = held === undefined ? [] : listKeptBack(input, held, wanted);
  for (const { member } of keptBack) wanted.add(member);
  const extension = toBranchEntitlement(branch, entitlement);
  const externalId = externalIdOf(branch.incarnation, entitlement);
  const mayBeThere = input.collisions?.has(entitlement) ?? false;
  const made: Operation[] =
    held === undefined
      ? mayBeThere
        ? []
        : [{ kind: "createGroup", entitlement, displayName, externalId, extension, additions }]
      : additions.length > 0
        ? [{ kind: "addMembers", entitlement, groupId: held.actual.id, additions }]
        : [];
  const shown = held?.actual;
  const isNamed =
    shown?.displayName === displayName && (shown.extension === null || isSame(shown.extension, extension));
  return {
    entitlement,
    held,
    wanted,
    effective: { entitlement, groupId: shown?.id ?? null, displayName, externalId, members: [...wanted].toSorted() },
    rename:
      shown === undefined || isNamed
        ? []
        : [
            {
              kind: "renameGroup",
              entitlement,
              groupId: shown.id,
              displayName,
              extension: shown.extension === null ? null : extension,
            },
          ],
    additions: made,
    missing: desiredMembers.flatMap(({ userId }) => (found.has(userId) ? [] : [userId])),
    withheld,
    keptBack,
  };
}

function listKeptBack(input: PlanInput, group: HeldGroup, wanted: ReadonlySet<string>): Plan["keptBack"] {
  const { entitlement, actual } = group;
  const members = actual.members.filter((member) => !wanted.has(member) && isKeptBack(input, group, member));
  return toRemovals(input, group, members).map((removal) => ({ ...removal, entitlement }));
}

function isSame<T extends object>(a: T, b: T): boolean {
  return Object.entries(b).every(([key, value]) =>
    Object.entries(a).some(([other, each]) => other === key && each === value),
  );
}

function removals(input: PlanInput, group: HeldGroup, wanted: ReadonlySet<string>): Operation[] {
  const surplus = group.actual.members.filter((member) => !wanted.has(member));
  if (surplus.length === 0) return [];
  const { entitlement, actual } = group;
  return [{ kind: "removeMembers", entitlement, groupId: actual.id, removals: toRemovals(input, group, surplus) }];
}

function toRemovals(input: PlanInput, group: HeldGroup, members: readonly string[]): readonly Removal[] {
  if (members.length === 0) return [];
  const users = usersByAccount(input);
  return members.map((member) => {
    const userId = users.get(member) ?? null;
    return { member, userId, cause: causeOf(input, group, userId) };
  });
}

/** Only users that an exclusion names can have a cause of their own; for all others the endpoint's id says enough. */
function usersByAccount({ desired, accountOf }: PlanInput): ReadonlyMap<string, UserId> {
  const known = desired.exclusions.flatMap(({ userId }) => {
    const member = accountOf(userId);
    return member === undefined ? [] : [[member, userId] as const];
  });
  return new Map(known);
}

/** Exclusions that no guard holds back, whatever was held (rule C1). */
const UNGUARDED: ReadonlySet<Exclusion["cause"]> = new Set(["inactive", "deny", "rename"]);

const causeOfState = { active: null, closed: "closed", deleted: "deleted" } as const;

function causeOf(input: PlanInput, group: HeldGroup, userId: UserId | null): RemovalCause {
  const { branch, desired, isRenaming = false } = input;
  if (input.isRetired === true) return "retired";
  if (group.isMerged) return "merged";
  // Nobody loses by it what they hold through the other.
  if (group.isDuplicate === true) return "duplicate";
  const ofState = causeOfState[branch.state];
  if (ofState !== null) return ofState;
  const isTheirs = (each: Exclusion) => each.userId === userId && each.entitlement === group.entitlement;
  const excluded = desired.exclusions.find(isTheirs)?.cause;
  // Whatever else keeps somebody out under the new name, no guard holds the rename's removals back (rule A5).
  if (isRenaming && !(excluded !== undefined && UNGUARDED.has(excluded))) return "renamed";
  if (excluded !== undefined) return excluded;
  const isMentioned = desired.entitlements.some(({ entitlement }) => entitlement === group.entitlement);
  return isMentioned ? "not-granted" : "unmentioned";
}
